// A search cut into its terms as it stands, right or wrong; what the field edits and shows as chips.

export interface Piece {
  /** As written, with its quotes. */
  text: string;
  start: number;
  end: number;
  not: boolean;
  /** In lower case; null for a bare word. */
  key: string | null;
  /** What follows the colon, as written. */
  value: string;
}

/** The terms of `q`; never fails: an open quote reaches to the end. */
export function pieces(q: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  while (at < q.length) {
    if (isSpace(q[at])) {
      at += 1;
      continue;
    }
    const start = at;
    let quoted = false;
    while (at < q.length && (quoted || !isSpace(q[at]))) {
      if (quoted && q[at] === '\\') at += 1;
      else if (q[at] === '"' && (quoted || opensQuote(q, start, at))) quoted = !quoted;
      at += 1;
    }
    at = Math.min(at, q.length);
    const text = q.slice(start, at);
    const not = text.length > 1 && text.startsWith('-');
    const bare = not ? text.slice(1) : text;
    const colon = bare.startsWith('"') ? -1 : bare.indexOf(':');
    found.push({
      text, start, end: at, not,
      key: colon > 0 ? bare.slice(0, colon).toLowerCase() : null,
      value: colon > 0 ? bare.slice(colon + 1) : bare,
    });
  }
  return found;
}

/** A quote counts where a value may begin: at the term's start, after the colon, a comma or the minus. */
function opensQuote(q: string, start: number, at: number): boolean {
  if (at === start) return true;
  const before = q[at - 1];
  return before === ':' || before === ',' || (before === '-' && at - 1 === start);
}

export function isSpace(sign: string | undefined): boolean {
  return sign === ' ' || sign === '\t' || sign === '\n' || sign === '\r';
}

/** `value` as a term's value: in quotes where it would be read as more than one otherwise. */
export function quoted(value: string): string {
  if (value !== '' && !/[\s",\\]/.test(value)) return value;
  return `"${value.replace(/[\\"]/g, '\\$&')}"`;
}

/** `q` with all terms of `key` replaced by one of `value`, at the place of the first; null takes them out. */
export function withTerm(q: string, key: string, value: string | null): string {
  const all = pieces(q);
  const own = all.filter((piece) => piece.key === key && !piece.not);
  const term = value === null || value === '' ? null : `${key}:${value}`;
  const kept: string[] = [];
  for (const piece of all) {
    if (!own.includes(piece)) kept.push(piece.text);
    else if (piece === own[0] && term !== null) kept.push(term);
  }
  if (own.length === 0 && term !== null) kept.push(term);
  return kept.join(' ');
}

/** The value of the first term of `key` that is not negated, as written. */
export function valueOf(q: string, key: string): string | null {
  return pieces(q).find((piece) => piece.key === key && !piece.not)?.value ?? null;
}

/** How many bytes of UTF-8 `text` is; the collector counts places in bytes. */
export function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The place in `text` at a byte offset; in the middle of a character: its start. */
export function placeOfByte(text: string, offset: number): number {
  let seen = 0;
  let place = 0;
  for (const sign of text) {
    const size = bytes(sign);
    if (seen + size > offset) return place;
    seen += size;
    place += sign.length;
  }
  return place;
}
