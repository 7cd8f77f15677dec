// What the monitor itself needs and does not have, in sentences.
import type { Monitor } from '../live/types';

export function brokerFlaw(error: string): string {
  return `The broker does not answer: ${error}. Queues stand as they were last seen.`;
}

/** What does not work of what the monitor itself needs, a sentence each. */
export function monitorFlaws(monitor: Monitor): string[] {
  return [
    monitor.history_error ? `History is not being written: ${monitor.history_error}. Live data go on.` : '',
    monitor.broker_error ? brokerFlaw(monitor.broker_error) : '',
    monitor.store_error ? `The store does not answer: ${monitor.store_error}. No task can be accepted.` : '',
  ].filter((text) => text !== '');
}
