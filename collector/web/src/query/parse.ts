// The search grammar, as in the collector's src/query.cpp; both are tried with query_cases.json.
import { bytes, isSpace } from './terms';

export const KEYS = [
  'state', 'name', 'worker', 'queue', 'id', 'args', 'kwargs', 'result', 'exception', 'error', 'root',
  'parent', 'runtime', 'wait', 'retries', 'after', 'before',
] as const;
export type Key = (typeof KEYS)[number];

/** [least, least itself excluded, most, most itself excluded]; null: no end. */
export type Span = [number | null, boolean, number | null, boolean];

export type Term =
  | { key: 'text' | 'state' | 'id' | 'error' | 'root' | 'parent'; any: string[]; not?: true }
  | { key: 'name' | 'worker' | 'queue'; any: string[]; not?: true }
  | { key: 'args' | 'kwargs' | 'result' | 'exception'; any: string[]; not?: true }
  | { key: 'runtime' | 'wait' | 'retries'; any: Span[]; not?: true }
  | { key: 'after' | 'before'; any: [number]; not?: true };

/** `at`: byte offset of what is wrong, as the collector counts. */
export type Parsed = { ok: true; terms: Term[] } | { ok: false; error: string; at: number };

const STATES: Readonly<Record<string, readonly string[]>> = {
  pending: ['PENDING'],
  received: ['RECEIVED'],
  started: ['STARTED'],
  succeeded: ['SUCCESS'],
  success: ['SUCCESS'],
  failed: ['FAILURE'],
  failure: ['FAILURE'],
  retrying: ['RETRY'],
  retry: ['RETRY'],
  revoked: ['REVOKED'],
  rejected: ['REJECTED'],
  waiting: ['PENDING', 'RECEIVED', 'RETRY'],
  running: ['CUSTOM', 'STARTED'],
  finished: ['FAILURE', 'REJECTED', 'REVOKED', 'SUCCESS'],
  // No state of Celery's: of these nobody knows what became, whatever their last one.
  unknown: ['UNKNOWN'],
};
/** What `state:` takes and offers. */
export const STATE_WORDS = [
  'received', 'started', 'succeeded', 'failed', 'retrying', 'revoked', 'rejected', 'pending', 'waiting',
  'running', 'finished', 'unknown',
] as const;

const UNITS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400 };
const DATE_HELP = 'a time is -1h, 2026-11-22, 2026-11-22T10:00Z or Unix seconds';

/** `now`, Unix seconds: what relative times count from. */
export function parse(q: string, now: number): Parsed {
  try {
    return { ok: true, terms: new Reader(q, now).all() };
  } catch (error) {
    if (error instanceof Wrong) return { ok: false, error: error.message, at: bytes(q.slice(0, error.place)) };
    throw error;
  }
}

class Wrong extends Error {
  readonly place: number;
  constructor(message: string, place: number) {
    super(message);
    this.place = place;
  }
}

interface Value {
  text: string;
  place: number;
}

class Reader {
  private at = 0;

  constructor(
    private readonly q: string,
    private readonly now: number,
  ) {}

  all(): Term[] {
    const terms: Term[] = [];
    for (;;) {
      while (isSpace(this.q[this.at])) this.at += 1;
      if (this.at >= this.q.length) return terms;
      terms.push(this.term());
    }
  }

  private term(): Term {
    const start = this.at;
    const not = this.q[this.at] === '-';
    if (not) this.at += 1;
    const place = this.at;
    if (this.ended()) throw new Wrong('- stands before what to exclude: -state:succeeded, -timeout', start);
    const term = this.positive(place);
    if (!not) return term;
    if (term.key === 'after') throw new Wrong('instead of -after: use before:', start);
    if (term.key === 'before') throw new Wrong('instead of -before: use after:', start);
    return { ...term, not: true };
  }

  private positive(place: number): Term {
    if (this.q[this.at] === '"') {
      const text = this.quote();
      if (!this.ended()) throw new Wrong('a space is missing after the quote', this.at);
      if (text === '') throw new Wrong('a value is missing between the quotes', place);
      return { key: 'text', any: [text] };
    }
    let end = this.at;
    while (end < this.q.length && !isSpace(this.q[end])) end += 1;
    const word = this.q.slice(this.at, end);
    const colon = word.indexOf(':');
    if (colon < 0) {
      this.at = end;
      return { key: 'text', any: [word] };
    }
    const key = KEYS.find((each) => each === word.slice(0, colon).toLowerCase());
    if (key === undefined) {
      throw new Wrong(`there is no key \`${word.slice(0, colon)}\`: ${KEYS.join(', ')}; to search for text with a colon, quote it`, place);
    }
    this.at += colon + 1;
    return made(key, this.values(), this.now);
  }

  private values(): Value[] {
    const values: Value[] = [];
    for (;;) {
      const place = this.at;
      let text = '';
      if (this.q[this.at] === '"') {
        text = this.quote();
        if (!this.ended() && this.q[this.at] !== ',') throw new Wrong('a space or a comma is missing after the quote', this.at);
      } else {
        while (!this.ended() && this.q[this.at] !== ',') this.at += 1;
        text = this.q.slice(place, this.at);
      }
      if (text === '') throw new Wrong('a value is missing here', place);
      values.push({ text, place });
      if (this.q[this.at] !== ',') return values;
      this.at += 1;
    }
  }

