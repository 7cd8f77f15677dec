// What the collector lets this viewer do, as its answers tell.

class Access {
  /** Answered 401: nothing below /api is open from here. */
  closed = $state(false);
  /** A write was answered 401 or 403: looking is allowed, changing is not. */
  readOnly = $state(false);

  noteAnswer(status: number, method: string): void {
    const refused = status === 401 || status === 403;
    if (method === 'GET') this.closed = status === 401;
    else if (refused) this.readOnly = true;
  }
}

export const access = new Access();
