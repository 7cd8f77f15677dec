// When to ask again for what the stream does not carry; no clock and no I/O of its own.

const LONGEST_AFTER_FAILURE_MS = 30_000;

export class RefreshPlan {
  private begun: number | null = null;
  private asking = false;
  private dirty = false;
  private failures = 0;

  constructor(private readonly every: () => number) {}

  /** Something that the answer tells of has changed. */
  noteChange(): void {
    this.dirty = true;
  }

  begin(now: number): void {
    this.begun = now;
    this.asking = true;
    this.dirty = false;
  }

  end(well: boolean): void {
    this.asking = false;
    this.failures = well ? 0 : this.failures + 1;
    if (!well) this.dirty = true;
  }

  /** Another question: nothing known of the last one counts. */
  forget(): void {
    this.begun = null;
    this.asking = false;
    this.failures = 0;
  }

  /** Milliseconds until the next request; null: none is due. */
  wait(now: number): number | null {
    if (this.asking || !this.dirty || this.begun === null) return null;
    const every = this.every();
    const gap = Math.min(every * 2 ** this.failures, Math.max(every, LONGEST_AFTER_FAILURE_MS));
    return Math.max(0, this.begun + gap - now);
  }
}
