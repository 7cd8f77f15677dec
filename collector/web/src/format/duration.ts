// Durations as people say them: `420 ms`, `2.4 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`.
import { NONE } from './count';

/** Seconds in words, at most two units. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  if (seconds < 0) return `-${duration(-seconds)}`;
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return '< 1 ms';
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(whole, 60, 'min', 1, 's');
  const minutes = Math.round(whole / 60);
  if (minutes < 24 * 60) return two(minutes * 60, 3600, 'h', 60, 'min');
  return two(Math.round(whole / 3600) * 3600, 86_400, 'd', 3600, 'h');
}

/** For what ticks by the second (ages, running times): no fractions that flicker. */
export function ticking(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  return duration(Math.max(0, Math.floor(seconds)));
}

/** For tooltips: `192.044 s`. */
export function exactDuration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return 'not known';
  return `${Number(seconds.toFixed(6))} s`;
}

function two(whole: number, big: number, bigName: string, small: number, smallName: string): string {
  const bigs = Math.floor(whole / big);
  const smalls = Math.round((whole - bigs * big) / small);
  return smalls === 0 ? `${bigs} ${bigName}` : `${bigs} ${bigName} ${smalls} ${smallName}`;
}
