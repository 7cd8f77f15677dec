// Made-up answers of the collector's GET endpoints for the mock server, in the form of docs/api.md.
import { randomUUID } from 'node:crypto';

const now = () => Date.now() / 1000;
const RANGES = { 900: 1, 3600: 60, 21_600: 60, 86_400: 60, 604_800: 600, 2_592_000: 1800 };

// The same noise for the same moment, so that a refreshed answer does not jump.
function noise(seed) {
  let t = Math.imul((seed >>> 0) ^ 0x9e3779b9, 0x85ebca6b);
  t = Math.imul(t ^ (t >>> 13), 0xc2b2ae35);
  return ((t ^ (t >>> 16)) >>> 0) / 4294967296;
}
const wave = (at, phase, period = 86_400) => 0.5 + 0.5 * Math.sin((at / period) * 2 * Math.PI + phase);

export function series(mock, query) {
  const range = Number(query.get('range') ?? 900);
  const step = RANGES[range];
  if (step === undefined) return [400, { error: `range=${range}: allowed are ${Object.keys(RANGES).join(', ')}` }];
  if (range === 900) {
    const { from, points } = mock.series;
    const quantiles = {};
    for (const [name, level] of Object.entries({ wait_p50: 0.012, wait_p95: 0.09, wait_p99: 0.41, run_p50: 0.12, run_p95: 0.9, run_p99: 1.8 })) {
      quantiles[name] = points.succeeded.map((value, index) => (value === null ? null : level * (0.6 + 0.9 * noise(Math.floor((from + index) / 5) * 7 + name.length))));
    }
    return [200, { step: 1, from, to: from + 900, points: { ...points, ...quantiles }, blind: [{ from: from + 470, to: from + 520, reason: 'outage', lost_for_good: false, lost: null }] }];
  }
  const to = Math.floor(now() / step) * step + step;
  const from = to - range;
  const empty = mock.scenario === 'empty';
  const points = Object.fromEntries(['received', 'succeeded', 'failed', 'retried', 'running', 'ready', 'wait_p50', 'wait_p95', 'wait_p99', 'run_p50', 'run_p95', 'run_p99'].map((name) => [name, []]));
  const hole = [to - range * 0.42, to - range * 0.37];
  for (let at = from; at < to; at += step) {
    const blind = empty || (at > hole[0] && at < hole[1]) || (range >= 604_800 && at < from + range * 0.12);
    const day = wave(at, 1) * 0.6 + 0.4 + 0.15 * noise(at / step);
    const bad = mock.scenario === 'trouble' && at > to - range * 0.15;
    const row = {
      received: 21 * day * step, succeeded: (bad ? 6 : 20) * day * step, failed: (bad ? 2.4 : 0.06) * noise(at / step + 3) * step, retried: 0.3 * noise(at / step + 5) * step,
      running: 2 + 5 * day, ready: bad ? 900 * noise(at / step + 9) : 3 + 6 * noise(at / step + 11),
      wait_p50: 0.008 + 0.02 * day, wait_p95: 0.05 + 0.1 * day, wait_p99: 0.2 + 0.8 * noise(at / step + 13) * day,
      run_p50: 0.11 + 0.04 * day, run_p95: 0.6 + 0.5 * noise(at / step + 15), run_p99: 1.1 + 1.6 * noise(at / step + 17),
    };
    for (const [name, values] of Object.entries(points)) values.push(blind ? null : Number((row[name] * (['received', 'succeeded', 'failed', 'retried'].includes(name) ? Math.min(1, (now() - at) / step) : 1)).toFixed(4)));
  }
  return [200, { step, from, to, points, blind: [{ from: hole[0], to: hole[1], reason: 'stopped', lost_for_good: true, lost: null }, { from: to - range * 0.2, to: to - range * 0.19, reason: 'gap', lost_for_good: true, lost: 37, worker: 'w2@meadow' }] }];
}

