// A task's state in the page's words, and its call as one would write it.

export type StateKind =
  | 'waiting'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'retrying'
  | 'revoked'
  | 'rejected'
  | 'unknown';

const KINDS: Readonly<Record<string, StateKind>> = {
  PENDING: 'waiting',
  RECEIVED: 'waiting',
  STARTED: 'running',
  PROGRESS: 'running',
  SUCCESS: 'succeeded',
  FAILURE: 'failed',
  RETRY: 'retrying',
  REVOKED: 'revoked',
  REJECTED: 'rejected',
};

export function stateKind(state: string | null | undefined): StateKind {
  return KINDS[state ?? ''] ?? 'unknown';
}

/** Of a whole task: what nobody knows any more is not shown as what it was last. */
export function kindOf(task: { state: string; unknown_since?: number | null }): StateKind {
  return task.unknown_since ? 'unknown' : stateKind(task.state);
}

/** `(1, 2)` and `{'x': 3}` as `1, 2, x=3`; what does not look like that is shown as it came. */
export function callArguments(args: unknown, kwargs: unknown): string {
  const positional = sequence(asText(args));
  const named = mapping(asText(kwargs));
  return [positional, named].filter((part) => part !== '').join(', ');
}

/** Scheme and host of addresses left out where room is scarce; the ellipsis says so. */
export function shortened(call: string): string {
  return call.replace(/(['"])https?:\/\/[^/'"]+(?=\/)/g, '$1…');
}

export function asText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function sequence(text: string): string {
  const inner = /^\s*[([]([\s\S]*)[)\]]\s*$/.exec(text)?.[1];
  if (inner === undefined) return text.trim();
  return inner.trim().replace(/,$/, '');
}

function mapping(text: string): string {
  const inner = /^\s*\{([\s\S]*)\}\s*$/.exec(text)?.[1];
  if (inner === undefined) return text.trim();
  return splitTopLevel(inner)
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => item.replace(/^(['"])([A-Za-z_]\w*)\1\s*:\s*/, '$2='))
    .join(', ');
}

/** Splits at commas that are in no bracket and in no string. */
export function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = '';
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at] ?? '';
    if (quote !== '') {
      if (sign === '\\') at += 1;
      else if (sign === quote) quote = '';
    } else if (sign === '"' || sign === "'") {
      quote = sign;
    } else if ('([{'.includes(sign)) {
      depth += 1;
    } else if (')]}'.includes(sign)) {
      depth -= 1;
    } else if (sign === ',' && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}
