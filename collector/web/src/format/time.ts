// Moments: relative within a day, absolute otherwise, the zone always in the tooltip.
import { NONE } from './count';
import { ticking } from './duration';

export type Zone = 'utc' | 'local';

const DAY = 86_400;

/** `just now`, `12 s ago`, `4 min ago`, `in 5 s`; a day away and more: the date. */
export function ago(at: number | null | undefined, now: number, zone: Zone): string {
  if (!known(at)) return NONE;
  const age = now - at;
  if (Math.abs(age) >= DAY) return dateTime(at, zone);
  if (age >= 0 && age < 1) return 'just now';
  // Clocks of two machines differ by a little; only a clear lead is worth the word.
  if (age < 0 && age > -2) return 'just now';
  if (age < 0) return `in ${coarse(-age)}`;
  return `${coarse(age)} ago`;
}

/** `14:02:05` */
export function clock(at: number | null | undefined, zone: Zone, seconds = true): string {
  if (!known(at)) return NONE;
  const parts = fields(at, zone);
  return seconds ? `${parts.hour}:${parts.minute}:${parts.second}` : `${parts.hour}:${parts.minute}`;
}

/** `21 Nov 14:02` */
export function dateTime(at: number | null | undefined, zone: Zone): string {
  if (!known(at)) return NONE;
  const parts = fields(at, zone);
  return `${Number(parts.day)} ${parts.monthName} ${parts.hour}:${parts.minute}`;
}

/** For tooltips: `2026-11-21 14:02:05.123 UTC`, or with the local zone's offset. */
export function exactTime(at: number | null | undefined, zone: Zone): string {
  if (!known(at)) return 'not known';
  const parts = fields(at, zone);
  const millis = String(Math.floor((((at * 1000) % 1000) + 1000) % 1000)).padStart(3, '0');
  return `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute}:${parts.second}.${millis} ${zoneName(at, zone)}`;
}

/** `UTC` or `UTC+02:00`. */
export function zoneName(at: number, zone: Zone): string {
  if (zone === 'utc') return 'UTC';
  const minutes = -new Date(at * 1000).getTimezoneOffset();
  const sign = minutes < 0 ? '-' : '+';
  const size = Math.abs(minutes);
  return `UTC${sign}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}

/** Unix seconds of a time as Celery writes it, ISO 8601; without a zone it is UTC, as it is there. Null: none. */
export function fromIso(text: string | number | null | undefined): number | null {
  if (typeof text === 'number') return text;
  const parts = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?$/.exec(text ?? '');
  if (parts === null) return null;
  const zone = (parts[3] ?? 'Z').replace(/^([+-]\d{2})(\d{2})$/, '$1:$2');
  const at = Date.parse(`${parts[1]}T${parts[2]}${zone}`);
  return Number.isNaN(at) ? null : at / 1000;
}

function coarse(seconds: number): string {
  if (seconds < 60) return ticking(seconds);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function fields(at: number, zone: Zone) {
  const date = new Date(at * 1000);
  const utc = zone === 'utc';
  const month = utc ? date.getUTCMonth() : date.getMonth();
  return {
    year: utc ? date.getUTCFullYear() : date.getFullYear(),
    month: pad(month + 1),
    monthName: MONTHS[month] ?? '',
    day: pad(utc ? date.getUTCDate() : date.getDate()),
    hour: pad(utc ? date.getUTCHours() : date.getHours()),
    minute: pad(utc ? date.getUTCMinutes() : date.getMinutes()),
    second: pad(utc ? date.getUTCSeconds() : date.getSeconds()),
  };
}

function known(at: number | null | undefined): at is number {
  return at !== null && at !== undefined && Number.isFinite(at) && at > 0;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
