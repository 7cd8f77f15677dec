// A queue's figures in words.
import type { Queue } from '../live/types';
import { UNTOLD } from './count';
import { exactDuration } from './duration';

/** How long the oldest of a queue has waited, to the digit, or why that is not known. */
export function oldestExactly(queue: Queue): string {
  if (queue.oldest_age !== null) return exactDuration(queue.oldest_age);
  return queue.ready === 0 ? 'nothing waits' : UNTOLD;
}
