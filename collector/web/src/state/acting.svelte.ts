// Retrying and revoking tasks: asks once where it cannot be undone, and keeps what came of it.
import { post } from '../api/client';
import type { Acted, TaskRow } from '../api/types';
import { plural } from '../format/count';
import { asText, callArguments } from '../format/task';
import { confirmation } from './confirm.svelte';

export interface Outcome {
  level: 'ok' | 'warn' | 'bad';
  text: string;
  done: Acted['done'];
  refused: Acted['refused'];
}

export const MOST_AT_ONCE = 1_000;
const SAMPLE = 4;

export class Acting {
  busy = $state<'retry' | 'revoke' | null>(null);
  outcome = $state.raw<Outcome | null>(null);

  /** Resolves to what was done; null: it was not asked for in the end, or failed as a whole. */
  async retry(tasks: readonly TaskRow[]): Promise<Acted | null> {
    const what = plural(tasks.length, 'task');
    const agreed = await confirmation.ask({
      title: `Retry ${what}?`,
      text:
        tasks.length === 1
          ? 'It is enqueued again as a new task with the same name, arguments and queue. What it did before is not undone.'
          : 'Each is enqueued again as a new task with the same name, arguments and queue. What they did before is not undone.',
      ...sampled(tasks),
      verb: `Retry ${what}`,
    });
    return agreed ? this.#act('retry', '/api/tasks/retry', tasks) : null;
  }

  async revoke(tasks: readonly TaskRow[]): Promise<Acted | null> {
    const what = plural(tasks.length, 'task');
    const agreed = await confirmation.ask({
      title: `Revoke ${what}?`,
      text: `${tasks.length === 1 ? 'It' : 'Those that have not started'} will not run. A task that runs already goes on.`,
      ...sampled(tasks),
      verb: `Revoke ${what}`,
      danger: true,
    });
    return agreed ? this.#act('revoke', '/api/tasks/revoke', tasks) : null;
  }

  async terminate(task: TaskRow): Promise<Acted | null> {
    const agreed = await confirmation.ask({
      title: 'Kill this task?',
      text: 'The process that runs it is ended at once. What the task has done so far is not undone.',
      ...sampled([task]),
      verb: 'Kill this task',
      danger: true,
    });
    return agreed ? this.#act('revoke', '/api/tasks/revoke', [task], { terminate: true, signal: 'SIGTERM' }) : null;
  }

  async #act(kind: 'retry' | 'revoke', path: string, tasks: readonly TaskRow[], how: object = {}): Promise<Acted | null> {
    this.busy = kind;
    this.outcome = null;
    try {
      const acted = await post<Acted>(path, { ids: tasks.map((task) => task.id), ...how });
      this.outcome = outcomeOf(kind, acted);
      return acted;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.outcome = { level: 'bad', text: `Nothing was ${kind === 'retry' ? 'retried' : 'revoked'}: ${why}`, done: [], refused: [] };
      return null;
    } finally {
      this.busy = null;
    }
  }
}

export function outcomeOf(kind: 'retry' | 'revoke', acted: Acted): Outcome {
  const done = acted.done.length;
  const refused = acted.refused.length;
  const verb = kind === 'retry' ? 'enqueued again' : 'revoked';
  const parts = [];
  if (done > 0 || refused === 0) parts.push(`${plural(done, 'task')} ${verb}`);
  if (refused > 0) parts.push(`${plural(refused, 'task')} refused`);
  return { level: refused === 0 ? 'ok' : done > 0 ? 'warn' : 'bad', text: `${parts.join(', ')}.`, ...acted };
}

function sampled(tasks: readonly TaskRow[]): { sample: string[]; more: number } {
  return {
    sample: tasks.slice(0, SAMPLE).map((task) => `${task.name ?? asText(task.id)}(${callArguments(task.args, task.kwargs)})`),
    more: Math.max(0, tasks.length - SAMPLE),
  };
}
