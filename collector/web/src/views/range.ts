// How far back to look when the reader has not said: as far as there is something to see.
import type { Series } from '../live/types';
import { RANGES, type Range } from '../state/ranges';

export function shownRange(chosen: Range | 'auto', series: Series | null): Range {
  if (chosen !== 'auto') return chosen;
  const longest = RANGES[RANGES.length - 1] ?? 900;
  if (series === null) return longest;
  const values = series.points.succeeded;
  const first = values.findIndex((value) => value !== null);
  const seconds = first < 0 ? 0 : (values.length - first) * series.step;
  return RANGES.find((range) => seconds <= range) ?? longest;
}
