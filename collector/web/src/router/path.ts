// Paths against patterns such as `/task/:id`; pure.

export type Params = Readonly<Record<string, string>>;

/** The parameters of `path` by `pattern`, or null. A last parameter takes what is left, slashes and all. */
export function matchPath(pattern: string, path: string): Params | null {
  const wanted = segments(pattern);
  const given = segments(path);
  const params: Record<string, string> = {};
  for (const [index, want] of wanted.entries()) {
    const last = index === wanted.length - 1;
    if (!want.startsWith(':')) {
      if (want !== given[index]) return null;
      continue;
    }
    const taken = last ? given.slice(index).join('/') : (given[index] ?? '');
    const value = decoded(taken);
    if (value === null || value === '') return null;
    params[want.slice(1)] = value;
    if (last) return params;
  }
  return wanted.length === given.length ? params : null;
}

/** `/name/:name` with its parameters put in. */
export function fillPath(pattern: string, params: Params): string {
  return pattern.replace(/:([a-z]+)/g, (_, key: string) => encodeURIComponent(params[key] ?? ''));
}

/** `query` with the given keys set, those of null or '' left out; '' or `?…`. */
export function withQuery(query: URLSearchParams, changes: Readonly<Record<string, string | null>>): string {
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === '') next.delete(key);
    else next.set(key, value);
  }
  const text = next.toString();
  return text === '' ? '' : `?${text}`;
}

function segments(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
