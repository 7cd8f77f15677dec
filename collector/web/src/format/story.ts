// How a task fared, in a sentence, and over time; pure.
import type { Attempt, TaskDetail } from '../api/types';
import { tookOf } from '../query/matches';
import { plural } from './count';
import { duration, ticking } from './duration';
import { stateKind, type StateKind } from './task';
import { fromIso } from './time';

/** "Failed after 3 attempts in 2.4 s: TimeoutError …" */
export function headline(detail: TaskDetail, now: number): string {
  const { task, attempts } = detail;
  const kind = stateKind(task.state);
  if (task.unknown_since) {
    const was = kind === 'running' ? 'ran' : kind === 'waiting' ? 'was held' : `was ${task.state.toLowerCase()}`;
    return `Not known for ${ticking(now - task.unknown_since)}: it ${was}${task.worker ? ` on ${task.worker}` : ''}, which has left or lost it, and no end was told.`;
  }
  const begun = attempts.filter((attempt) => attempt.started !== null);
  const took = tookOf(task);
  const tries = begun.length > 1 ? ` after ${plural(begun.length, 'attempt')}` : '';
  const span = took === null ? '' : ` in ${duration(took)}`;
  const why = firstLine(task.exception);
  switch (kind) {
    case 'succeeded':
      return `Succeeded${tries}${span}.`;
    case 'failed':
      return `Failed${tries}${span}${why === '' ? '.' : `: ${why}`}`;
    case 'retrying':
      return `Failed ${begun.length > 1 ? `${plural(begun.length, 'time')} ` : ''}and will be tried again${why === '' ? '.' : `: ${why}`}`;
    case 'running': {
      const since = task.started ?? begun[begun.length - 1]?.started ?? null;
      const nth = begun.length > 1 ? `, attempt ${begun.length}` : '';
      return `Running${since === null ? '' : ` for ${ticking(now - since)}`}${task.worker ? ` on ${task.worker}` : ''}${nth}.`;
    }
    case 'waiting': {
      const since = task.received ?? task.sent ?? detail.accepted;
      const eta = fromIso(task.eta);
      if (eta !== null && eta > now) return `Held${task.state === 'RECEIVED' && task.worker ? ` by ${task.worker}` : ''} until its time, in ${ticking(eta - now)}.`;
      const waits = since === null || since === undefined ? '' : ` for ${ticking(now - since)}`;
      if (task.state === 'RECEIVED') return `Taken${task.worker ? ` by ${task.worker}` : ''} and not started${waits}.`;
      return `Waiting${task.queue ? ` in queue ${task.queue}` : ''}${waits}.`;
    }
    case 'revoked':
      if (detail.moments.some((moment) => moment.type === 'revoked' && moment.detail === 'expired')) return 'Expired before it started.';
      return begun.length > 0 ? 'Revoked while it ran.' : 'Revoked before it started.';
    case 'rejected':
      return `Rejected by the worker${why === '' ? '.' : `: ${why}`}`;
    default:
      return `In state ${task.state}.`;
  }
}

export interface Segment {
  from: number;
  /** Null: goes on. */
  to: number | null;
  /** `waiting`: nobody works at it. */
  kind: StateKind;
  what: string;
}
export interface Lane {
  label: string;
  note: string;
  kind: StateKind;
  segments: Segment[];
}
export interface Story {
  from: number;
  to: number;
  lanes: Lane[];
}

const OUTCOMES: Readonly<Record<Attempt['outcome'], StateKind>> = {
  succeeded: 'succeeded',
  failed: 'failed',
  retried: 'retrying',
  revoked: 'revoked',
  rejected: 'rejected',
  lost: 'unknown',
  'handed back': 'waiting',
  running: 'running',
  waiting: 'waiting',
};

/** From being due or sent to the end, a lane for the way to a worker and one for each attempt; null: no times are known. */
export function story(detail: TaskDetail, now: number): Story | null {
  const { task, attempts, schedule, accepted } = detail;
  const lanes: Lane[] = [];
  const sent = accepted ?? task.sent ?? null;
  // The row of a task that was never received says when it was sent.
  const received = task.received === task.sent ? null : task.received;
  const firstReceived = attempts[0]?.received ?? attempts[0]?.started ?? received ?? task.started ?? null;
  const due = schedule?.due ?? null;
  const leaves = sent ?? firstReceived;
  if (due !== null && leaves !== null && leaves >= due) {
    lanes.push({ label: 'Due', note: schedule?.name ?? '', kind: 'waiting', segments: [{ from: due, to: leaves, kind: 'waiting', what: 'until it was enqueued' }] });
  }
  if (sent !== null) {
    const eta = fromIso(task.eta);
    const held = eta !== null && eta > sent && attempts.length < 2 ? eta : null;
    const segments: Segment[] = [];
    if (held !== null) segments.push({ from: sent, to: Math.min(held, firstReceived ?? held), kind: 'waiting', what: 'held until its time' });
    const from = held === null ? sent : Math.min(held, firstReceived ?? held);
    const over = firstReceived ?? task.finished ?? task.revoked ?? null;
    if (over === null || over >= from) segments.push({ from, to: over, kind: 'waiting', what: 'in the queue' });
    lanes.push({ label: 'Queue', note: task.queue ?? '', kind: 'waiting', segments });
  }
  let before: number | null = null;
  for (const attempt of attempts) {
    const kind = OUTCOMES[attempt.outcome];
    const segments: Segment[] = [];
    const arrives = attempt.received ?? attempt.started;
    if (before !== null && arrives !== null && arrives > before) {
      segments.push({ from: before, to: arrives, kind: 'waiting', what: 'waiting to be tried again' });
    }
    if (attempt.received !== null && (attempt.started === null || attempt.started > attempt.received)) {
      segments.push({ from: attempt.received, to: attempt.started ?? attempt.ended, kind: 'waiting', what: 'held by the worker' });
    }
    if (attempt.started !== null) {
      segments.push({ from: attempt.started, to: attempt.ended, kind, what: attempt.outcome });
    }
    if (segments.length > 0) lanes.push({ label: attempts.length > 1 ? `Attempt ${attempt.n}` : 'Run', note: attempt.worker ?? '', kind, segments });
    before = attempt.ended ?? before;
  }
  const all = lanes.flatMap((lane) => lane.segments);
  if (all.length === 0) return null;
  const from = Math.min(...all.map((segment) => segment.from));
  const to = Math.max(...all.map((segment) => segment.to ?? Math.max(now, segment.from)));
  return { from, to: Math.max(to, from + 1e-6), lanes };
}

function firstLine(text: string | null | undefined): string {
  return (text ?? '').split('\n')[0]?.trim() ?? '';
}
