// A worker's status as a mark, and what it told of its machine.
import type { Worker } from '../live/types';
import type { StateKind } from './task';

export const WORKER_MARKS: Readonly<Record<Worker['status'], StateKind>> = { online: 'succeeded', lost: 'failed', left: 'unknown' };

/** The load of a worker's machine, all that it told of it. */
export function loadWords(worker: Worker): string | undefined {
  return worker.loadavg ? `over 1, 5 and 15 min: ${worker.loadavg.join(', ')}` : undefined;
}
