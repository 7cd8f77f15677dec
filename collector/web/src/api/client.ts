// Requests to the collector: typed answers, errors as sentences.
import { access } from '../state/access.svelte';

/** A request that failed. `message` is a sentence to show; `status` 0: no answer at all. */
export class ApiError extends Error {
  readonly status: number;
  /** Byte offset in the search that was wrong, where the collector named one. */
  readonly at: number | null;

  constructor(message: string, status: number, at: number | null = null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.at = at;
  }
}

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** `/api/search` with its query; unset values are left out. */
export function address(path: string, query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') params.set(key, String(value));
  }
  const text = params.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** Throws ApiError, or the DOMException of an abort. */
export function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return request<T>(path, { method: 'GET', headers: { Accept: 'application/json' }, ...(signal ? { signal } : {}) });
}

/** Throws ApiError, or the DOMException of an abort. */
export function post<T>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<T> {
  return request<T>(path, {
    method: 'POST',
    headers: { Accept: 'application/json', 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

async function request<T>(path: string, options: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...options, cache: 'no-store', credentials: 'same-origin' });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError('The collector does not answer.', 0);
  }
  let told: unknown = null;
  try {
    told = await answer.json();
  } catch (error) {
    if (isAbort(error)) throw error;
    if (answer.ok) throw new ApiError(`The collector's answer to ${path} is not JSON.`, answer.status);
  }
  access.noteAnswer(answer.status, options.method ?? 'GET');
  if (!answer.ok) throw failure(answer.status, told);
  return told as T;
}

function failure(status: number, told: unknown): ApiError {
  const document = (told ?? {}) as { error?: unknown; at?: unknown };
  const text = typeof document.error === 'string' && document.error !== '' ? document.error : `HTTP ${status}`;
  return new ApiError(text, status, typeof document.at === 'number' ? document.at : null);
}
