// Whether a row of the live stream is among what a search asks for; pure.
import { asText } from '../format/task';
import type { TaskRow } from '../api/types';
import type { Span, Term } from './parse';

/** The stream does not tell of these; a search with them is asked again instead of followed. */
const UNTOLD: readonly string[] = ['error', 'root', 'parent'];

const KNOWN_STATES: readonly string[] = [
  'PENDING', 'RECEIVED', 'STARTED', 'SUCCESS', 'FAILURE', 'RETRY', 'REVOKED', 'REJECTED',
];

/** Whether the rows of the stream tell enough to judge by `terms`. */
export function followable(terms: readonly Term[]): boolean {
  return !terms.some((term) => UNTOLD.includes(term.key));
}

export function matches(terms: readonly Term[], row: TaskRow): boolean {
  return terms.every((term) => holds(term, row) !== (term.not === true));
}

function holds(term: Term, row: TaskRow): boolean {
  switch (term.key) {
    case 'runtime':
      return term.any.some((span) => within(span, row.runtime));
    case 'wait':
      return term.any.some((span) => within(span, waitOf(row)));
    case 'retries':
      return term.any.some((span) => within(span, row.retries ?? 0));
    case 'after':
      return (firstSeen(row) ?? Number.NEGATIVE_INFINITY) >= term.any[0];
    case 'before':
      return (firstSeen(row) ?? Number.POSITIVE_INFINITY) < term.any[0];
    case 'state':
      if (row.unknown_since && term.any.includes('UNKNOWN')) return true;
      return term.any.includes(KNOWN_STATES.includes(row.state) ? row.state : 'CUSTOM');
    case 'name':
    case 'worker':
    case 'queue': {
      const value = row[term.key];
      return value !== null && value !== undefined && term.any.some((pattern) => glob(pattern, value));
    }
    case 'id':
      return term.any.some((start) => row.id.startsWith(start));
    case 'args':
    case 'kwargs':
    case 'result':
    case 'exception':
      return term.any.some((part) => contains(asText(row[term.key]), part));
    case 'text':
      return term.any.some((part) =>
        [row.id, row.name, row.args, row.kwargs, row.result, row.exception].some((text) => contains(asText(text), part)),
      );
    case 'error':
      return row.error !== null && row.error !== undefined && term.any.includes(row.error);
    case 'root':
    case 'parent':
      return false;
  }
}

/** `*` stands for any signs, none included. */
export function glob(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return pattern === text;
  const first = parts[0] ?? '';
  const last = parts[parts.length - 1] ?? '';
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** When the collector first saw it. */
export function firstSeen(row: TaskRow): number | null {
  return row.received ?? row.sent ?? row.started ?? row.finished ?? null;
}

/** Seconds it ran; Celery tells no runtime of one that failed, so the end is counted from the start. */
export function tookOf(row: TaskRow): number | null {
  if (row.runtime !== null && row.runtime !== undefined) return row.runtime;
  if (!row.finished || !row.started || row.finished < row.started) return null;
  return row.finished - row.started;
}

/** Seconds between being received and being started. */
export function waitOf(row: TaskRow): number | null {
  if (row.wait !== null && row.wait !== undefined) return row.wait;
  if (!row.received || !row.started || row.started < row.received) return null;
  return row.started - row.received;
}

function within([least, leastOut, most, mostOut]: Span, value: number | null | undefined): boolean {
  if (value === null || value === undefined) return false;
  if (least !== null && (leastOut ? value <= least : value < least)) return false;
  return most === null || (mostOut ? value < most : value <= most);
}

/** Without regard to the case of ASCII letters, as the collector does it. */
function contains(text: string, part: string): boolean {
  return lower(text).includes(lower(part));
}

function lower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
