// The live stream as docs/api.md describes it: what the collector sends, section by section.
//
// Times are Unix seconds. A field that may be missing on the wire is optional here, so that an
// older or newer collector shows as a blank and not as an exception.

export type TruthLevel = 'ok' | 'warn' | 'bad' | 'unknown';

export interface Truth {
  level: TruthLevel;
  text: string;
  link?: string | null;
}

export type DataSource = 'simulated' | 'reddit' | 'none';

export interface Totals {
  succeeded: number;
  failed: number;
  retried: number;
  received: number;
  running: number;
  waiting: number;
  /** Null: the broker does not say what workers hold. */
  taken?: number | null;
  /** Unfinished, and nobody knows what became of them; not among those that run. */
  unknown?: number;
  started_at: number | null;
}

export interface Monitor {
  lag_seconds: number | null;
  events_per_second: number | null;
  missed_events: number;
  cut_batches: number;
  history_error: string | null;
  history_shed?: number | null;
  broker_error?: string | null;
  store_error?: string | null;
  schedule_error?: { since: number; in_force_since: number; what: string } | null;
  version: string;
}

export interface Worker {
  name: string;
  status: 'online' | 'lost' | 'left';
  active: number;
  slots: number;
  stuck?: number;
  processed: number;
  loadavg?: number[] | null;
  queues?: string[];
  last_seen: number | null;
  sw?: string | null;
  /** Kind of its pool; null: it has not said. */
  pool?: string | null;
  /** It takes tasks and tells of none. */
  silent?: boolean;
  /** Tasks that it ran, by its own count, and of which no event told. */
  untold?: number;
  /** Two processes use its name. */
  twins?: boolean;
  /** By how many seconds its clock is, where it is a minute and more; negative: ahead. */
  clock_behind?: number | null;
}

export interface Queue {
  name: string;
  ready: number;
  /** Null: the broker does not say. */
  delayed: number | null;
  unacked: number | null;
  consumers: number;
  oldest_age: number | null;
  in_rate: number | null;
  out_rate: number | null;
  /** How long what is ready will take at the present pace. */
  drain_seconds?: number | null;
  /** Why it stands still. */
  why?: string | null;
  stalled_since?: number | null;
  oldest_task?: string | null;
}

export interface Task {
  id: string;
  name: string | null;
  state: string;
  args?: unknown;
  kwargs?: unknown;
  worker?: string | null;
  queue?: string | null;
  received?: number | null;
  started?: number | null;
  finished?: number | null;
  runtime?: number | null;
  result?: unknown;
  exception?: string | null;
  retries?: number | null;
  /** Since then nobody knows what became of it; its state is the last one told. */
  unknown_since?: number | null;
}

export interface Submission {
  fullname: string;
  subreddit: string;
  title: string;
  author: string | null;
  score: number | null;
  num_comments: number | null;
  permalink: string | null;
  created: number | null;
  fetched: number | null;
  source?: string | null;
  simulated: boolean;
}

export const SERIES_NAMES = [
  'succeeded',
  'failed',
  'retried',
  'received',
  'running',
  'ready',
] as const;
export type SeriesName = (typeof SERIES_NAMES)[number];
export type Values = (number | null)[];

/** One value a second, oldest first; null where the monitor saw nothing. */
export interface Series {
  step: number;
  from: number;
  points: Record<SeriesName, Values>;
}

export type Point = { t: number } & Partial<Record<SeriesName, number | null>>;

export interface ScheduleEntry {
  name: string;
  last_due: number | null;
  last_task: string | null;
  last_outcome: string | null;
  /** Of that task, as far as it is held live. */
  last_state?: string | null;
  missed: number;
}

export interface Sections {
  truth: Truth;
  data_source: DataSource;
  totals: Totals;
  monitor: Monitor;
  workers: Worker[];
  queues: Queue[];
  tasks: Task[];
  submissions: Submission[];
  series: Series;
  schedule: ScheduleEntry[];
}

export type Snapshot = { type: 'snapshot'; epoch: string; seq: number; now: number } & Sections;

export interface Resumed {
  type: 'resumed';
  epoch: string;
  seq: number;
}

export type Change = {
  type: 'change';
  seq: number;
  now: number;
  workers_gone?: string[];
  queues_gone?: string[];
  point?: Point;
} & Partial<Sections>;

export type Message = Snapshot | Resumed | Change | { type: 'pong' };
