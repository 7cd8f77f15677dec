// From the messages of the live stream to what the page shows; pure, so that every path is tested.
//
// States are values: a message makes a new one and leaves the old as it was, which is what lets a
// paused page go on showing an old state while the stream is still followed.
import type {
  Change,
  Message,
  Point,
  Sections,
  Series,
  SeriesName,
  Submission,
  Task,
  Values,
} from './types';
import { SERIES_NAMES } from './types';

export const KEPT_TASKS = 100;
export const KEPT_SUBMISSIONS = 30;
export const KEPT_SECONDS = 900;

export interface LiveState extends Sections {
  epoch: string;
  seq: number;
  /** The collector's clock at the last message. */
  now: number;
  /** What the stream tells only as a present value, kept by the second beside `series`. */
  observed: { oldest: Values; lag: Values };
}

/** `gap`: a change is missing; the state must not be used further, connect again with `since`. */
export type Step = { kind: 'ok'; state: LiveState } | { kind: 'gap' } | { kind: 'ignored' };

export function reduce(state: LiveState | null, message: Message): Step {
  switch (message.type) {
    case 'snapshot':
      return { kind: 'ok', state: fromSnapshot(state, message) };
    case 'resumed':
      // `since` was ours, so what we hold is what the changes that follow build upon.
      return state !== null && state.epoch === message.epoch
        ? { kind: 'ok', state }
        : { kind: 'gap' };
    case 'change':
      if (state === null) return { kind: 'gap' };
      if (message.seq <= state.seq) return { kind: 'ignored' };
      if (message.seq !== state.seq + 1) return { kind: 'gap' };
      return { kind: 'ok', state: withChange(state, message) };
    default:
      return { kind: 'ignored' };
  }
}

function fromSnapshot(before: LiveState | null, message: Message & { type: 'snapshot' }): LiveState {
  const series = completed(message.series);
  const observed = { oldest: blank(series), lag: blank(series) };
  if (before !== null) {
    carryOver(before.series, before.observed.oldest, series, observed.oldest);
    carryOver(before.series, before.observed.lag, series, observed.lag);
  }
  return {
    epoch: message.epoch,
    seq: message.seq,
    now: message.now,
    truth: message.truth,
    data_source: message.data_source ?? 'none',
    totals: message.totals,
    monitor: message.monitor,
    workers: byName(message.workers ?? []),
    queues: byName(message.queues ?? []),
    tasks: newestTasks(message.tasks ?? []),
    submissions: newestSubmissions(message.submissions ?? []),
    series,
    schedule: message.schedule ?? [],
    observed,
  };
}

function withChange(state: LiveState, change: Change): LiveState {
  const next: LiveState = { ...state, seq: change.seq, now: change.now };
  if (change.truth) next.truth = change.truth;
  if (change.data_source) next.data_source = change.data_source;
  if (change.totals) next.totals = change.totals;
  if (change.monitor) next.monitor = change.monitor;
  if (change.workers || change.workers_gone) {
    next.workers = byName(
      merged(state.workers, change.workers ?? [], change.workers_gone ?? [], (row) => row.name),
    );
  }
  if (change.queues || change.queues_gone) {
    next.queues = byName(
      merged(state.queues, change.queues ?? [], change.queues_gone ?? [], (row) => row.name),
    );
  }
  if (change.tasks) {
    next.tasks = newestTasks(merged(state.tasks, change.tasks, [], (row) => row.id));
  }
  if (change.submissions) {
    next.submissions = newestSubmissions(
      merged(state.submissions, change.submissions, [], (row) => row.fullname),
    );
  }
  if (change.schedule) {
    next.schedule = merged(state.schedule, change.schedule, [], (row) => row.name);
  }
  if (change.series) {
    next.series = completed(change.series);
    next.observed = { oldest: blank(next.series), lag: blank(next.series) };
  }
  if (change.point) addPoint(next, change.point);
  return next;
}

