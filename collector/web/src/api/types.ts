// What the collector answers about tasks, and to actions upon them (docs/api.md). Times are Unix
// seconds, durations seconds, what is not known is null. The rest is in figures.ts.
import type { Task } from '../live/types';

type Maybe<T> = T | null;
export interface Answered {
  now: number;
}

export interface TaskRow extends Task {
  sent?: Maybe<number>;
  wait?: Maybe<number>;
  /** ISO 8601, as the producer wrote it. */
  eta?: Maybe<string>;
  /** Fingerprint of the error group. */
  error?: Maybe<string>;
}

export interface SearchAnswer extends Answered {
  tasks: TaskRow[];
  next: Maybe<string>;
  searched_back_to: Maybe<number>;
  complete: boolean;
}

export interface Completion {
  text: string;
  count: Maybe<number>;
  about: Maybe<string>;
}
/** Replace the bytes from `from` to `to` of the search by the text of an option. */
export interface CompleteAnswer {
  from: number;
  to: number;
  options: Completion[];
}

export type Outcome =
  | 'succeeded'
  | 'failed'
  | 'retried'
  | 'revoked'
  | 'rejected'
  | 'lost'
  | 'handed back'
  | 'running'
  | 'waiting';
export interface Attempt {
  n: number;
  worker: Maybe<string>;
  received: Maybe<number>;
  started: Maybe<number>;
  ended: Maybe<number>;
  outcome: Outcome;
  detail: Maybe<string>;
}
export interface Moment {
  at: number;
  type: string;
  worker: Maybe<string>;
  detail: Maybe<string>;
}
export interface Permission {
  allowed: boolean;
  why: Maybe<string>;
}
export interface DetailedTask extends TaskRow {
  traceback?: Maybe<string>;
  expires?: Maybe<string>;
  root_id?: Maybe<string>;
  parent_id?: Maybe<string>;
  routing_key?: Maybe<string>;
  exchange?: Maybe<string>;
  client?: Maybe<string>;
  revoked?: Maybe<number>;
  rejected?: Maybe<number>;
  retried?: Maybe<number>;
}
export interface TaskDetail extends Answered {
  task: DetailedTask;
  values: { args: unknown; kwargs: unknown; result: unknown };
  children: TaskRow[];
  parent: Maybe<TaskRow>;
  accepted: Maybe<number>;
  schedule: Maybe<{ name: string; due: Maybe<number> }>;
  attempts: Attempt[];
  moments: Moment[];
  can: { retry: Permission; revoke: Permission; terminate?: Permission };
}

export interface Acted {
  done: { id: string; new_id?: string }[];
  refused: { id: string; why: string }[];
}
