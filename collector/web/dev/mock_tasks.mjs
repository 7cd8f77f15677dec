// The mock's answers about tasks: search, completion, one task, acting. The grammar is the page's
// own, bundled from src/query, so that what is found is what the page would find.
import { build } from 'esbuild';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bundled = await build({
  stdin: {
    contents: "export * from './src/query/parse'; export * from './src/query/matches'; export * from './src/query/terms';",
    resolveDir: root,
    loader: 'ts',
  },
  bundle: true, write: false, format: 'esm', platform: 'node', logLevel: 'silent',
});
const { parse, matches, pieces, KEYS, STATE_WORDS } = await import(
  `data:text/javascript;base64,${Buffer.from(bundled.outputFiles[0].text).toString('base64')}`
);

const BUDGET_MS = 100;
const STEP = 0.61;
const NAMES = ['reddit.fetch_submission', 'reddit.fetch_submission', 'reddit.fetch_submission', 'reddit.discover', 'add', 'flaky', 'shop.orders.export_monthly_statement_to_warehouse'];

function noise(index, salt) {
  let t = Math.imul((index + 1) ^ (salt * 0x9e3779b9), 0x85ebca6b) >>> 0;
  t = Math.imul(t ^ (t >>> 13), 0xc2b2ae35) >>> 0;
  return ((t ^ (t >>> 16)) >>> 0) / 4294967296;
}

/** The task that came `index` tasks before the mock started; the same at every call. */
function past(mock, index) {
  const name = NAMES[Math.floor(noise(index, 1) * NAMES.length)];
  const received = mock.begun - 45 - index * STEP;
  const luck = noise(index, 2);
  const bad = name === 'flaky' ? luck < 0.4 : luck < 0.03;
  const wait = 0.004 + noise(index, 3) ** 6 * 4;
  const runtime = (name.startsWith('shop') ? 40 : 0.03) + noise(index, 4) ** 4 * (name.startsWith('shop') ? 140 : 1.8);
  const hex = (salt) => Math.floor(noise(index, salt) * 0xffffffff).toString(16).padStart(8, '0');
  const subreddit = ['programming', 'cpp', 'rust'][index % 3];
  const kwargs = { 'reddit.fetch_submission': `{'url': 'https://www.reddit.com/r/${subreddit}/comments/1${hex(5).slice(0, 5)}/'}`, 'reddit.discover': `{'subreddit': '${subreddit}'}`, flaky: "{'rate': 0.3}" }[name] ?? '{}';
  const failed = bad && name !== 'flaky';
  return {
    id: `${hex(6)}-${hex(7).slice(0, 4)}-4${hex(8).slice(0, 3)}-8${hex(9).slice(0, 3)}-${hex(10)}${hex(11).slice(0, 4)}`,
    name, state: !bad ? 'SUCCESS' : 'FAILURE', args: name === 'add' ? `(${index % 90}, 2)` : '()', kwargs,
    worker: index % 2 ? 'w1@meadow' : 'w2@meadow', queue: name.startsWith('reddit.') ? 'reddit' : 'umbel',
    received, started: received + wait, finished: received + wait + runtime, runtime, result: bad ? null : name === 'add' ? '42' : 'None',
    exception: failed ? "TimeoutError('no answer from 127.0.0.1:8090 in 10 s')" : bad ? "FlakyError('rate 0.3 came up for the third time')" : null,
    retries: name === 'flaky' && bad ? 3 : 0, sent: received - 0.002, wait: wait + 0.002, eta: null, error: bad ? '0123456789abcdef' : null,
  };
}

function rowAt(mock, live, index) {
  return index < live.length ? live[index] : past(mock, index - live.length);
}

const BY = { runtime: (row) => row.runtime, wait: (row) => row.wait, retries: (row) => row.retries, received: (row) => row.received };