  private quote(): string {
    const open = this.at;
    let text = '';
    this.at += 1;
    while (this.at < this.q.length && this.q[this.at] !== '"') {
      const next = this.q[this.at + 1];
      if (this.q[this.at] === '\\' && (next === '"' || next === '\\')) this.at += 1;
      text += this.q[this.at] ?? '';
      this.at += 1;
    }
    if (this.at >= this.q.length) throw new Wrong('the quote is not closed', open);
    this.at += 1;
    return text;
  }

  private ended(): boolean {
    return this.at >= this.q.length || isSpace(this.q[this.at]);
  }
}

function made(key: Key, values: Value[], now: number): Term {
  switch (key) {
    case 'state':
      return { key, any: [...new Set(values.flatMap(stateNames))].sort() };
    case 'runtime':
    case 'wait':
      return { key, any: values.map((value) => spanOf(value, key, durationOf)) };
    case 'retries':
      return { key, any: values.map((value) => spanOf(value, key, wholeOf)) };
    case 'after':
    case 'before': {
      const [first, second] = values;
      if (second !== undefined) throw new Wrong(`${key} takes one time`, second.place - 1);
      return { key, any: [first === undefined ? now : timeOf(first, now)] };
    }
    case 'error':
      for (const { text, place } of values) {
        if (!/^[0-9a-f]{16}$/i.test(text)) throw new Wrong(`\`${text}\` is no fingerprint: 16 hexadecimal digits`, place);
      }
      return { key, any: values.map((value) => value.text.toLowerCase()) };
    default:
      return { key, any: values.map((value) => value.text) };
  }
}

function stateNames({ text, place }: Value): readonly string[] {
  const names = STATES[text.toLowerCase()];
  if (names === undefined) throw new Wrong(`there is no state \`${text}\`: ${STATE_WORDS.join(', ')}`, place);
  return names;
}

function spanOf({ text, place }: Value, key: string, read: (text: string, whole: string, place: number) => number): Span {
  const compared = /^(>=|<=|>|<)(.+)$/.exec(text);
  if (compared !== null) {
    const bound = read(compared[2] ?? '', text, place);
    const open = compared[1]?.length === 1;
    return text.startsWith('>') ? [bound, open, null, false] : [null, false, bound, open];
  }
  const cut = text.indexOf('..');
  if (cut >= 0) {
    const least = read(text.slice(0, cut), text, place);
    const most = read(text.slice(cut + 2), text, place);
    if (least > most) throw new Wrong(`\`${text}\` begins after its end`, place);
    return [least, false, most, false];
  }
  const value = read(text, text, place);
  if (key === 'retries') return [value, false, value, false];
  throw new Wrong(`${key} takes a comparison or a span: ${key}:>5s, ${key}:<200ms, ${key}:1s..5s`, place);
}

function durationOf(text: string, whole: string, place: number): number {
  const parts = /^(\d+(?:\.\d+)?|\.\d+)([a-z]*)$/i.exec(text);
  if (parts === null) throw new Wrong(`\`${whole}\` is no duration: >5s, <200ms, 1s..5s`, place);
  const unit = parts[2] === '' ? 1 : UNITS[parts[2] ?? ''];
  if (unit === undefined) throw new Wrong(`there is no unit \`${parts[2]}\`: us, ms, s, m, h, d`, place);
  // 0.25 ms is 0.00025 s, not 0.00025000000000000001.
  return Number((Number(parts[1]) * unit).toPrecision(12));
}

function wholeOf(text: string, whole: string, place: number): number {
  if (!/^\d{1,9}$/.test(text)) throw new Wrong(`\`${whole}\` is no whole number: retries:2, retries:>0, retries:1..3`, place);
  return Number(text);
}

function timeOf({ text, place }: Value, now: number): number {
  if (/^-\d/.test(text)) {
    const parts = /^-(\d+(?:\.\d+)?)(us|ms|s|m|h|d)$/.exec(text);
    if (parts !== null) return now - Number(parts[1]) * (UNITS[parts[2] ?? ''] ?? 1);
  }
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const date = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?(Z|[+-]\d{2}:?\d{2})?)?$/i.exec(text);
  if (date !== null) {
    const [, year, month, day, hour = '00', minute = '00', second = '00', zone = 'Z'] = date;
    const start = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute)) / 1000;
    const real = new Date(start * 1000);
    const exists = real.getUTCMonth() + 1 === Number(month) && real.getUTCDate() === Number(day);
    if (exists && Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60) {
      return start + Number(second) - offsetOf(zone);
    }
  }
  throw new Wrong(`\`${text}\` is no time: ${DATE_HELP}`, place);
}

function offsetOf(zone: string): number {
  if (/^z$/i.test(zone)) return 0;
  const digits = zone.slice(1).replace(':', '');
  const seconds = Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2)) * 60;
  return zone.startsWith('-') ? -seconds : seconds;
}
