// How far back the charts of the shortest range look: as far as there is something to see.
import type { Series } from '../live/types';
import { RANGES, type Range } from '../state/ranges';

const YOUNG = [60, 300];

export function shownRange(chosen: Range | 'auto'): Range {
  return chosen === 'auto' ? RANGES[0] : chosen;
}

/** Seconds to draw of `range`: less than it where the monitor has only just begun to look. */
export function drawnSpan(range: Range, series: Series | null): number {
  if (range !== RANGES[0] || series === null) return range;
  const values = series.points.succeeded;
  const first = values.findIndex((value) => value !== null);
  const seconds = first < 0 ? 0 : (values.length - first) * series.step;
  return YOUNG.find((span) => seconds <= span) ?? range;
}