function search(mock, query) {
  const q = query.get('q') ?? '';
  const sort = query.get('sort') || '-received';
  const limit = Number(query.get('limit') ?? 50);
  const told = parse(q, Date.now() / 1000);
  if (!told.ok) return [400, { error: told.error, at: told.at }];
  if (!['-received', 'received', '-runtime', 'runtime', '-wait', '-retries'].includes(sort)) return [400, { error: `sort: ${sort} is not known` }];
  let from = 0;
  let before = Infinity;
  if (query.get('cursor')) {
    const cursor = JSON.parse(Buffer.from(query.get('cursor'), 'base64url').toString());
    if (cursor.q !== q || cursor.sort !== sort) return [400, { error: 'cursor: it belongs to another search' }];
    from = cursor.at;
    before = cursor.before ?? Infinity;
  }
  const live = mock.scenario === 'empty' ? [] : [...mock.tasks.values()].map((task) => mock.wire(task)).sort((a, b) => b.received - a.received);
  const total = mock.scenario === 'empty' ? 0 : live.length + mock.historyLength;
  const cursorOf = (at, last) => Buffer.from(JSON.stringify({ q, sort, at, before: last })).toString('base64url');
  const end = performance.now() + BUDGET_MS;
  if (sort === '-received') {
    const tasks = [];
    // Live tasks come and go: the cursor is the moment reached, not a place.
    let index = before === Infinity ? 0 : Math.max(0, from < live.length ? live.findIndex((row) => row.received < before) : from);
    if (index < 0) index = live.length;
    let last = before;
    for (; index < total; index += 1) {
      const row = rowAt(mock, live, index);
      last = row.received;
      if (matches(told.terms, row)) tasks.push(row);
      if (tasks.length >= limit) {
        return [200, { tasks, next: index + 1 < total ? cursorOf(index + 1, last) : null, searched_back_to: last, complete: true, now: Date.now() / 1000 }];
      }
      if (index % 512 === 511 && performance.now() > end) {
        return [200, { tasks, next: cursorOf(index + 1, last), searched_back_to: last, complete: false, now: Date.now() / 1000 }];
      }
    }
    return [200, { tasks, next: null, searched_back_to: null, complete: true, now: Date.now() / 1000 }];
  }
  const all = [];
  for (let index = 0; index < Math.min(total, 8000); index += 1) {
    const row = rowAt(mock, live, index);
    if (matches(told.terms, row)) all.push(row);
  }
  const by = BY[sort.replace('-', '')];
  const sign = sort.startsWith('-') ? -1 : 1;
  all.sort((a, b) => sign * ((by(a) ?? -1) - (by(b) ?? -1)));
  const tasks = all.slice(from, from + limit);
  return [200, { tasks, next: from + limit < all.length ? cursorOf(from + limit) : null, searched_back_to: null, complete: true, now: Date.now() / 1000 }];
}

function complete(mock, query) {
  const q = query.get('q') ?? '';
  const at = Number(query.get('at') ?? q.length);
  const text = Buffer.from(q).subarray(0, at).toString();
  const piece = pieces(text).find((each) => each.end === text.length);
  const word = piece?.text.replace(/^-/, '') ?? '';
  const live = [...mock.tasks.values()];
  const offset = (place) => Buffer.byteLength(text.slice(0, place));
  const colon = word.indexOf(':');
  if (colon < 0) {
    const from = offset(text.length - word.length);
    const options = KEYS.filter((key) => key.startsWith(word.toLowerCase())).map((key) => ({ text: `${key}:`, count: null, about: null }));
    return [200, { from, to: at, options }];
  }
  const key = word.slice(0, colon);
  const typed = word.slice(colon + 1).split(',').pop();
  const counts = new Map();
  if (key === 'state') {
    const kinds = { SUCCESS: 'succeeded', FAILURE: 'failed', STARTED: 'started', RETRY: 'retrying', RECEIVED: 'received' };
    for (const state of STATE_WORDS) counts.set(state, 0);
    for (const task of live) counts.set(kinds[task.state], (counts.get(kinds[task.state]) ?? 0) + 1);
  } else if (['name', 'worker', 'queue'].includes(key)) {
    for (const task of live) counts.set(task[key], (counts.get(task[key]) ?? 0) + 1);
  } else if (key === 'id') {
    for (const task of live.slice(-200)) if (typed !== '' && task.id.startsWith(typed)) counts.set(task.id, null);
  }
  const options = [...counts].filter(([value]) => value?.toLowerCase().startsWith(typed.toLowerCase())).sort((a, b) => b[1] - a[1]).slice(0, 12)
    .map(([value, count]) => ({ text: value, count, about: null }));
  return [200, { from: offset(text.length - typed.length), to: at, options }];
}

function find(mock, id) {
  const task = mock.tasks.get(id);
  if (task !== undefined) return mock.wire(task);
  for (let index = 0; index < Math.min(mock.historyLength, 4000); index += 1) {
    const row = past(mock, index);
    if (row.id === id) return row;
  }
  return null;
}

function json(text) {
  if (text === null || text === undefined) return null;
  try {
    return JSON.parse(text.replaceAll("'", '"').replace(/^\(/, '[').replace(/,?\)$/, ']').replaceAll('None', 'null'));
  } catch {
    return null;
  }
}

