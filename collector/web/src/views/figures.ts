// The figures of the tiles, computed from a state; pure.
import type { SeriesAnswer } from '../api/figures';
import { binned, lastSum } from '../charts/bins';
import { rangeWords, thinned } from '../charts/scale';
import { count, exact, NONE, percent, plural, rate } from '../format/count';
import { duration, exactDuration } from '../format/duration';
import type { LiveState } from '../live/reducer';
import type { SeriesName, Values } from '../live/types';

export interface Figure {
  id: string;
  label: string;
  value: string;
  unit: string;
  exact: string;
  note: string;
  /** Name of the colour token of the sparkline. */
  colour: string;
  values: Values;
}

const SPARK_BINS = 60;
const LEAST_BINS = 4;
const MINUTE = 60;
const LIVE_SECONDS = 900;

/** `past`: the series of a range that the live one does not reach over; null while it is not here. */
export function figures(state: LiveState, range: number, past: SeriesAnswer | null = null): Figure[] {
  const { points, from, step } = state.series;
  const long = range > points.succeeded.length * step && range > LIVE_SECONDS;
  const spark = (values: Values): Values =>
    long ? [] : (binned(from, step, [values], range, range / SPARK_BINS).values[0] ?? []);
  const sparkOf = (name: SeriesName): Values => {
    if (!long) return spark(points[name]);
    if (past === null) return [];
    const factor = Math.max(1, Math.ceil((past.points[name]?.length ?? 0) / SPARK_BINS));
    return thinned(past.points[name] ?? [], factor);
  };

  const done = added(points.succeeded, points.failed);
  const minute = lastSum(done, MINUTE);
  // A plain sum, as in the line of truth: what was not seen is said beside it, not made up.
  const perMinute = minute.seen === 0 ? null : minute.sum;
  const whole = lastSum(done, range);
  const usual = long ? perMinuteOf(past) : whole.seen < 2 * MINUTE ? null : (whole.sum / whole.seen) * MINUTE;

  const failed = lastSum(points.failed, MINUTE).sum;
  const share = minute.sum === 0 ? null : failed / minute.sum;

  const slots = state.workers
    .filter((worker) => worker.status === 'online')
    .reduce((sum, worker) => sum + worker.slots, 0);
  const stuck = state.workers
    .filter((worker) => worker.status === 'online')
    .reduce((sum, worker) => sum + (worker.stuck ?? 0), 0);

  const before = points.ready[points.ready.length - 1 - MINUTE] ?? null;
  const ready = points.ready[points.ready.length - 1] ?? null;

  // Of the rows below, so that tile and table never tell of two different moments.
  const waiting = state.queues.reduce((sum, queue) => sum + queue.ready, 0);
  const eldest = state.queues
    .filter((queue) => queue.oldest_age !== null)
    .sort((a, b) => (b.oldest_age ?? 0) - (a.oldest_age ?? 0))[0];
  const [age, ageUnit] = split(eldest ? duration(eldest.oldest_age) : NONE);
  const [lag, lagUnit] = split(duration(state.monitor.lag_seconds));

  return [
    {
      id: 'finished',
      label: 'Finished',
      ...scaled(perMinute === null ? NONE : count(perMinute), '/min'),
      exact: `${exact(perMinute)} in the last minute, of which ${minute.seen} s were observed`,
      note:
        minute.seen > 0 && minute.seen < MINUTE
          ? `in ${minute.seen} s observed`
          : comparedWith(perMinute, usual, range),
      colour: 'ink-3',
      values: added(sparkOf('succeeded'), sparkOf('failed')),
    },
    {
      id: 'failing',
      label: 'Failing',
      ...scaled(percent(share), ''),
      exact: share === null ? 'nothing finished in the last minute' : `${exact(share * 100)} % of the last minute`,
      note: minute.sum === 0 ? 'nothing finished in 1 min' : `${count(failed)} of ${count(minute.sum)} in 1 min`,
      colour: failed > 0 ? 'failed' : 'ink-3',
      values: shares(sparkOf('failed'), added(sparkOf('succeeded'), sparkOf('failed'))),
    },
    {
      id: 'running-now',
      label: 'Running',
      ...scaled(count(state.totals.running), ''),
      exact: state.totals.unknown ? `${exact(state.totals.running)}; of ${exact(state.totals.unknown)} more nobody knows whether they run` : exact(state.totals.running),
      note: state.totals.unknown ? `+ ${count(state.totals.unknown)} not known` : slots > 0 ? `of ${plural(slots, 'slot')}${stuck > 0 ? `, ${count(stuck)} stuck` : ''}` : 'no worker online',
      colour: 'running',
      values: sparkOf('running'),
    },
    {
      id: 'waiting-now',
      label: 'Waiting',
      ...scaled(count(waiting), ''),
      exact: state.totals.taken ? `${exact(waiting)} in queues; ${exact(state.totals.taken)} more are held by workers and not started` : exact(waiting),
      note: state.totals.taken ? `+ ${count(state.totals.taken)} taken, not started` : moved(ready, before),
      colour: 'waiting',
      values: sparkOf('ready'),
    },
    {
      id: 'oldest',
      label: 'Oldest wait',
      value: age,
      unit: ageUnit,
      exact: eldest ? exactDuration(eldest.oldest_age) : 'nothing waits',
      note: eldest ? `in ${eldest.name}` : 'nothing waits',
      colour: 'waiting',
      values: begun(spark(state.observed.oldest)),
    },
    {
      id: 'behind',
      label: 'Monitor behind by',
      value: lag,
      unit: lagUnit,
      exact: exactDuration(state.monitor.lag_seconds),
      note: `${rate(state.monitor.events_per_second)} events/s`,
      colour: 'ink-3',
      values: begun(spark(state.observed.lag)),
    },
  ];
}

