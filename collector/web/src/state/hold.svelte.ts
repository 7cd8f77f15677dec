// Rows that do not jump under the pointer: while held, a list keeps its places.
//
// What a held row shows still follows the stream; only coming and going wait.

export class Hold<Row> {
  #key: (row: Row) => string;
  #kept = $state.raw<Row[] | null>(null);

  constructor(key: (row: Row) => string) {
    this.#key = key;
  }

  get held(): boolean {
    return this.#kept !== null;
  }

  /** Holds what is shown now, or lets go; call it when either may have changed. */
  set(held: boolean, shown: Row[]): void {
    if (!held) this.#kept = null;
    else this.#kept ??= shown;
  }

  /** Let in what waits, and go on holding. */
  refresh(live: Row[]): void {
    if (this.#kept !== null) this.#kept = live;
  }

  /** The rows to show, given those of now; `known` may know rows that `live` no longer lists. */
  rows(live: Row[], known: Row[] = live): Row[] {
    if (this.#kept === null) return live;
    const current = new Map(known.map((row) => [this.#key(row), row]));
    return this.#kept.map((row) => current.get(this.#key(row)) ?? row);
  }

  /** How many rows wait to be let in. */
  waiting(live: Row[]): number {
    if (this.#kept === null) return 0;
    const kept = new Set(this.#kept.map(this.#key));
    return live.filter((row) => !kept.has(this.#key(row))).length;
  }
}
