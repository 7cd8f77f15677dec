// The address of a submission on Reddit; only real ones have one.
import type { Submission } from '../live/types';

const REDDIT = 'https://www.reddit.com';

export function asPermalink(row: Pick<Submission, 'permalink' | 'simulated'>): string | null {
  if (row.simulated || !row.permalink) return null;
  try {
    const url = new URL(row.permalink, REDDIT);
    // The field came from outside: it may name a path on Reddit and nothing else.
    return url.origin === REDDIT ? url.href : null;
  } catch {
    return null;
  }
}
