// When to dial, when to doubt a silent connection, how long to wait after a loss; no I/O, no clock.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** The stream says something every second; a silence this long asks, the longer one gives up. */
export const ASK_AFTER_MS = 5_000;
export const GIVE_UP_AFTER_MS = 12_000;

export class ReconnectPlan {
  private next = FIRST_WAIT_MS;

  /** A message came: the next loss is a fresh one. */
  served(): void {
    this.next = FIRST_WAIT_MS;
  }

  /** Milliseconds until the next attempt. `spread` in [0, 1) keeps many pages from dialling at once. */
  lost(spread: number): number {
    const wait = this.next;
    this.next = Math.min(this.next * 2, LONGEST_WAIT_MS);
    return Math.round(wait * (0.8 + 0.4 * spread));
  }
}

export type Silence = 'fine' | 'ask' | 'dead';

export function judgeSilence(silentMs: number, asked: boolean): Silence {
  if (silentMs >= GIVE_UP_AFTER_MS) return 'dead';
  if (silentMs >= ASK_AFTER_MS && !asked) return 'ask';
  return 'fine';
}

export function liveUrl(page: { protocol: string; host: string }, seq: number | null, epoch: string | null): string {
  const scheme = page.protocol === 'https:' ? 'wss:' : 'ws:';
  const base = `${scheme}//${page.host}/api/live`;
  if (seq === null || epoch === null) return base;
  return `${base}?since=${seq}&epoch=${encodeURIComponent(epoch)}`;
}
