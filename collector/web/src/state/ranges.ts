// The spans that tiles and charts can look back over, in seconds, shortest first.
export const RANGES = [60, 300, 900] as const;
export type Range = (typeof RANGES)[number];