const NAMES = [
  { name: 'reddit.fetch_submission', queue: 'reddit', perMinute: 640, bad: 0.004, wait: [0.011, 0.08, 0.34], run: [0.13, 0.61, 1.4] },
  { name: 'reddit.discover', queue: 'reddit', perMinute: 14, bad: 0, wait: [0.006, 0.02, 0.05], run: [0.42, 1.1, 1.9] },
  { name: 'add', queue: 'umbel', perMinute: 310, bad: 0, wait: [0.002, 0.006, 0.02], run: [0.0004, 0.0011, 0.004] },
  { name: 'sleep', queue: 'umbel', perMinute: 6, bad: 0, wait: [0.003, 0.4, 2.1], run: [9.8, 21.4, 23.7] },
  { name: 'flaky', queue: 'umbel', perMinute: 48, bad: 0.12, wait: [0.002, 0.005, 0.03], run: [0.002, 0.004, 0.009] },
  { name: 'shop.orders.export_monthly_statement_to_warehouse', queue: 'umbel', perMinute: 0.4, bad: 0.5, wait: [1.2, 4, 6], run: [64, 181, 240] },
  { name: 'mail.digest', queue: 'mail', perMinute: 0, bad: 0, wait: null, run: null },
];

function nameFigures(mock, spec, minutes) {
  const finished = Math.round(spec.perMinute * minutes * mock.rate);
  const failed = Math.round(finished * spec.bad * (mock.scenario === 'trouble' ? 4 : 1));
  const minute = Math.floor(now() / 60);
  const seed = spec.name.length * 131;
  const spark = Array.from({ length: 60 }, (_, i) => Math.round(spec.perMinute * (0.7 + 0.6 * noise(minute - 59 + i + seed))));
  return {
    name: spec.name, queue: spec.queue, received: finished + 2, succeeded: finished - failed, failed, retried: spec.name === 'flaky' ? Math.round(finished * 0.4) : 0,
    rate: finished / (minutes * 60), failure_ratio: finished === 0 ? null : failed / finished, wait: finished === 0 ? null : spec.wait, run: finished === 0 ? null : spec.run,
    running: spec.name === 'sleep' ? 2 : spec.perMinute > 100 ? 3 : 0, waiting: spec.queue === 'reddit' ? Math.round(mock.backlog) : 0,
    last_seen: spec.perMinute === 0 ? now() - 5400 : now() - 1, total: Math.round(spec.perMinute * 7000) + (spec.perMinute === 0 ? 12 : 0),
    spark, spark_failed: spark.map((value, i) => Math.round(value * spec.bad * 2 * noise(minute - 59 + i + seed + 9))),
  };
}

const GROUPS = [
  { fingerprint: 'a1f09c3e77d2b410', type: 'TimeoutError', message: 'no answer from # in # s', sample_message: 'no answer from 127.0.0.1:8090 in 10 s', names: [{ name: 'reddit.fetch_submission', count: 37 }, { name: 'reddit.discover', count: 2 }], count: 39, first: 1500, last: 40, new: true },
  { fingerprint: '5bd2e9a014c7f388', type: 'RedditError', message: '# Too Many Requests: the budget of # requests in # s is used up, # s left', sample_message: '429 Too Many Requests: the budget of 100 requests in 60 s is used up, 13 s left', names: [{ name: 'reddit.fetch_submission', count: 212 }], count: 212, first: 86_400 * 6, last: 190, new: false },
  { fingerprint: '77c0ffee12345678', type: 'FlakyError', message: 'rate # came up: trying again in # s', sample_message: 'rate 0.3 came up: trying again in 2 s', names: [{ name: 'flaky', count: 1402 }], count: 1402, first: 86_400 * 9, last: 3, new: false },
  { fingerprint: '0d15ea5e00000001', type: 'warehouse.client.errors.StatementRejectedByRemoteError', message: "column # of table # may not be null (SQLSTATE #)", sample_message: "column 'amount' of table 'statement' may not be null (SQLSTATE 23502)", names: [{ name: 'shop.orders.export_monthly_statement_to_warehouse', count: 9 }], count: 9, first: 86_400 * 2, last: 2100, new: false },
];

