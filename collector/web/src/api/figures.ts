// What the collector answers about names, errors, series, schedules and itself (docs/api.md).
//
// Times are Unix seconds, durations seconds; null is "not known", never 0. What an older collector
// may leave out is optional.
import type { Queue, Submission, Task, Values, Worker } from '../live/types';

export const POINT_NAMES = [
  'received',
  'succeeded',
  'failed',
  'retried',
  'running',
  'ready',
  'wait_p50',
  'wait_p95',
  'wait_p99',
  'run_p50',
  'run_p95',
  'run_p99',
] as const;
export type PointName = (typeof POINT_NAMES)[number];

export interface BlindSpan {
  from: number;
  to: number;
  reason: string;
  lost_for_good?: boolean;
  lost?: number | null;
  worker?: string | null;
}

export interface SeriesAnswer {
  step: number;
  from: number;
  to: number;
  points: Partial<Record<PointName, Values>>;
  blind: BlindSpan[];
}

/** p50, p95, p99. */
export type Quantiles = [number | null, number | null, number | null] | null;

export interface NameFigures {
  name: string;
  queue: string | null;
  received: number;
  succeeded: number;
  failed: number;
  retried: number;
  /** Finished per second in the window. */
  rate: number | null;
  failure_ratio: number | null;
  wait: Quantiles;
  run: Quantiles;
  running: number;
  waiting: number;
  last_seen: number | null;
  total: number;
  spark: Values;
  spark_failed: Values;
}

export interface NamesAnswer {
  names: NameFigures[];
  folded?: number;
  now: number;
}

export type WindowFigures = Pick<
  NameFigures,
  'received' | 'succeeded' | 'failed' | 'retried' | 'rate' | 'failure_ratio' | 'wait' | 'run'
>;

export interface NameAnswer
  extends Pick<NameFigures, 'name' | 'queue' | 'running' | 'waiting' | 'last_seen' | 'total' | 'spark' | 'spark_failed'> {
  windows: Partial<Record<'1' | '5' | '60', WindowFigures>>;
  description?: string | null;
  parameters: unknown[] | null;
  workers: string[];
  now: number;
}

export interface ErrorGroup {
  fingerprint: string;
  type: string;
  /** Normalised: numbers, ids and quoted values are `#`. */
  message: string;
  sample_message: string | null;
  sample_task: string | null;
  count: number;
  first_seen: number;
  last_seen: number;
  names: { name: string; count: number }[];
  workers: string[];
  spark: Values;
  new: boolean;
}

export interface ErrorsAnswer {
  groups: ErrorGroup[];
  folded?: number;
  now: number;
}

export interface ErrorAnswer extends ErrorGroup {
  traceback: string | null;
  latest: Task[];
  now: number;
}

/** What a worker answered when it was asked, as it said it; what it did not answer is missing. */
export interface Told {
  at: number;
  stats?: {
    pool?: Record<string, unknown>;
    broker?: Record<string, unknown>;
    rusage?: Record<string, unknown> | string;
    prefetch_count?: number;
    uptime?: number;
    autoscaler?: Record<string, unknown>;
  };
  active_queues?: { name: string; routing_key?: string | null; exchange?: { name?: string; type?: string } | null; durable?: boolean }[];
  conf?: Record<string, unknown>;
  scheduled?: { eta?: string; request?: { id?: string; name?: string } }[];
  reserved?: unknown[];
  revoked?: string[];
}

export interface ControlAnswer {
  answers: { worker: string; ok: string | null; error: string | null }[];
  now: number;
}

export interface WorkerAnswer {
  worker: Worker & {
    pid?: number | null;
    sw_sys?: string | null;
    freq?: number | null;
    first_seen?: number | null;
    registered?: string[] | null;
  };
  told?: Told | null;
  running: Task[];
  prefetched: Task[];
  spark_busy: Values;
  names: { name: string; succeeded: number; failed: number }[];
  now: number;
}

export interface QueueTrend {
  t: number;
  ready: number | null;
  in: number | null;
  out: number | null;
}

export interface QueueAnswer {
  queue: Queue;
  trend: QueueTrend[];
  consumers: string[];
  names: { name: string; waiting: number }[];
  oldest: Task[];
  now: number;
}

export interface StripCell {
  succeeded: number;
  failed: number;
  running: number;
  waiting: number;
  missed: number;
  /** Fired, and what became of it is not known any more. */
  unknown?: number;
}

export interface ScheduleItem {
  name: string;
  task: string;
  args?: unknown;
  kwargs?: unknown;
  queue: string | null;
  expression: string;
  words: string;
  zone: string;
  definition?: string | null;
  next: number[];
  paused: { since: number; reason: string } | null;
  last_due: number | null;
  last_task: string | null;
  last_outcome: string | null;
  /** Of that task; null: there is none, or it is forgotten. */
  last_state?: string | null;
  missed: number;
  lag_p99: number | null;
  strip: { from: number; step: number; cells: StripCell[] } | null;
}

export interface ScheduleAnswer {
  entries: ScheduleItem[];
  error: { since: number; in_force_since: number; what: string } | null;
  scheduler: { last_seen: number | null };
  now: number;
}

export interface Tick {
  due: number;
  recorded: number | null;
  lag: number | null;
  task: string | null;
  outcome: string | null;
  state: string | null;
  runtime: number | null;
}

export interface TicksAnswer {
  ticks: Tick[];
  now: number;
}

export interface Bucket {
  /** Upper bound; null is "more than all others". */
  le: number | string | null;
  count: number;
}

export interface SubredditFigures {
  name: string;
  fetched: number;
  /** Tasks that listed or fetched of it; null: not all of the window was looked at. */
  failed: number | null;
  /** Per second in the window. */
  rate: number | null;
  newest_created: number | null;
  last_fetched: number | null;
  freshness: number | null;
  score: [number | null, number | null] | null;
  comments: [number | null, number | null] | null;
}

export interface SubmissionsAnswer {
  subreddits: SubredditFigures[];
  distributions: Partial<Record<'score' | 'comments' | 'age_at_fetch', Bucket[]>>;
  fetch: {
    p50: number | null;
    p95: number | null;
    p99: number | null;
    failed?: number | null;
    phases: { phase: string; p50: number | null; p95: number | null }[] | null;
  } | null;
  latest: Submission[];
  source: 'simulated' | 'reddit' | 'none';
  now: number;
}

export interface SystemAnswer {
  process: {
    memory_bytes: number | null;
    threads: number | null;
    descriptors: number | null;
    cpu_seconds: number | null;
    uptime: number | null;
  };
  history: {
    tasks: number | null;
    bytes: number | null;
    days: { day: string; bytes: number }[];
    /** The first day kept: `2026-11-22`, or Unix seconds. */
    oldest: number | string | null;
    retention_days: number | null;
    writer: boolean;
  };
  live: { tasks: number; bytes: number | null; limit: number | null };
  series: { names: number; labels_folded: number };
  stream: { clients: number; closed_slow: number; sent_bytes: number };
  events: {
    per_second: number | null;
    total: number;
    lag_seconds: number | null;
    missed: number;
    cut_batches: number;
    backlog: number | null;
  };
  blind: BlindSpan[];
  engines: { broker: string; store: string };
  version: string;
  build: string | null;
  now: number;
}
