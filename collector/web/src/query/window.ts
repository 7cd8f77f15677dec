// A list too long to hold: pages by keyset, of which only those around what is seen are kept.
//
// What lies above and was let go is remembered as a cursor and a count, so that the scroll bar stays
// true and a page comes back when it is scrolled to. Pure: who owns a window fetches and draws.

export interface Page<Row> {
  /** How to ask for it; null: the first. */
  cursor: string | null;
  /** How many rows it has, held or not. */
  count: number;
  /** Null: let go. */
  rows: Row[] | null;
}

export interface Slice<Row> {
  /** Index of the first row among all. */
  first: number;
  /** Null: not held, being fetched. */
  rows: (Row | null)[];
}

export class PageWindow<Row> {
  #key: (row: Row) => string;
  #keep: number;
  #pages: Page<Row>[] = [];
  #next: string | null = null;
  #begun = false;

  /** `keep`: how many pages may hold their rows at a time. */
  constructor(key: (row: Row) => string, keep = 8) {
    this.#key = key;
    this.#keep = keep;
  }

  /** Rows known of so far. */
  get total(): number {
    return this.#pages.reduce((sum, page) => sum + page.count, 0);
  }

  /** How many rows are held. */
  get held(): number {
    return this.#pages.reduce((sum, page) => sum + (page.rows?.length ?? 0), 0);
  }

  /** Whether there is nothing beyond the last page. */
  get ended(): boolean {
    return this.#begun && this.#next === null;
  }

  /** The cursor behind the last page; null before the first page, and at the end. */
  get next(): string | null {
    return this.#next;
  }

  get pages(): number {
    return this.#pages.length;
  }

  clear(): void {
    this.#pages = [];
    this.#next = null;
    this.#begun = false;
  }

  /** Puts the page of `cursor` where it belongs: behind the last, or in the place of the one let go. */
  put(cursor: string | null, rows: Row[], next: string | null): void {
    const known = this.#pages.find((page) => page.cursor === cursor);
    if (known !== undefined) {
      known.rows = this.#unseen(rows, known);
      known.count = known.rows.length;
      if (known === this.#pages[this.#pages.length - 1]) this.#next = next;
      return;
    }
    if (cursor !== this.#next) return;
    const page: Page<Row> = { cursor, count: 0, rows: null };
    page.rows = this.#unseen(rows, page);
    page.count = page.rows.length;
    this.#begun = true;
    this.#next = next;
    // A search that ran out of time may answer nothing and go on: no page, only a place further back.
    if (page.count > 0 || this.#pages.length === 0) this.#pages.push(page);
  }

  /** The rows from `first` up to but not including `end`. */
  slice(first: number, end: number): Slice<Row> {
    const from = Math.max(0, Math.min(first, this.total));
    const rows: (Row | null)[] = [];
    let at = 0;
    for (const page of this.#pages) {
      const begin = Math.max(from - at, 0);
      const stop = Math.min(end - at, page.count);
      for (let index = begin; index < stop; index += 1) rows.push(page.rows?.[index] ?? null);
      at += page.count;
      if (at >= end) break;
    }
    return { first: from, rows };
  }

  /** What to fetch so that the rows of the span can be drawn; undefined: nothing. */
  wanted(first: number, end: number): { cursor: string | null } | undefined {
    let at = 0;
    for (const page of this.#pages) {
      if (page.rows === null && at < end && at + page.count > first) return { cursor: page.cursor };
      at += page.count;
    }
    if (!this.#begun) return { cursor: null };
    return end >= at && this.#next !== null ? { cursor: this.#next } : undefined;
  }

  /** Lets go of the rows of the pages furthest from the span, as long as too many are held. */
  trim(first: number, end: number): void {
    let at = 0;
    const held: { page: Page<Row>; away: number }[] = [];
    for (const page of this.#pages) {
      const away = Math.max(at - end, first - (at + page.count), 0);
      if (page.rows !== null) held.push({ page, away });
      at += page.count;
    }
    held.sort((a, b) => b.away - a.away);
    for (const { page, away } of held.slice(0, Math.max(0, held.length - this.#keep))) {
      if (away > 0) page.rows = null;
    }
  }

  /** Puts newer versions of rows in their places; says which of them were found. */
  update(rows: readonly Row[]): Set<string> {
    const byKey = new Map(rows.map((row) => [this.#key(row), row]));
    const found = new Set<string>();
    for (const page of this.#pages) {
      if (page.rows === null) continue;
      let changed: Row[] | null = null;
      for (const [index, row] of page.rows.entries()) {
        const newer = byKey.get(this.#key(row));
        if (newer === undefined) continue;
        found.add(this.#key(row));
        changed ??= [...page.rows];
        changed[index] = newer;
      }
      if (changed !== null) page.rows = changed;
    }
    return found;
  }

  /** Takes rows out, for example those that a filter no longer lets through. */
  remove(keys: ReadonlySet<string>): void {
    for (const page of this.#pages) {
      if (page.rows === null) continue;
      const kept = page.rows.filter((row) => !keys.has(this.#key(row)));
      if (kept.length === page.rows.length) continue;
      page.rows = kept;
      page.count = kept.length;
    }
  }

  /** Puts new rows above the first. */
  prepend(rows: readonly Row[]): void {
    const first = this.#pages[0];
    if (first === undefined || first.rows === null) return;
    first.rows = [...rows, ...first.rows];
    first.count = first.rows.length;
  }

  find(key: string): Row | null {
    for (const page of this.#pages) {
      const row = page.rows?.find((each) => this.#key(each) === key);
      if (row !== undefined) return row;
    }
    return null;
  }

  /** The place of a held row among all; -1: not held. */
  indexOf(key: string): number {
    let at = 0;
    for (const page of this.#pages) {
      const index = page.rows?.findIndex((row) => this.#key(row) === key) ?? -1;
      if (index >= 0) return at + index;
      at += page.count;
    }
    return -1;
  }

  /** All rows held, in order. */
  all(): Row[] {
    return this.#pages.flatMap((page) => page.rows ?? []);
  }

  /** Rows that moved while pages were fetched one after the other may come twice. */
  #unseen(rows: Row[], into: Page<Row>): Row[] {
    const seen = new Set<string>();
    for (const page of this.#pages) {
      if (page === into) continue;
      for (const row of page.rows ?? []) seen.add(this.#key(row));
    }
    return rows.filter((row) => {
      const key = this.#key(row);
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  }
}
