// One answer of the collector, kept up to date: asked for once, again when the stream says that
// something it tells of has changed, at most every few seconds and only while somebody looks.
import { untrack } from 'svelte';
import { get } from '../api/client';
import { RefreshPlan } from './refresh';

export interface Asked {
  /** Where to ask; null: nothing is wanted now. */
  path: () => string | null;
  /** What the answer depends on: another value means that it may have changed. */
  changed: () => unknown;
  /** Shortest time between two requests, milliseconds. */
  every?: () => number;
}

export class Resource<T> {
  /** The last answer; of another path it is kept until the new one is there, and `stale` says so. */
  value = $state.raw<T | null>(null);
  error = $state.raw<Error | null>(null);
  /** The answer shown is of another path, or the last attempt to renew it failed. */
  stale = $state(false);
  loading = $state(true);

  #plan: RefreshPlan;
  #path: string | null = null;
  #shown: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController | null = null;

  /** Call while a component is set up: it lives as long as that. */
  constructor(asked: Asked) {
    this.#plan = new RefreshPlan(asked.every ?? (() => 3_000));
    $effect(() => {
      const path = asked.path();
      untrack(() => this.#turnTo(path));
    });
    let first = true;
    $effect(() => {
      asked.changed();
      if (!first) this.#plan.noteChange();
      first = false;
      this.#schedule();
    });
    $effect(() => {
      const seen = () => this.#schedule();
      document.addEventListener('visibilitychange', seen);
      return () => {
        document.removeEventListener('visibilitychange', seen);
        clearTimeout(this.#timer);
        this.#abort?.abort();
        this.#path = null;
      };
    });
  }

  /** Ask now, whatever is under way. */
  refresh(): void {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    const path = this.#path;
    if (path === null) return;
    const abort = new AbortController();
    this.#abort = abort;
    this.loading = true;
    this.#plan.begin(Date.now());
    get<T>(path, abort.signal).then(
      (value) => {
        if (abort.signal.aborted) return;
        this.value = value;
        this.#shown = path;
        this.error = null;
        this.stale = false;
        this.#end(true);
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        this.error = error instanceof Error ? error : new Error(String(error));
        this.stale = this.value !== null;
        this.#end(false);
      },
    );
  }

  #turnTo(path: string | null): void {
    if (path === this.#path) return;
    this.#path = path;
    this.stale = this.value !== null && path !== this.#shown;
    this.error = null;
    this.#plan.forget();
    this.refresh();
  }

  #end(well: boolean): void {
    this.loading = false;
    this.#abort = null;
    this.#plan.end(well);
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (document.hidden || this.#path === null) return;
    const wait = this.#plan.wait(Date.now());
    if (wait === null) return;
    this.#timer = setTimeout(() => this.refresh(), wait);
  }
}