function groupOf(spec, minutes) {
  const seed = spec.type.length * 17;
  const spark = Array.from({ length: 48 }, (_, i) => {
    const age = ((47 - i) / 48) * minutes * 60;
    return age > spec.first || age < spec.last - (minutes * 60) / 48 ? 0 : Math.round((spec.count / 30) * noise(i + seed) ** 2);
  });
  return { fingerprint: spec.fingerprint, type: spec.type, message: spec.message, sample_message: spec.sample_message, sample_task: randomUUID(), count: spec.count, first_seen: now() - spec.first, last_seen: now() - spec.last, names: spec.names, workers: ['w1@meadow', 'w2@meadow'], spark, new: spec.new };
}
const groups = (mock, minutes) => (mock.scenario === 'empty' ? [] : GROUPS.filter((spec) => mock.scenario === 'trouble' || !spec.new).map((spec) => groupOf(spec, minutes)).sort((a, b) => b.last_seen - a.last_seen));

const TRACEBACK = `Traceback (most recent call last):
  File "/srv/app/tasks/reddit.py", line 88, in fetch_submission
    answer = session.get(url, timeout=10)
  File "/usr/lib/python3/dist-packages/requests/sessions.py", line 600, in get
    return self.request("GET", url, **kwargs)
  File "/srv/app/http.py", line 41, in request
    raise TimeoutError(f"no answer from {self.host} in {timeout} s")
TimeoutError: no answer from 127.0.0.1:8090 in 10 s
`;

const ENTRIES = [
  { name: 'discover-programming', task: 'reddit.discover', kwargs: "{'subreddit': 'programming'}", expression: 'every: 30s', words: 'every 30 seconds', every: 30, queue: 'reddit' },
  { name: 'discover-cpp', task: 'reddit.discover', kwargs: "{'subreddit': 'cpp'}", expression: 'every: 60s', words: 'every minute', every: 60, queue: 'reddit' },
  { name: 'nightly-export', task: 'shop.orders.export_monthly_statement_to_warehouse', kwargs: '{}', expression: '0 3 * * *', words: 'at 03:00 every day', every: 86_400, zone: 'Europe/Berlin', queue: 'umbel' },
  { name: 'weekday-digest', task: 'mail.digest', kwargs: "{'list': 'engineers'}", expression: '0 6 * * 1-5', words: 'at 06:00 on weekdays', every: 86_400, zone: 'America/New_York', queue: 'mail' },
];
const paused = new Map();

function entryOf(mock, spec) {
  const at = now();
  const offset = { 'nightly-export': 2 * 3600, 'weekday-digest': 11 * 3600 }[spec.name] ?? 0;
  const due = Math.floor((at - offset) / spec.every) * spec.every + offset;
  const from = Math.floor(at / 1800) * 1800 - 47 * 1800;
  const trouble = mock.scenario === 'trouble';
  const cells = Array.from({ length: 48 }, (_, i) => {
    const begin = from + i * 1800;
    const ticks = spec.every < 1800 ? 1800 / spec.every : (begin - offset) % spec.every < 1800 && (begin - offset) % spec.every >= 0 ? 1 : 0;
    const failed = ticks > 0 && noise(i + spec.name.length) < 0.06 ? Math.min(ticks, 1 + Math.round(noise(i) * 2)) : 0;
    const missed = trouble && i > 30 && i < 34 && ticks > 0 ? Math.ceil(ticks / 2) : 0;
    const shown = i === 47 ? Math.floor(ticks * (((at % 1800) / 1800))) : ticks;
    return { succeeded: Math.max(0, Math.floor(shown) - failed - missed), failed: shown > 0 ? failed : 0, running: i === 47 && spec.every < 1800 ? 1 : 0, waiting: 0, missed };
  });
  return {
    name: spec.name, task: spec.task, args: '()', kwargs: spec.kwargs, queue: spec.queue, expression: spec.expression, words: spec.words, zone: spec.zone ?? 'UTC', definition: `${spec.name} ${spec.expression}`,
    next: [1, 2, 3, 4, 5].map((n) => due + n * spec.every), paused: paused.get(spec.name) ?? null, last_due: due, last_task: randomUUID(), last_outcome: trouble && spec.name === 'nightly-export' ? 'failed' : 'succeeded',
    missed: trouble && spec.name === 'discover-cpp' ? 3 : 0, lag_p99: spec.every > 3600 ? null : 0.012 + 0.01 * noise(spec.name.length), strip: { from, step: 1800, cells },
  };
}

