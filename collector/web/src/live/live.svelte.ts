// The page's one connection: follows the stream, publishes at most one state a frame, reconnects.
//
// Pausing freezes what is published, not what is followed, so that going on is instant and needs no
// request. Everything here is the thin shell; the decisions are in reducer.ts and plan.ts.
import { judgeSilence, liveUrl, ReconnectPlan } from './plan';
import type { LiveState } from './reducer';
import { reduce } from './reducer';
import type { Message, Task } from './types';

/** `first`: nothing shown yet; `live`: following; `lost`: showing what was known at `lostAt`. */
export type Phase = 'first' | 'live' | 'lost';

/** Given the rows of a change; `whole`: something may have been missed, ask anew. */
export type TaskListener = (rows: Task[], whole: boolean) => void;

const HIDDEN_PUBLISH_MS = 1_000;
const WATCH_MS = 1_000;

export class Live {
  /** What to show; null until the first snapshot. */
  state = $state.raw<LiveState | null>(null);
  phase = $state<Phase>('first');
  /** Page clock, Unix seconds: the last message before the loss. */
  lostAt = $state<number | null>(null);
  /** Page clock, Unix seconds: when the next attempt starts; null while one is under way. */
  retryAt = $state<number | null>(null);
  /** Attempts since the last message, for the first load that does not succeed. */
  attempts = $state(0);
  paused = $state(false);
  pausedAt = $state<number | null>(null);
  /** Changes that came while paused. */
  held = $state(0);
  /** Collector's clock minus the page's, seconds. */
  skew = $state(0);

  #listeners = new Set<TaskListener>();
  #followed: LiveState | null = null;
  #plan = new ReconnectPlan();
  #socket: WebSocket | null = null;
  #lastMessage = 0;
  #asked = false;
  #publishing = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #watchTimer: ReturnType<typeof setInterval> | undefined;
  #stopped = false;

  start(): void {
    this.#stopped = false;
    this.#dial();
    this.#watchTimer = setInterval(() => this.#watch(), WATCH_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    clearInterval(this.#watchTimer);
    this.#socket?.close();
  }

  togglePause(): void {
    this.paused = !this.paused;
    this.pausedAt = this.paused ? Date.now() / 1000 : null;
    this.held = 0;
    if (!this.paused) {
      this.#publish();
      this.#tell([], true);
    }
  }

  /** Calls `listener` with each change of tasks, more than `state.tasks` keeps; returns how to end it. */
  onTasks(listener: TaskListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(rows: Task[], whole: boolean): void {
    if (this.paused) return;
    for (const listener of this.#listeners) listener(rows, whole);
  }

  /** Do not wait for the back-off: the reader asks for it now. */
  retryNow(): void {
    if (this.phase === 'live' || this.#socket !== null) return;
    clearTimeout(this.#retryTimer);
    this.#dial();
  }

  #dial(): void {
    this.retryAt = null;
    const known = this.#followed;
    const socket = new WebSocket(liveUrl(location, known?.seq ?? null, known?.epoch ?? null));
    this.#socket = socket;
    this.#lastMessage = Date.now();
    this.#asked = false;
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (socket === this.#socket) this.#receive(String(event.data));
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#lose();
    };
  }

  #receive(text: string): void {
    let message: Message;
    try {
      message = JSON.parse(text) as Message;
    } catch {
      this.#startOver();
      return;
    }
    this.#lastMessage = Date.now();
    this.#asked = false;
    const step = reduce(this.#followed, message);
    if (step.kind === 'gap') {
      this.#startOver();
      return;
    }
    if (step.kind === 'ignored') return;
    this.#plan.served();
    this.#followed = step.state;
    this.attempts = 0;
    this.phase = 'live';
    this.lostAt = null;
    if (message.type !== 'resumed') this.skew = step.state.now - Date.now() / 1000;
    if (this.paused) this.held += 1;
    if (message.type === 'change' && message.tasks) this.#tell(message.tasks, false);
    if (message.type === 'snapshot') this.#tell([], true);
    this.#schedulePublish();
  }

  /** What is held does not fit what comes: drop it and ask for a whole snapshot. */
  #startOver(): void {
    this.#followed = null;
    this.#socket?.close();
  }

  #lose(): void {
    this.#socket = null;
    if (this.#stopped) return;
    this.attempts += 1;
    if (this.phase === 'live') {
      this.phase = 'lost';
      this.lostAt = this.#lastMessage / 1000;
    }
    const wait = this.#plan.lost(Math.random());
    this.retryAt = (Date.now() + wait) / 1000;
    this.#retryTimer = setTimeout(() => this.#dial(), wait);
  }

  #watch(): void {
    const socket = this.#socket;
    if (socket === null) return;
    const verdict = judgeSilence(Date.now() - this.#lastMessage, this.#asked);
    if (verdict === 'ask' && socket.readyState === WebSocket.OPEN) {
      this.#asked = true;
      socket.send('{"type":"ping"}');
    } else if (verdict === 'dead') {
      // A half-open connection may take minutes to close by itself.
      socket.onclose = null;
      socket.close();
      this.#lose();
    }
  }

  #schedulePublish(): void {
    if (this.#publishing) return;
    this.#publishing = true;
    const publish = () => {
      this.#publishing = false;
      this.#publish();
    };
    // Frames stop in a hidden tab, whose icon and title shall still follow.
    if (document.hidden) setTimeout(publish, HIDDEN_PUBLISH_MS);
    else requestAnimationFrame(publish);
  }

  #publish(): void {
    if (!this.paused && this.#followed !== null) this.state = this.#followed;
  }
}