function detail(mock, id) {
  const row = find(mock, id);
  if (row === null) return [404, { error: `no task ${id} is known: it was never seen, or is older than what is kept` }];
  const over = row.finished !== null && row.state !== 'RETRY';
  const attempts = [];
  let start = row.started;
  for (let n = 1; n <= (row.retries ?? 0); n += 1) {
    const began = row.received + 0.01 + (n - 1) * 2.4;
    attempts.push({ n, worker: row.worker, received: began - 0.005, started: began, ended: began + 0.3, outcome: n === 1 && row.retries > 2 ? 'lost' : 'retried', detail: n === 1 && row.retries > 2 ? 'w2@meadow was not heard of any more' : row.exception });
    start = began + 2.4;
  }
  const finished = over ? start + (row.runtime ?? 0) : null;
  if (row.state !== 'RETRY') {
    attempts.push({ n: attempts.length + 1, worker: row.worker, received: start - 0.004, started: start, ended: finished, outcome: !over ? 'running' : row.state === 'SUCCESS' ? 'succeeded' : 'failed', detail: row.exception });
  }
  const moments = [
    { at: row.received - 0.003, type: 'task-sent', worker: null, detail: 'by scheduler' },
    ...attempts.flatMap((each) => [
      { at: each.received, type: 'task-received', worker: each.worker, detail: null },
      { at: each.started, type: 'task-started', worker: each.worker, detail: null },
      ...(each.ended ? [{ at: each.ended, type: { succeeded: 'task-succeeded', failed: 'task-failed', lost: 'worker-lost' }[each.outcome] ?? 'task-retried', worker: each.worker, detail: each.detail }] : []),
    ]),
  ];
  const scheduled = row.name === 'reddit.discover';
  const children = scheduled ? Array.from({ length: 3 }, (_, index) => past(mock, index * 7 + 3)) : [];
  const result = json(row.result);
  return [200, {
    task: {
      ...row, started: start, finished, root_id: row.id, parent_id: null, routing_key: row.queue, exchange: '', client: 'scheduler@meadow', expires: null, revoked: null, rejected: null, retried: null,
      traceback: row.state === 'FAILURE' ? `Traceback (most recent call last):\n  File "/srv/app/tasks/reddit.py", line 84, in fetch_submission\n    answer = session.get(url, timeout=10)\n  File "/srv/app/lib/session.py", line 31, in get\n    raise TimeoutError(f"no answer from {self.host} in {timeout} s")\n${row.exception}` : null,
    },
    values: { args: json(row.args), kwargs: json(row.kwargs), result: row.name === 'reddit.discover' ? { found: 3, new: [{ id: 't3_1abc', title: 'A scheduler that forgets nothing', score: 412, over_18: false }, { id: 't3_1abd', title: 'Coroutines without tears', score: null, tags: ['cpp', 'async'] }] } : result },
    children, parent: row.name === 'reddit.fetch_submission' ? past(mock, 11) : null, accepted: row.received - 0.006,
    schedule: scheduled ? { name: 'discover-programming', due: Math.floor(row.received) } : null,
    attempts, moments,
    can: {
      retry: { allowed: row.args !== null, why: row.args === null ? 'its arguments are not known whole' : '' },
      revoke: { allowed: !over && row.state !== 'STARTED', why: over ? 'it has ended' : row.state === 'STARTED' ? 'it runs already; a running task cannot be revoked' : '' },
    },
    now: Date.now() / 1000,
  }];
}

function retry(mock, ids) {
  const done = [];
  const refused = [];
  for (const id of ids) {
    const row = find(mock, id);
    if (row === null) refused.push({ id, why: 'it is not known' });
    else if (row.name?.startsWith('shop.')) refused.push({ id, why: 'its arguments are not known whole' });
    else {
      const task = mock.newTask(Date.now() / 1000, false, row.name);
      mock.add(task);
      done.push({ id, new_id: task.id });
    }
  }
  return [200, { done, refused }];
}

function revoke(mock, ids) {
  const refused = [];
  const done = [];
  for (const id of ids) {
    const row = find(mock, id);
    if (row?.state === 'RETRY') done.push({ id });
    else refused.push({ id, why: row === null ? 'it is not known' : row.finished ? 'it has ended' : 'it runs already; a running task cannot be revoked' });
  }
  return [200, { done, refused }];
}

/** [status, document], or null where the path is none of these. */
export function answerTasks(mock, method, path, query, body) {
  if (path === '/api/search') return search(mock, query);
  if (path === '/api/complete') return complete(mock, query);
  if (path.startsWith('/api/task/detail/')) return detail(mock, decodeURIComponent(path.slice('/api/task/detail/'.length)));
  if (method === 'POST' && path === '/api/tasks/retry') return retry(mock, body?.ids ?? []);
  if (method === 'POST' && path === '/api/tasks/revoke') return revoke(mock, body?.ids ?? []);
  return null;
}