function ticksOf(spec, limit) {
  const at = now();
  return Array.from({ length: Math.min(limit, 40) }, (_, i) => {
    const due = Math.floor(at / spec.every) * spec.every - i * spec.every;
    const failed = noise(due / spec.every) < 0.06;
    return { due, recorded: due + 0.01, lag: 0.008 + 0.02 * noise(due), task: randomUUID(), outcome: i === 0 ? 'running' : failed ? 'failed' : 'succeeded', state: i === 0 ? 'STARTED' : failed ? 'FAILURE' : 'SUCCESS', runtime: i === 0 ? null : 0.3 + noise(due + 1) };
  });
}

const taskRows = (mock, keep, limit) => [...mock.tasks.values()].filter(keep).reverse().slice(0, limit).map((task) => mock.wire(task));

function submissions(mock, minutes) {
  const rows = mock.submissions;
  const names = [...new Set(rows.map((row) => row.subreddit))].sort();
  const spread = (edges, peak) => edges.map((le, i) => ({ le, count: Math.round(minutes * 6 * Math.exp(-((i - peak) ** 2) / 6) * (0.8 + 0.4 * noise(i + peak * 10))) }));
  return {
    subreddits: names.map((name, i) => {
      const own = rows.filter((row) => row.subreddit === name);
      const last = own[0].fetched;
      return { name, fetched: Math.round(own.length * minutes * 0.8), failed: i === 1 ? 2 : 0, rate: own.length / 60, newest_created: Math.max(...own.map((row) => row.created)), last_fetched: last, freshness: now() - last, score: [40 + i * 31, 2400 - i * 300], comments: [12 + i, 180] };
    }),
    distributions: names.length === 0 ? {} : { score: spread([0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, null], 4), comments: spread([0, 1, 3, 10, 30, 100, 300, 1000, null], 3), age_at_fetch: spread([10, 30, 60, 300, 900, 1800, 3600, 7200, 21_600, 86_400, null], 5) },
    fetch: names.length === 0 ? null : { p50: 0.13, p95: 0.61, p99: 1.4, phases: [['dns', 0.001, 0.004], ['connect', 0.012, 0.05], ['tls', 0.03, 0.09], ['server', 0.07, 0.4], ['transfer', 0.008, 0.04], ['parse', 0.002, 0.008]].map(([phase, p50, p95]) => ({ phase, p50, p95 })) },
    latest: rows, source: { empty: 'none', reddit: 'reddit' }[mock.scenario] ?? 'simulated', now: now(),
  };
}

