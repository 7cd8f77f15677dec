// Counts and shares as people read them: short in the cell, exact in the tooltip.

export const NONE = '–';

/** Behind a dash in the place of a queue's figure. */
export const UNTOLD = 'The broker does not tell this of a queue. RabbitMQ\'s management API does: give the collector --broker-api.';

const UNITS: readonly (readonly [number, string])[] = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
];

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 3 });

/** A sentence whose figures stay with their units where lines break. */
export function unbroken(sentence: string): string {
  return sentence.replace(/(<|\d) (?=\d|(?:ms|s|min|h|d|%|k|M)(?![\w]))/g, '$1\u00a0');
}

/** `1,204`; from ten thousand on `12.4 k`. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size < 10_000) return grouped.format(Math.round(value));
  for (const [index, [unit, letter]] of UNITS.entries()) {
    // 999,600 reads "1 M", not "1000 k".
    if (size < unit * 0.9995 && index < UNITS.length - 1) continue;
    const scaled = value / unit;
    return `${trimmed(scaled, Math.abs(scaled) < 100 ? 1 : 0)} ${letter}`;
  }
  return grouped.format(value);
}

/** Every digit, for tooltips. */
export function exact(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return 'not known';
  return grouped.format(value);
}

/** A rate per second or a load: two figures below ten, none above a hundred. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 0.01) return '< 0.01';
  if (size < 1) return trimmed(value, 2);
  if (size < 100) return trimmed(value, 1);
  return count(value);
}

/** A share of 0 to 1 as `0.3 %`; a little is not none, and not quite all is not all. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return NONE;
  const value = share * 100;
  if (value === 0) return '0 %';
  if (value < 0.1) return '< 0.1 %';
  if (value > 99.9 && value < 100) return '> 99.9 %';
  return `${trimmed(value, value < 10 ? 1 : 0)} %`;
}

/** `1 worker`, `2 workers`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

function trimmed(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}
