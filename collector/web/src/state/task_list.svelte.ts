// The list of tasks that a search finds: pages by keyset around what is seen, followed live.
import { address, ApiError, get, isAbort } from '../api/client';
import type { SearchAnswer, TaskRow } from '../api/types';
import type { Live } from '../live/live.svelte';
import { arrivals } from '../query/arrivals';
import { firstSeen, followable } from '../query/matches';
import type { Term } from '../query/parse';
import { PageWindow } from '../query/window';

const PAGE = 100;
/** Rows added above since the first page was fetched; beyond this it is fetched anew. */
const MOST_ADDED = 200;
const MOST_WAITING = 1_000;
/** How many answers in a row that ran out of time are followed up without being asked to. */
const PATIENCE = 8;
const ASK_AGAIN_MS = 5_000;

export interface Search {
  q: string;
  sort: string;
  /** `q` as parsed. */
  terms: readonly Term[];
}

/** To be made while a component is set up; it ends with the component. */
export class TaskList {
  /** Changes with what is held; read it to draw again. */
  version = $state(0);
  loading = $state(false);
  /** What is shown answers the search before. */
  stale = $state(false);
  error = $state.raw<ApiError | null>(null);
  /** Down to when everything was looked at; null: to the end. */
  searchedBackTo = $state<number | null>(null);
  /** Ran out of time too often; goes on when asked to. */
  resting = $state(false);
  /** How many new rows wait to be let in. */
  waiting = $state(0);
  /** Set by the view: rows must keep their places. */
  held = false;

  #live: Live;
  #window = new PageWindow<TaskRow>((row) => row.id);
  #search: Search | null = null;
  #first = 0;
  #end = 60;
  #abort: AbortController | null = null;
  #fresh = new Map<string, TaskRow>();
  #added = 0;
  #tired = 0;
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(live: () => Live) {
    this.#live = live();
    $effect(() => {
      const end = this.#live.onTasks((rows, whole) => (whole ? this.#missed() : this.#arrive(rows)));
      const poll = setInterval(() => this.#poll(), ASK_AGAIN_MS);
      return () => {
        end();
        clearInterval(poll);
        clearTimeout(this.#again);
        this.#abort?.abort();
      };
    });
  }

  get total(): number {
    return this.#window.total;
  }
  get ended(): boolean {
    return this.#window.ended;
  }
  /** Rows held in memory. */
  get kept(): number {
    return this.#window.held;
  }

  rows(first: number, end: number): (TaskRow | null)[] {
    return this.#window.slice(first, end).rows;
  }
  find(id: string): TaskRow | null {
    return this.#window.find(id);
  }
  indexOf(id: string): number {
    return this.#window.indexOf(id);
  }

  /** Another search, or the same from its beginning. */
  start(search: Search): void {
    this.#search = search;
    this.stale = this.#window.total > 0;
    this.#restart();
  }

  /** Shows what waits: fetches the first page anew. */
  letIn(): void {
    this.#restart();
  }

  goOn(): void {
    this.#tired = 0;
    this.resting = false;
    void this.#pump();
  }

  retry(): void {
    this.error = null;
    void this.#pump();
  }

  /** The rows that are seen now. */
  look(first: number, end: number): void {
    this.#first = first;
    this.#end = end;
    void this.#pump();
  }

  #restart(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#tired = 0;
    this.resting = false;
    void this.#fetch(null, true);
  }

  async #pump(): Promise<void> {
    if (this.#abort !== null || this.error !== null || this.resting || this.#search === null) return;
    const want = this.#window.wanted(this.#first, this.#end);
    if (want !== undefined) await this.#fetch(want.cursor, false);
  }

  async #fetch(cursor: string | null, anew: boolean): Promise<void> {
    const search = this.#search;
    if (search === null) return;
    const abort = new AbortController();
    this.#abort = abort;
    this.loading = true;
    try {
      const path = address('/api/search', { q: search.q, sort: search.sort, limit: PAGE, cursor });
      const told = await get<SearchAnswer>(path, abort.signal);
      if (abort.signal.aborted) return;
      if (anew) {
        this.#window.clear();
        this.#fresh.clear();
        this.waiting = 0;
        this.#added = 0;
        this.stale = false;
      }
      this.#window.put(cursor, told.tasks, told.next);
      this.#window.trim(this.#first, this.#end);
      this.searchedBackTo = told.complete && told.next === null ? null : told.searched_back_to;
      this.error = null;
      this.#tired = told.complete ? 0 : this.#tired + 1;
      this.resting = this.#tired >= PATIENCE;
      this.version += 1;
    } catch (error) {
      if (isAbort(error) || abort.signal.aborted) return;
      this.error = error instanceof ApiError ? error : new ApiError(String(error), 0);
    } finally {
      if (this.#abort === abort) {
        this.#abort = null;
        this.loading = false;
      }
    }
    await this.#pump();
  }

  #arrive(rows: readonly TaskRow[]): void {
    const search = this.#search;
    if (search === null || this.stale) return;
    const newestFirst = search.sort === '-received' && followable(search.terms);
    const first = this.#window.slice(0, 1).rows[0];
    const top = first === undefined || first === null ? null : firstSeen(first);
    const { changed, gone, fresh } = arrivals(rows, search.terms, top, (id) => this.#window.find(id) ?? this.#fresh.get(id) ?? null);
    for (const row of changed) if (this.#fresh.has(row.id)) this.#fresh.set(row.id, row);
    let drawn = false;
    if (changed.length > 0) drawn = this.#window.update(changed).size > 0;
    if (gone.size > 0 && !this.held && followable(search.terms)) {
      this.#window.remove(gone);
      for (const id of gone) this.#fresh.delete(id);
      drawn = true;
    }
    if (newestFirst && fresh.length > 0) {
      if (this.held) {
        for (const row of fresh) if (this.#fresh.size < MOST_WAITING) this.#fresh.set(row.id, row);
      } else {
        this.#window.prepend(fresh);
        this.#added += fresh.length;
        drawn = true;
      }
    }
    if (!this.held && this.#fresh.size > 0) {
      this.#restart();
    } else if (this.#added > MOST_ADDED && this.#abort === null) {
      this.#restart();
    }
    this.waiting = this.#fresh.size;
    if (drawn) this.version += 1;
  }

  /** Where the stream does not tell what comes, the first page is asked for again while it is seen. */
  #poll(): void {
    const search = this.#search;
    if (search === null || this.held || this.#live.paused || document.hidden || this.#abort !== null) return;
    if (this.#live.phase !== 'live' || this.#first > 0) return;
    const stream = search.sort === '-received' && followable(search.terms);
    if (!stream || this.error !== null) this.#restart();
  }

  #missed(): void {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => {
      if (this.#search !== null && !this.held) this.#restart();
    }, 50);
  }
}
