// What the charts of the overview draw: the live seconds, or a longer past as the collector keeps it.
import type { BlindSpan, PointName, SeriesAnswer } from '../api/figures';
import { binned } from '../charts/bins';
import type { Span } from '../charts/scale';
import type { Series, Values } from '../live/types';
import { blindWords } from './words';

/** Seconds of one point of the shortest range; quantiles are kept in ten seconds too. */
export const SHORT_BIN = 10;

export interface Past {
  from: number;
  step: number;
  begin: number;
  end: number;
  filling: boolean;
  blind: Span[];
  /** Rates per second where it is a count, the value itself otherwise. */
  points: Record<PointName, Values>;
}

const COUNTS = ['received', 'succeeded', 'failed', 'retried'] as const;
const LEVELS = ['running', 'ready'] as const;
const QUANTILES = ['wait_p50', 'wait_p95', 'wait_p99', 'run_p50', 'run_p95', 'run_p99'] as const;

/** The last `span` seconds by the live series; quantiles come from `answer`, as far as it reaches. */
export function shortPast(series: Series, answer: SeriesAnswer | null, span: number): Past {
  const length = series.points.succeeded.length;
  const end = series.from + length * series.step;
  const width = span <= 60 ? 2 : span <= 300 ? 5 : SHORT_BIN;
  const names = [...COUNTS, ...LEVELS];
  const live = binned(series.from, series.step, names.map((name) => series.points[name]), span, width);
  const points = {} as Record<PointName, Values>;
  names.forEach((name, index) => (points[name] = live.values[index] ?? []));
  for (const name of QUANTILES) {
    const values = answer?.step === 1 ? (answer.points[name] ?? []) : [];
    points[name] = live.times.map((time, bin) => {
      // Durations are kept by the minute too: those say nothing of seconds that nobody watched.
      if ((points.succeeded[bin] ?? null) === null) return null;
      const at = answer === null ? -1 : Math.round(time - answer.from);
      for (let index = at; index < at + width; index += 1) {
        const value = values[index];
        if (value !== null && value !== undefined) return value;
      }
      return null;
    });
  }
  return {
    from: live.times[0] ?? end - span,
    step: width,
    begin: end - span,
    end,
    filling: live.filling,
    blind: hatched(answer?.blind ?? [], end - span, end),
    points,
  };
}

/** As many points as a chart can show apart from each other. */
const MOST_POINTS = 240;

/** A longer past; the last point is the one still filling. Of what is thinned, peaks stay peaks. */
export function longPast(answer: SeriesAnswer, now: number): Past {
  const { from, to } = answer;
  const length = Math.max(0, ...Object.values(answer.points).map((values) => values.length));
  const factor = Math.max(1, Math.ceil(length / MOST_POINTS));
  const step = answer.step * factor;
  const points = {} as Record<PointName, Values>;
  const chunks = (name: PointName, take: (seen: number[], at: number) => number): Values => {
    const values = answer.points[name] ?? [];
    const taken: Values = [];
    for (let start = 0; start < length; start += factor) {
      const seen = values.slice(start, start + factor).filter((value): value is number => value !== null);
      taken.push(seen.length === 0 ? null : take(seen, from + start * answer.step));
    }
    return taken;
  };
  for (const name of COUNTS) {
    points[name] = chunks(name, (seen, at) => {
      // Only of the last chunk less has passed than was asked for.
      const passed = Math.min(seen.length * answer.step, Math.max(1, now - at));
      return seen.reduce((sum, value) => sum + value, 0) / passed;
    });
  }
  for (const name of [...LEVELS, ...QUANTILES]) points[name] = chunks(name, (seen) => Math.max(...seen));
  const last = from + (Math.ceil(length / factor) - 1) * step;
  return { from, step, begin: from, end: to, filling: now < last + step, blind: hatched(answer.blind, from, to), points };
}

/** What of the blind spans is to be hatched: what was read afterwards is not missing. */
export function hatched(blind: BlindSpan[], from: number, to: number): Span[] {
  return blind
    .filter((span) => span.lost_for_good !== false && span.to > from && span.from < to)
    .map((span) => ({ from: span.from, to: span.to, text: blindWords(span) }));
}