function system(mock) {
  const at = now();
  const trouble = mock.scenario === 'trouble';
  const days = Array.from({ length: 14 }, (_, i) => ({ day: new Date((at - (13 - i) * 86_400) * 1000).toISOString().slice(0, 10), bytes: Math.round((i === 13 ? 0.4 : 1) * (38e6 + 22e6 * noise(i))) }));
  const empty = mock.scenario === 'empty';
  return {
    process: { memory_bytes: 88_412_160, threads: 41, descriptors: 63, cpu_seconds: 412.3, uptime: at - mock.started },
    history: { tasks: empty ? 0 : 1_204_331, bytes: empty ? 0 : days.reduce((sum, day) => sum + day.bytes, 0), days: empty ? [] : days, oldest: empty ? null : days[0].day, retention_days: 30, writer: true },
    live: { tasks: mock.tasks.size * 70, bytes: 2_412_000, limit: 1_000_000 },
    series: { names: 7, labels_folded: 0 },
    stream: { clients: mock.clients.size, closed_slow: trouble ? 2 : 0, sent_bytes: 18_233_000 },
    events: { per_second: empty ? 0 : 58.3, total: empty ? 0 : 4_120_551, lag_seconds: empty ? null : trouble ? 12.4 : 0.041, missed: trouble ? 37 : 0, cut_batches: 0, backlog: trouble ? 8200 : 0 },
    blind: empty ? [] : [{ from: at - 3 * 86_400, to: at - 3 * 86_400 + 1260, reason: 'stopped', lost_for_good: false, lost: null }, { from: at - 430, to: at - 380, reason: 'outage', lost_for_good: false, lost: null }, ...(trouble ? [{ from: at - 900, to: at - 840, reason: 'gap', lost_for_good: true, lost: 37, worker: 'w2@meadow' }] : [])],
    engines: { broker: 'sqlite:var/umbel-broker.db', store: 'sqlite:var/umbel.db' }, version: '0.1.0', build: 'dev, GCC 12.2', now: at,
  };
}

