// Axes and small drawings as numbers: what a chart's frame is made of; pure.
import type { Values } from '../live/types';
import { niceCeiling } from './bins';

/** The end of an axis of durations: pleasant in the unit that people say it in. */
export function niceDuration(seconds: number): number {
  if (seconds <= 0) return 0.001;
  if (seconds <= 60) return niceCeiling(seconds);
  if (seconds <= 3600) return niceCeiling(seconds / 60) * 60;
  if (seconds <= 86_400) return niceCeiling(seconds / 3600) * 3600;
  return niceCeiling(seconds / 86_400) * 86_400;
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
export const TIME_STEPS = [
  1, 2, 5, 10, 15, 30, MINUTE, 2 * MINUTE, 3 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE,
  30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 7 * DAY,
];

/** `900` as `15 min`, `3600` as `1 h`, `604800` as `7 d`. */
export function rangeWords(seconds: number): string {
  if (seconds < HOUR) return `${seconds / MINUTE} min`;
  if (seconds < 2 * DAY) return `${seconds / HOUR} h`;
  return `${seconds / DAY} d`;
}

export interface Span {
  from: number;
  to: number;
  /** What to say of it. */
  text: string;
}

/** Spans in which none of `series` has a value, as [from, to) in Unix seconds. */
export function unseen(from: number, step: number, series: Values[]): Span[] {
  const length = Math.max(0, ...series.map((values) => values.length));
  const spans: Span[] = [];
  for (let index = 0; index < length; index += 1) {
    if (series.some((values) => (values[index] ?? null) !== null)) continue;
    const at = from + index * step;
    const open = spans[spans.length - 1];
    if (open && Math.abs(open.to - at) < 1e-6) open.to = at + step;
    else spans.push({ from: at, to: at + step, text: 'not observed' });
  }
  return spans;
}

/** Means of `factor` neighbours, null where none was seen: fewer points than pixels. */
export function thinned(values: Values, factor: number): Values {
  if (factor <= 1) return values;
  const means: Values = [];
  for (let start = 0; start < values.length; start += factor) {
    const seen = values.slice(start, start + factor).filter((value): value is number => value !== null);
    means.push(seen.length === 0 ? null : seen.reduce((sum, value) => sum + value, 0) / seen.length);
  }
  return means;
}

export interface BarShapes {
  whole: string;
  part: string;
  blind: string;
}

/**
 * Bars side by side in a box of `width` by `height`: `values` from the ground up, `parts` of them
 * painted over. Nothing at all is a tick on the ground, not observed is a tick above it.
 */
export function bars(values: Values, parts: Values, width: number, height: number, least = 1): BarShapes {
  const top = Math.max(least, ...values.map((value) => value ?? 0), ...parts.map((value) => value ?? 0));
  const slot = values.length === 0 ? width : width / values.length;
  const thick = Math.max(slot * 0.72, Math.min(slot, 0.8));
  const shapes: BarShapes = { whole: '', part: '', blind: '' };
  const box = (x: number, tall: number) =>
    `M${x.toFixed(2)} ${height}v${(-tall).toFixed(2)}h${thick.toFixed(2)}v${tall.toFixed(2)}z`;
  values.forEach((value, index) => {
    const x = index * slot + (slot - thick) / 2;
    if (value === null) {
      shapes.blind += `M${x.toFixed(2)} ${height}l${thick.toFixed(2)} -3`;
      return;
    }
    const tall = value === 0 ? 0.6 : Math.max(1.5, (value / top) * (height - 1));
    shapes.whole += box(x, tall);
    const part = parts[index] ?? 0;
    if (part > 0) shapes.part += box(x, Math.max(1.5, (part / top) * (height - 1)));
  });
  return shapes;
}

export interface HistogramBar {
  /** `10–20`, `over 1 k`. */
  label: string;
  /** What stands under the bar: its upper end. */
  end: string;
  count: number;
  /** Of the highest bar, 0 to 1. */
  share: number;
}

/** Buckets with upper bounds as bars; the outermost empty ones are left out. */
export function histogram(
  buckets: { le: number | string | null; count: number }[],
  say: (value: number) => string,
): HistogramBar[] {
  const bounds = buckets.map((bucket) => {
    const bound = bucket.le === null ? Number.POSITIVE_INFINITY : Number(bucket.le);
    return Number.isNaN(bound) ? Number.POSITIVE_INFINITY : bound;
  });
  const first = buckets.findIndex((bucket) => bucket.count > 0);
  let last = buckets.length - 1;
  while (last > first && (buckets[last]?.count ?? 0) === 0) last -= 1;
  if (first < 0) return [];
  const highest = Math.max(...buckets.map((bucket) => bucket.count));
  const shown: HistogramBar[] = [];
  for (let index = first; index <= last; index += 1) {
    const upper = bounds[index] ?? Number.POSITIVE_INFINITY;
    const lower = index === 0 ? null : (bounds[index - 1] ?? null);
    const open = !Number.isFinite(upper);
    const label = open
      ? lower === null ? 'any' : `over ${say(lower)}`
      : lower === null ? `up to ${say(upper)}` : `${say(lower)} to ${say(upper)}`;
    const tally = buckets[index]?.count ?? 0;
    shown.push({ label, end: open ? '∞' : say(upper), count: tally, share: tally / highest });
  }
  return shown;
}

export type CellKind = 'none' | 'succeeded' | 'failed' | 'missed' | 'running' | 'waiting' | 'unknown';

export interface Cell {
  succeeded: number;
  failed: number;
  running: number;
  waiting: number;
  missed: number;
  unknown?: number;
}

/** What a half-hour of ticks is painted as: the worst end in it; what still goes on, if none has ended. */
export function cellKind(cell: Cell): CellKind {
  if (cell.failed > 0) return 'failed';
  if (cell.missed > 0) return 'missed';
  if (cell.succeeded > 0) return 'succeeded';
  if (cell.running > 0) return 'running';
  if (cell.waiting > 0) return 'waiting';
  return (cell.unknown ?? 0) > 0 ? 'unknown' : 'none';
}

/** `12 succeeded, 1 failed`; nothing: `no tick`. */
export function cellWords(cell: Cell): string {
  const parts: string[] = [];
  for (const kind of ['succeeded', 'failed', 'missed', 'running', 'waiting'] as const) {
    if (cell[kind] > 0) parts.push(`${cell[kind]} ${kind}`);
  }
  if ((cell.unknown ?? 0) > 0) parts.push(`${cell.unknown} not known`);
  return parts.length === 0 ? 'no tick' : parts.join(', ');
}
