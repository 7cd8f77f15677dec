// The time the page shows things against: the collector's, standing still while the data do.
import type { Live } from '../live/live.svelte';

export class Clock {
  #live: Live;
  /** Unix seconds by the page's own clock, once a second. */
  page = $state(Date.now() / 1000);

  constructor(live: Live) {
    this.#live = live;
    setInterval(() => {
      this.page = Date.now() / 1000;
    }, 1000);
  }

  /** Unix seconds by the collector's clock, of what is shown. */
  get shown(): number {
    const still = this.#live.pausedAt ?? this.#live.lostAt;
    return (still ?? Math.max(this.page, (this.#live.state?.now ?? 0) - this.#live.skew)) + this.#live.skew;
  }
}