/** [status, body] for a request, or null where it is not one of these. */
export function answer(mock, method, path, query, body) {
  const at = now();
  const parts = path.split('/').filter((part) => part !== '').map(decodeURIComponent);
  if (parts[0] !== 'api') return null;
  const [, kind, name, action] = parts;
  const empty = mock.scenario === 'empty';
  const minutes = Number(query.get('minutes') ?? 60);
  if (method === 'POST' && path === '/api/control') {
    const refused = body?.action === 'restart_pool' ? "ValueError('Pool restarts not enabled')" : null;
    return [200, { answers: (body?.workers ?? []).map((worker) => ({ worker, ok: refused === null ? `${body.action} done` : null, error: refused })), now: at }];
  }
  if (method === 'POST' && path === '/api/queues/purge') return [200, { purged: 12, now: at }];
  if (method === 'POST' && kind === 'schedule' && name) {
    const spec = ENTRIES.find((entry) => entry.name === name);
    if (!spec) return [404, { error: `no schedule is called ${name}` }];
    if (action === 'run') {
      const task = mock.newTask(at, false, spec.task, {});
      mock.add(task);
      return [200, { 'task-id': task.id }];
    }
    if (action === 'pause') {
      if (!body?.reason) return [400, { error: 'reason: a pause needs one' }];
      paused.set(name, { since: at, reason: body.reason });
    } else if (action === 'resume') paused.delete(name);
    else return null;
    return [200, entryOf(mock, spec)];
  }
  if (method !== 'GET') return null;
  if (path === '/api/series') return series(mock, query);
  if (path === '/api/names') return [200, { names: empty ? [] : NAMES.map((spec) => nameFigures(mock, spec, minutes)), folded: 0, now: at }];
  if (kind === 'name' && name) {
    const spec = NAMES.find((entry) => entry.name === name);
    if (!spec || empty) return [404, { error: `no task of the name ${name} has been seen` }];
    return [200, { ...nameFigures(mock, spec, 60), name, windows: Object.fromEntries([1, 5, 60].map((span) => [span, nameFigures(mock, spec, span)])), parameters: name === 'add' ? ['x', 'y'] : null, queue: spec.queue, workers: ['w1@meadow', 'w2@meadow'], now: at }];
  }
  if (kind === 'worker' && name) {
    const row = mock.workers().find((worker) => worker.name === name);
    if (!row) return [404, { error: `no worker is called ${name}` }];
    const minute = Math.floor(at / 60);
    return [200, {
      worker: { ...row, pid: 4711, sw_sys: 'Linux', freq: 2, first_seen: mock.started, registered: NAMES.slice(0, 5).map((spec, i) => (i === 1 ? `${spec.name} [rate_limit=10/m]` : spec.name)) },
      told: {
        at: at - 21,
        stats: {
          total: {}, pid: 4711, clock: '213', uptime: 7431, prefetch_count: 32,
          pool: { 'max-concurrency': row.slots, processes: [4712, 4713, 4714, 4715], 'max-tasks-per-child': 'N/A', 'put-guarded-by-semaphore': false, timeouts: [0, 300] },
          broker: { hostname: '127.0.0.1', userid: 'guest', virtual_host: '/', port: 5672, ssl: false, transport: 'amqp', heartbeat: 120, login_method: 'PLAIN', failover_strategy: 'round-robin' },
          rusage: { utime: 41.39, stime: 9.11, maxrss: 47_556, minflt: 26_452, majflt: 8, nvcsw: 518, nivcsw: 539 },
        },
        active_queues: row.queues.map((queue) => ({ name: queue, routing_key: queue, durable: true })),
        conf: { broker_url: 'amqp://guest:********@127.0.0.1:5672//', result_backend: 'redis://127.0.0.1:6379/1', timezone: 'Europe/Berlin', task_acks_late: true, include: ['celery.app.builtins', 'meadow.tasks'] },
        active: [], reserved: [], scheduled: [], revoked: [],
      },
      running: taskRows(mock, (task) => task.state === 'STARTED' && task.worker === name, 100), prefetched: [],
      spark_busy: Array.from({ length: 60 }, (_, i) => (i < 8 ? null : 2 + 4 * noise(minute - 59 + i + name.length))),
      names: NAMES.slice(0, 5).map((spec) => ({ name: spec.name, succeeded: Math.round(spec.perMinute * 30), failed: Math.round(spec.perMinute * 30 * spec.bad) })), now: at,
    }];
  }
  if (kind === 'queue' && name) {
    const row = mock.queues().find((queue) => queue.name === name);
    if (!row) return [404, { error: `no queue is called ${name}` }];
    const minute = Math.floor(at / 60) * 60;
    const still = row.consumers === 0;
    return [200, {
      queue: row, trend: Array.from({ length: 60 }, (_, i) => ({ t: minute - (59 - i) * 60, ready: still ? (i < 55 ? 4 + 3 * noise(i) : 300 * (i - 54)) : 4 + 6 * noise(minute / 60 + i), in: row.in_rate === null ? null : 60 * row.in_rate * (0.8 + 0.4 * noise(i)), out: row.in_rate === null ? null : still && i > 55 ? 0 : 60 * row.in_rate * (0.8 + 0.4 * noise(i + 7)) })),
      consumers: still ? [] : ['w1@meadow', 'w2@meadow'], names: row.ready > 0 ? NAMES.filter((spec) => spec.queue === name).map((spec, i) => ({ name: spec.name, waiting: Math.round(row.ready / (i + 1.3)) })) : [],
      oldest: taskRows(mock, (task) => task.queue === name, 4).map((task) => ({ ...task, state: 'PENDING', worker: null, started: null, finished: null, runtime: null, result: null, exception: null })), now: at,
    }];
  }
  if (kind === 'schedule' && name) {
    const spec = ENTRIES.find((entry) => entry.name === name);
    if (!spec || action !== 'ticks') return [404, { error: `no schedule is called ${name}` }];
    return [200, { ticks: ticksOf(spec, Number(query.get('limit') ?? 50)), now: at }];
  }
  if (path === '/api/schedule') return [200, { entries: empty ? [] : ENTRIES.map((spec) => entryOf(mock, spec)), error: null, scheduler: { last_seen: empty ? null : at - 1.2 }, now: at }];
  if (path === '/api/errors') return [200, { groups: groups(mock, minutes), folded: 0, now: at }];
  if (kind === 'error' && name) {
    const spec = GROUPS.find((group) => group.fingerprint === name);
    if (!spec) return [404, { error: `no error has the fingerprint ${name}` }];
    return [200, { ...groupOf(spec, 1440), traceback: TRACEBACK, latest: taskRows(mock, (task) => task.state === 'FAILURE', 50), now: at }];
  }
  if (path === '/api/submissions') return [200, submissions(mock, minutes)];
  if (path === '/api/system') return [200, system(mock)];
  return null;
}