/** Finished per minute over the whole of a series, of what was seen of it. */
function perMinuteOf(past: SeriesAnswer | null): number | null {
  if (past === null) return null;
  const done = added(past.points.succeeded ?? [], past.points.failed ?? []).filter((value) => value !== null);
  if (done.length < 2) return null;
  return (done.reduce<number>((sum, value) => sum + (value ?? 0), 0) / (done.length * past.step)) * MINUTE;
}

function added(a: Values, b: Values): Values {
  return a.map((value, index) => {
    const other = b[index] ?? null;
    return value === null && other === null ? null : (value ?? 0) + (other ?? 0);
  });
}

/** What only the page observes starts with the page; a sliver of a line says nothing yet. */
function begun(values: Values): Values {
  return values.filter((value) => value !== null).length < LEAST_BINS ? [] : values;
}

function shares(parts: Values, wholes: Values): Values {
  return parts.map((part, index) => {
    const whole = wholes[index] ?? null;
    if (part === null || whole === null) return null;
    return whole === 0 ? 0 : part / whole;
  });
}

/** `12.4 k` as figure and small unit: the letter belongs to the unit's size. */
function scaled(text: string, unit: string): { value: string; unit: string } {
  const [value, letter] = split(text);
  return { value, unit: letter === '' ? unit : `${letter}${unit}` };
}

/** Splits `3 min 12 s` after its first figure when one unit follows, else keeps the words whole. */
function split(text: string): [string, string] {
  const parts = text.split(' ');
  if (parts[0] === '<' || parts[0] === '>') return [`${parts[0]} ${parts[1] ?? ''}`, parts.slice(2).join(' ')];
  return [parts[0] ?? text, parts.slice(1).join(' ')];
}

function comparedWith(now: number | null, usual: number | null, range: number): string {
  if (now === null) return 'not observed';
  if (usual === null || range <= MINUTE) return 'over the last minute';
  if (usual === 0) return now === 0 ? 'as before' : 'none before';
  const change = now / usual - 1;
  const span = rangeWords(range);
  if (Math.abs(change) < 0.02) return `as over ${span}`;
  return `${change > 0 ? '↑' : '↓'} ${percent(Math.abs(change))} on ${span}`;
}

function moved(now: number | null, before: number | null): string {
  if (now === null || before === null) return 'ready in queues';
  const change = now - before;
  if (change === 0) return 'same as 1 min ago';
  return `${change > 0 ? '+' : '−'}${count(Math.abs(change))} in 1 min`;
}
