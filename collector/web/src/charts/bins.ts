// From one value a second to what fits a chart: bins, niced axes, spans that nobody observed.
import type { Values } from '../live/types';

export interface Bins {
  /** Start of each bin, Unix seconds. */
  times: number[];
  /** Mean of what was seen in the bin; null if nothing was. */
  values: Values[];
  /** True while the last bin still fills. */
  filling: boolean;
  width: number;
}

/**
 * Means over bins of `width` seconds that cover the last `range` seconds. Bins lie on multiples of
 * `width`, so that a line does not change its shape as it moves.
 */
export function binned(
  from: number,
  step: number,
  series: Values[],
  range: number,
  width: number,
): Bins {
  const length = Math.max(0, ...series.map((values) => values.length));
  const end = from + length * step;
  const first = Math.floor((end - range) / width) * width;
  const last = Math.floor((end - step / 2) / width) * width;
  const times: number[] = [];
  for (let at = first; at <= last; at += width) times.push(at);
  const values = series.map((points) => {
    const sums = new Array<number>(times.length).fill(0);
    const seen = new Array<number>(times.length).fill(0);
    points.forEach((value, index) => {
      if (value === null || value === undefined) return;
      const bin = Math.floor((from + index * step - first) / width + 1e-6);
      if (bin < 0 || bin >= times.length) return;
      sums[bin] = (sums[bin] ?? 0) + value;
      seen[bin] = (seen[bin] ?? 0) + 1;
    });
    return sums.map((sum, index) => (seen[index] ? sum / (seen[index] ?? 1) : null));
  });
  return { times, values, filling: end < last + width - step / 2, width };
}

const NICE = [1, 2, 3, 4, 5, 6, 8, 10];

/** The smallest pleasant number that is not below `value` and halves well. */
export function niceCeiling(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const factor of NICE) {
    const candidate = factor * power;
    if (candidate >= value * (1 - 1e-9)) return Number(candidate.toPrecision(3));
  }
  return 10 * power;
}

/** Sum over the last `seconds` of what was seen, and how many of these seconds were seen. */
export function lastSum(values: Values, seconds: number): { sum: number; seen: number } {
  let sum = 0;
  let seen = 0;
  for (const value of values.slice(-seconds)) {
    if (value === null) continue;
    sum += value;
    seen += 1;
  }
  return { sum, seen };
}

/** Vertical places for labels of height `height` wanted at `wanted`, kept within [low, high]. */
export function spreadLabels(wanted: number[], height: number, low: number, high: number): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  const placed = new Array<number>(wanted.length).fill(0);
  let floor = low;
  for (const index of order) {
    const place = Math.max(wanted[index] ?? 0, floor);
    placed[index] = place;
    floor = place + height;
  }
  let ceiling = high;
  for (const index of [...order].reverse()) {
    placed[index] = Math.min(placed[index] ?? 0, ceiling);
    ceiling = (placed[index] ?? 0) - height;
  }
  return placed;
}
