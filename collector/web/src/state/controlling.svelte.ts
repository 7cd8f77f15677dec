// Telling a worker what to do: one thing at a time, and what came of it in its own words.
import { post } from '../api/client';
import type { ControlAnswer } from '../api/figures';

export type ControlAction =
  | 'shutdown' | 'restart_pool' | 'grow' | 'shrink' | 'autoscale' | 'add_consumer' | 'cancel_consumer'
  | 'rate_limit' | 'time_limit' | 'enable_events' | 'disable_events';

export interface Said {
  level: 'ok' | 'bad';
  text: string;
}

export class Controlling {
  /** What is under way, as it was called by `of`. */
  busy = $state('');
  said = $state.raw<Said | null>(null);

  /** Resolves to whether the worker agreed. `of` tells apart two of one action. */
  async run(worker: string, action: ControlAction, given: Record<string, unknown> = {}, of: string = action): Promise<boolean> {
    if (this.busy !== '') return false;
    this.busy = of;
    this.said = null;
    try {
      const { answers } = await post<ControlAnswer>('/api/control', { action, workers: [worker], ...given });
      const answer = answers[0];
      const refused = answer?.error ?? null;
      this.said = refused === null
        ? { level: 'ok', text: sentence(answer?.ok || 'Done') }
        : { level: 'bad', text: `It was not done: ${sentence(refused)}` };
      return refused === null;
    } catch (error) {
      this.said = { level: 'bad', text: `It was not done: ${sentence(error instanceof Error ? error.message : String(error))}` };
      return false;
    } finally {
      this.busy = '';
    }
  }
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
