// The sections of the overview, in the order in which they stand.
import type { IconName } from '../components/Icon.svelte';

export const SECTIONS = [
  { id: 'overview', name: 'Overview', icon: 'overview' },
  { id: 'workers', name: 'Workers', icon: 'workers' },
  { id: 'queues', name: 'Queues', icon: 'queues' },
  { id: 'running', name: 'Running', icon: 'running' },
  { id: 'tasks', name: 'Latest tasks', icon: 'tasks' },
  { id: 'submissions', name: 'Submissions', icon: 'submissions' },
  { id: 'schedule', name: 'Schedule', icon: 'schedule' },
  { id: 'monitor', name: 'Monitor', icon: 'monitor' },
] as const satisfies readonly { id: string; name: string; icon: IconName }[];

export type SectionId = (typeof SECTIONS)[number]['id'];

const PLACES: Readonly<Record<string, SectionId>> = {
  workers: 'workers',
  queues: 'queues',
  tasks: 'tasks',
  errors: 'tasks',
  submissions: 'submissions',
  schedule: 'schedule',
  schedules: 'schedule',
  cron: 'schedule',
  monitor: 'monitor',
  system: 'monitor',
};

/** Where this page shows what the collector's link speaks of; null if it does not. */
export function placeOf(link: string | null | undefined): SectionId | null {
  const first = /^\/([a-z]+)/.exec(link ?? '')?.[1] ?? '';
  return PLACES[first] ?? null;
}
