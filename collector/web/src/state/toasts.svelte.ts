// Short words on what has just been done, where there is no better place for them.

export interface Toast {
  id: number;
  level: 'ok' | 'bad';
  text: string;
}

const SHOWN_MS = 6_000;

class Toasts {
  list = $state.raw<Toast[]>([]);
  #next = 1;

  /** Shows `text`; good news goes by itself, bad news stays until it is closed. */
  say(text: string, level: Toast['level'] = 'ok'): void {
    const toast = { id: this.#next, level, text };
    this.#next += 1;
    this.list = [...this.list.slice(-3), toast];
    if (level === 'ok') setTimeout(() => this.close(toast.id), SHOWN_MS);
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
