// What became of a schedule's tick, in words and as a state; pure.
import { stateKind, type StateKind } from './task';

interface Ticked {
  outcome: string | null;
  /** Of the task that it enqueued; null: there is none, or it is forgotten. */
  state: string | null;
}

const OUTCOMES: Readonly<Record<string, StateKind>> = {
  succeeded: 'succeeded', success: 'succeeded', ok: 'succeeded',
  failed: 'failed', failure: 'failed', lost: 'failed',
  running: 'running', started: 'running',
  enqueued: 'succeeded', fired: 'succeeded', waiting: 'waiting', pending: 'waiting', received: 'waiting',
  missed: 'retrying', retried: 'retrying', retry: 'retrying',
  revoked: 'revoked', rejected: 'rejected', paused: 'revoked',
};

/** The state that an outcome of a tick looks like. */
export function outcomeKind(outcome: string | null): StateKind {
  return OUTCOMES[(outcome ?? '').toLowerCase()] ?? 'unknown';
}

const ENDS: Readonly<Record<StateKind, string>> = {
  waiting: 'waiting', running: 'running', succeeded: 'succeeded', failed: 'failed', retrying: 'retrying',
  revoked: 'revoked', rejected: 'rejected', unknown: 'not known',
};

/** What became of an entry's last tick. */
export function lastEnd(entry: { last_outcome: string | null; last_state?: string | null }): { kind: StateKind; text: string } {
  return tickEnd({ outcome: entry.last_outcome, state: entry.last_state ?? null });
}

/** What became of a tick: of one that was enqueued, what became of its task. */
export function tickEnd(tick: Ticked): { kind: StateKind; text: string } {
  const ledger = tick.outcome ?? 'not known';
  if (ledger !== 'enqueued' || tick.state === null) return { kind: outcomeKind(tick.outcome), text: ledger };
  const kind = stateKind(tick.state);
  return { kind, text: kind === 'unknown' ? ledger : ENDS[kind] };
}
