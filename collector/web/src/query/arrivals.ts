// What a change of the stream means to a list that shows a search; pure.
import type { TaskRow } from '../api/types';
import { firstSeen, matches } from './matches';
import type { Term } from './parse';

export interface Arrivals {
  /** Newer versions of rows that are listed, merged with what only a search tells. */
  changed: TaskRow[];
  /** Listed rows that the search lets through no longer. */
  gone: Set<string>;
  /** Rows that belong above the first. */
  fresh: TaskRow[];
}

/** `top`: when the first row shown was first seen; null: the list is empty. `listed` finds a row. */
export function arrivals(
  rows: readonly TaskRow[],
  terms: readonly Term[],
  top: number | null,
  listed: (id: string) => TaskRow | null,
): Arrivals {
  const changed: TaskRow[] = [];
  const gone = new Set<string>();
  const fresh: TaskRow[] = [];
  for (const row of rows) {
    const known = listed(row.id);
    const fits = matches(terms, row);
    if (known !== null) {
      changed.push(merged(known, row));
      if (!fits) gone.add(row.id);
    } else if (fits && (top === null || (firstSeen(row) ?? 0) >= top)) {
      fresh.push(row);
    }
  }
  fresh.sort((a, b) => (firstSeen(b) ?? 0) - (firstSeen(a) ?? 0));
  return { changed, gone, fresh };
}

function merged(known: TaskRow, row: TaskRow): TaskRow {
  const told = Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as unknown as TaskRow;
  const next: TaskRow = { ...known, ...told };
  // The stream tells no wait, and what the search told was of before.
  if (row.started !== known.started) next.wait = null;
  return next;
}
