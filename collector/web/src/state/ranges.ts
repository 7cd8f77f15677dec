// The spans that charts can look back over, in seconds, shortest first.
export const RANGES = [900, 3600, 21_600, 86_400, 604_800, 2_592_000] as const;
export type Range = (typeof RANGES)[number];

/** As it stands in an address: `15min`, `1h`, `7d`. */
export function rangeKey(range: Range): string {
  if (range < 3600) return `${range / 60}min`;
  return range < 172_800 ? `${range / 3600}h` : `${range / 86_400}d`;
}

export function rangeOf(key: string | null): Range | null {
  return RANGES.find((range) => rangeKey(range) === key) ?? null;
}
