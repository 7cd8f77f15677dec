// Which view stands at which address. A view is one line here; its code comes when it is first shown.
import type { Component } from 'svelte';
import type { IconName } from '../components/Icon.svelte';
import type { Live } from '../live/live.svelte';
import type { Clock } from '../state/clock.svelte';
import { matchPath, type Params } from './path';

/** What every view is given. What is in the query it reads from `router.query`. */
export interface ViewProps {
  live: Live;
  clock: Clock;
  params: Params;
}

export type NavId =
  | 'overview'
  | 'tasks'
  | 'names'
  | 'workers'
  | 'queues'
  | 'schedule'
  | 'errors'
  | 'submissions'
  | 'system';

export interface NavEntry {
  id: NavId;
  name: string;
  icon: IconName;
  href: string;
  /** The key after `g`. */
  key: string;
}

/** The navigation, in its order; an entry shows once a route leads to it. */
export const NAV: readonly NavEntry[] = [
  { id: 'overview', name: 'Overview', icon: 'overview', href: '/', key: 'o' },
  { id: 'tasks', name: 'Tasks', icon: 'tasks', href: '/tasks', key: 't' },
  { id: 'names', name: 'Names', icon: 'names', href: '/names', key: 'n' },
  { id: 'workers', name: 'Workers', icon: 'workers', href: '/workers', key: 'w' },
  { id: 'queues', name: 'Queues', icon: 'queues', href: '/queues', key: 'q' },
  { id: 'schedule', name: 'Schedule', icon: 'schedule', href: '/schedule', key: 's' },
  { id: 'errors', name: 'Errors', icon: 'errors', href: '/errors', key: 'e' },
  { id: 'submissions', name: 'Submissions', icon: 'submissions', href: '/submissions', key: 'u' },
  { id: 'system', name: 'System', icon: 'monitor', href: '/system', key: 'y' },
];

export interface Route {
  /** `/queues`, `/task/:id`; more than one for the same view. */
  paths: readonly string[];
  nav: NavId;
  /** The parameter that names the one object shown; it follows the navigation's name in the header. */
  object?: string;
  /** Whether the header offers the spans to look back over. */
  range?: boolean;
  load: () => Promise<{ default: Component<ViewProps> }>;
}

export const ROUTES: readonly Route[] = [
  { paths: ['/', '/dashboard'], nav: 'overview', range: true, load: () => import('../views/Overview.svelte') },
  { paths: ['/tasks'], nav: 'tasks', load: () => import('../views/Tasks.svelte') },
  { paths: ['/task/:id'], nav: 'tasks', object: 'id', load: () => import('../views/Task.svelte') },
  { paths: ['/names'], nav: 'names', load: () => import('../views/Names.svelte') },
  { paths: ['/name/:name'], nav: 'names', object: 'name', load: () => import('../views/Name.svelte') },
  { paths: ['/workers'], nav: 'workers', load: () => import('../views/Workers.svelte') },
  { paths: ['/worker/:name'], nav: 'workers', object: 'name', load: () => import('../views/Worker.svelte') },
  { paths: ['/queues', '/broker'], nav: 'queues', load: () => import('../views/Queues.svelte') },
  { paths: ['/queue/:name'], nav: 'queues', object: 'name', load: () => import('../views/Queue.svelte') },
  { paths: ['/schedule'], nav: 'schedule', load: () => import('../views/Schedule.svelte') },
  { paths: ['/schedule/:name'], nav: 'schedule', object: 'name', load: () => import('../views/ScheduleEntry.svelte') },
  { paths: ['/errors'], nav: 'errors', load: () => import('../views/Errors.svelte') },
  { paths: ['/error/:fingerprint'], nav: 'errors', object: 'fingerprint', load: () => import('../views/ErrorGroup.svelte') },
  { paths: ['/submissions'], nav: 'submissions', load: () => import('../views/Submissions.svelte') },
  { paths: ['/system'], nav: 'system', load: () => import('../views/System.svelte') },
];

export interface Place {
  route: Route;
  params: Params;
}

export function placeAt(path: string, routes: readonly Route[] = ROUTES): Place | null {
  for (const route of routes) {
    for (const pattern of route.paths) {
      const params = matchPath(pattern, path);
      if (params !== null) return { route, params };
    }
  }
  return null;
}

/** The navigation's entries that lead somewhere. */
export function shownNav(routes: readonly Route[] = ROUTES): NavEntry[] {
  return NAV.filter((entry) => placeAt(entry.href, routes) !== null);
}
