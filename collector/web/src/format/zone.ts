// Moments as the clocks of a named zone show them.
import { NONE } from './count';

/** `Mon 06:00`, with the date once it is a week or more away; a zone this browser does not know: UTC. */
export function inZone(at: number, zone: string, now: number, seconds = false): string {
  const date = new Date(at * 1000);
  const far = Math.abs(at - now) >= 6 * 86_400;
  const options: Intl.DateTimeFormatOptions = {
    hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: known(zone) ? zone : 'UTC',
    ...(seconds ? { second: '2-digit' } : {}),
    ...(far ? { day: 'numeric', month: 'short' } : { weekday: 'short' }),
  };
  const parts = new Map(new Intl.DateTimeFormat('en-GB', options).formatToParts(date).map((part) => [part.type, part.value]));
  const time = `${parts.get('hour')}:${parts.get('minute')}${seconds ? `:${parts.get('second')}` : ''}`;
  const day = far ? `${parts.get('day')} ${parts.get('month')}` : (parts.get('weekday') ?? NONE);
  return `${day} ${time}`;
}

/** `Europe/Berlin` as `Berlin`. */
export function zoneWord(zone: string): string {
  return zone.split('/').at(-1)?.replaceAll('_', ' ') ?? zone;
}

export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Whether two zones' clocks show the same at a moment. */
export function sameClock(a: string, b: string, at: number): boolean {
  return inZone(at, a, at) === inZone(at, b, at);
}

function known(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