/** `rows` with those of `changed` in their place, new ones behind, and those in `gone` left out. */
export function merged<Row>(
  rows: Row[],
  changed: Row[],
  gone: string[],
  key: (row: Row) => string,
): Row[] {
  const byKey = new Map(rows.map((row) => [key(row), row]));
  for (const row of changed) byKey.set(key(row), row);
  for (const name of gone) byKey.delete(name);
  return [...byKey.values()];
}

/** When the task last changed, as far as the row tells. */
export function changedAt(task: Task): number {
  return Math.max(task.finished ?? 0, task.started ?? 0, task.received ?? 0);
}

export function isRunning(task: Task): boolean {
  return (task.state === 'STARTED' || task.state === 'PROGRESS') && !task.unknown_since;
}

function newestTasks(tasks: Task[]): Task[] {
  const sorted = [...tasks].sort((a, b) => changedAt(b) - changedAt(a));
  if (sorted.length <= KEPT_TASKS) return sorted;
  // A task that still runs is news however long ago it began: the finished ones give way first.
  const running = sorted.filter(isRunning).slice(0, KEPT_TASKS);
  const room = KEPT_TASKS - running.length;
  const kept = new Set([...running, ...sorted.filter((task) => !isRunning(task)).slice(0, room)]);
  return sorted.filter((task) => kept.has(task));
}

function newestSubmissions(rows: Submission[]): Submission[] {
  return [...rows].sort((a, b) => (b.fetched ?? 0) - (a.fetched ?? 0)).slice(0, KEPT_SUBMISSIONS);
}

function byName<Row extends { name: string }>(rows: Row[]): Row[] {
  return [...rows].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function longest(points: Partial<Record<SeriesName, Values>>): number {
  return Math.max(0, ...SERIES_NAMES.map((name) => points[name]?.length ?? 0));
}

/** The series with every name present and of one length, so that no reader needs to check. */
function completed(series: Series | undefined): Series {
  const length = series ? longest(series.points ?? {}) : 0;
  const points = {} as Record<SeriesName, Values>;
  for (const name of SERIES_NAMES) {
    const given = series?.points?.[name] ?? [];
    points[name] = [...new Array<null>(length - given.length).fill(null), ...given];
  }
  return { step: series?.step ?? 1, from: series?.from ?? 0, points };
}

function blank(series: Series): Values {
  return new Array<null>(longest(series.points)).fill(null);
}

function carryOver(from: Series, values: Values, to: Series, target: Values): void {
  const shift = Math.round((from.from - to.from) / to.step);
  values.forEach((value, index) => {
    const at = index + shift;
    if (value !== null && at >= 0 && at < target.length) target[at] = value;
  });
}

function addPoint(state: LiveState, point: Point): void {
  const length = longest(state.series.points);
  const from = length === 0 ? point.t : state.series.from;
  const index = Math.round((point.t - from) / state.series.step);
  if (index < 0) return;
  // Seconds that were skipped were not seen; a jump of the clock beyond the window starts afresh.
  const skipped = Math.min(Math.max(index - length, 0), KEPT_SECONDS);
  const cut = Math.max(0, length + skipped + (index >= length ? 1 : 0) - KEPT_SECONDS);
  const put = (values: Values, value: number | null): Values => {
    if (index < length) {
      const replaced = [...values];
      replaced[index] = value;
      return replaced;
    }
    return [...values, ...new Array<null>(skipped).fill(null), value].slice(cut);
  };
  const points = {} as Record<SeriesName, Values>;
  for (const name of SERIES_NAMES) points[name] = put(state.series.points[name], point[name] ?? null);
  const newFrom =
    index < length
      ? from
      : point.t - (longest(points) - 1) * state.series.step;
  state.series = { step: state.series.step, from: newFrom, points };
  const ages = state.queues.map((queue) => queue.oldest_age ?? 0);
  state.observed = {
    oldest: put(state.observed.oldest, ages.length === 0 ? 0 : Math.max(...ages)),
    lag: put(state.observed.lag, state.monitor.lag_seconds),
  };
}
