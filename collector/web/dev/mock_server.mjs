// A collector for working on the page without one: serves dist/ under the collector's policy and
// speaks the live stream of docs/api.md with made-up data.
//
//   node dev/mock_server.mjs [--port 5555] [--scenario well|trouble|empty|reddit] [--history TASKS]
import { createServer } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomUUID } from 'node:crypto';
import { WebSocketServer } from 'ws';
import { answer } from './mock_figures.mjs';
import { answerTasks } from './mock_tasks.mjs';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const KINDS = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const dist = process.env.UMBEL_PAGE_DIST ?? join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');

const now = () => Date.now() / 1000;
const round = (value, digits = 3) => Number(value.toFixed(digits));

// A small seeded generator: the same pictures on every run.
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const TITLES = [
  ['programming', 'A scheduler that forgets nothing: what we learned from two years of cron'],
  ['cpp', 'Coroutines without tears, part three: cancellation'],
  ['programming', 'SQLite as a message broker on one machine'],
  ['rust', 'The borrow checker as a design review'],
  ['cpp', 'What does std::launder really do, and who needs it? A long answer with every example that I could find in the wild and some that I wish I had not'],
  ['selfhosted', 'My shelf hums at 34 watts'],
  ['programming', 'Postmortem: four minutes in which no worker took anything'],
  ['sysadmin', 'Retention is a promise too'],
  ['cpp', 'Small vectors, large savings'],
  ['programming', 'Histograms, and why your average lies'],
];

export class Mock {
  constructor({ scenario = 'well', seed = 7, rate = 1, historyLength = 20_000 } = {}) {
    this.begun = now();
    this.historyLength = historyLength;
    this.scenario = scenario;
    this.random = randomFrom(seed);
    this.rate = rate;
    this.epoch = randomUUID();
    this.seq = 0;
    this.history = [];
    this.clients = new Set();
    this.pending = {};
    this.counts = { succeeded: 0, failed: 0, retried: 0, received: 0 };
    this.started = now() - (scenario === 'empty' ? 5 : 7_431);
    this.totals = scenario === 'empty'
      ? { succeeded: 0, failed: 0, retried: 0, received: 0 }
      : { succeeded: 148_230, failed: 412, retried: 1_730, received: 150_380 };
    this.tasks = new Map();
    this.submissions = [];
    this.backlog = scenario === 'trouble' ? 1_840 : 6;
    this.fill();
    this.timers = [setInterval(() => this.tick(), 100), setInterval(() => this.second(), 1000)];
  }

  stop() {
    this.timers.forEach(clearInterval);
    for (const client of this.clients) client.terminate();
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  fill() {
    const empty = this.scenario === 'empty';
    const end = Math.floor(now());
    const points = { succeeded: [], failed: [], retried: [], received: [], running: [], ready: [] };
    let ready = 4;
    for (let i = 0; i < 900; i += 1) {
      const blind = empty ? i < 895 : i < 120 || (i > 470 && i < 520);
      const wave = 18 + 5 * Math.sin(i / 70) + 2 * Math.sin(i / 11);
      const trouble = this.scenario === 'trouble' && i > 640;
      ready = Math.max(0, trouble ? ready + 7 * this.random() : ready * 0.9 + this.random() * 3);
      const row = empty
        ? [0, 0, 0, 0, 0, 0]
        : [
            Math.round((trouble ? 3 : wave) * (0.7 + 0.6 * this.random()) * this.rate),
            this.random() < (trouble ? 0.7 : 0.05) ? 1 + Math.floor(this.random() * (trouble ? 4 : 2)) : 0,
            this.random() < 0.12 ? 1 : 0,
            Math.round(wave),
            trouble ? 8 : Math.round(3 + 4 * this.random()),
            Math.round(ready),
          ];
      Object.keys(points).forEach((name, index) => points[name].push(blind ? null : row[index]));
    }
    this.backlog = Math.round(ready);
    this.series = { step: 1, from: end - 899, points };
    if (empty) return;
    for (let i = 60; i > 0; i -= 1) this.newTask(now() - i * 0.7, true);
    for (let i = 24; i > 0; i -= 1) this.newSubmission(now() - i * 11 - 3);
  }

  newSubmission(at) {
    const [subreddit, title] = this.pick(TITLES);
    const id = Math.floor(this.random() * 36 ** 6).toString(36).padStart(6, '0');
    const row = {
      fullname: `t3_${id}`,
      subreddit,
      title,
      author: this.pick(['quiet_meadow', 'two_cores', 'umbellifer', 'night_shift', 'parsnip_42']),
      score: Math.floor(this.random() ** 4 * 18_000),
      num_comments: Math.floor(this.random() ** 2 * 300),
      permalink: `/r/${subreddit}/comments/${id}/${title.toLowerCase().replace(/[^a-z0-9]+/g, '_').slice(0, 40)}/`,
      created: at - 40 - this.random() * 4000,
      fetched: at,
      source: this.scenario === 'reddit' ? 'api' : 'simulator',
      simulated: this.scenario !== 'reddit',
    };
    this.submissions = [row, ...this.submissions].slice(0, 30);
    return row;
  }

  newTask(at, over, name, kwargs) {
    const trouble = this.scenario === 'trouble';
    const kind = name ?? this.pick(['reddit.fetch_submission', 'reddit.fetch_submission', 'reddit.fetch_submission', 'reddit.discover', 'add', 'sleep', 'flaky']);
    const subreddit = this.pick(['programming', 'cpp', 'rust']);
    const args = {
      'reddit.fetch_submission': ['()', `{'url': 'https://www.reddit.com/r/${subreddit}/comments/1${Math.floor(this.random() * 36 ** 5).toString(36)}/'}`],
      'reddit.discover': ['()', `{'subreddit': '${subreddit}'}`],
      add: [`(${Math.floor(this.random() * 90)}, ${Math.floor(this.random() * 90)})`, '{}'],
      sleep: ['()', "{'seconds': 4}"],
      flaky: ['()', "{'rate': 0.3}"],
    }[kind] ?? ['()', JSON.stringify(kwargs ?? {}).replaceAll('"', "'")];
    const luck = this.random();
    const bad = kind === 'flaky' ? luck < 0.5 : luck < (trouble ? 0.3 : 0.02);
    const length = kind === 'sleep' ? 4 + 20 * this.random() : 0.02 + this.random() ** 3 * 1.4;
    const task = {
      id: randomUUID(),
      name: kind,
      state: 'STARTED',
      args: args[0],
      kwargs: args[1],
      worker: this.pick(trouble ? ['w1@meadow'] : ['w1@meadow', 'w2@meadow']),
      queue: kind.startsWith('reddit.') ? 'reddit' : 'umbel',
      received: at,
      started: at + 0.004,
      finished: null,
      runtime: null,
      result: null,
      exception: null,
      retries: 0,
      ends: at + length,
      bad,
    };
    this.tasks.set(task.id, task);
    this.counts.received += 1;
    if (over) {
      task.ends = Math.min(task.ends, now());
      this.finish(task);
    }
    return task;
  }

  finish(task) {
    task.finished = task.ends;
    task.runtime = round(task.ends - task.started, 6);
    if (task.bad && task.name === 'flaky') {
      task.state = 'RETRY';
      task.retries = 1 + Math.floor(this.random() * 3);
      task.exception = "FlakyError('rate 0.3 came up: trying again in 2 s')";
      this.counts.retried += 1;
    } else if (task.bad) {
      task.state = 'FAILURE';
      task.exception = this.pick([
        "RedditError('429 Too Many Requests: the budget of 100 requests in 60 s is used up, 13 s left')",
        "TimeoutError('no answer from 127.0.0.1:8090 in 10 s')",
      ]);
      this.counts.failed += 1;
    } else {
      task.state = 'SUCCESS';
      task.result = task.name === 'add' ? '42' : task.name === 'reddit.discover' ? '3' : 'None';
      this.counts.succeeded += 1;
    }
  }

  wire(task) {
    const { ends: _ends, bad: _bad, ...row } = task;
    return row;
  }

  truth() {
    if (this.scenario === 'empty') {
      return { level: 'unknown', text: 'No worker has been seen yet.', link: '/workers' };
    }
    if (this.scenario === 'trouble') {
      return {
        level: 'bad',
        text: 'Queue reddit has stood still for 4 min: worker w2@meadow is lost and no other takes from it.',
        link: '/queues',
      };
    }
    return { level: 'ok', text: 'All well. 1,104 tasks/min, 0.3 % failing, oldest wait 2 s.', link: null };
  }

  workers() {
    if (this.scenario === 'empty') return [];
    const trouble = this.scenario === 'trouble';
    const active = [...this.tasks.values()].filter((task) => task.state === 'STARTED');
    return ['w1@meadow', 'w2@meadow'].map((name, index) => ({
      name,
      status: trouble && index === 1 ? 'lost' : 'online',
      active: Math.min(8, active.filter((task) => task.worker === name).length),
      slots: 8,
      stuck: trouble && index === 0 ? 2 : 0,
      processed: 74_115 + index * 203 + Math.floor((this.totals.succeeded - 148_230) / 2),
      loadavg: [0.62, 0.71, 0.55],
      queues: ['reddit', 'umbel'],
      last_seen: trouble && index === 1 ? this.started + 7_190 : now() - this.random() * 1.5,
      sw: index === 0 ? 'umbel 0.1.0' : 'py-celery 5.2.6',
      pool: index === 0 ? 'threads' : 'prefork',
      silent: trouble && index === 0,
    }));
  }

  queues() {
    if (this.scenario === 'empty') return [];
    const trouble = this.scenario === 'trouble';
    return [
      {
        name: 'reddit',
        ready: Math.round(this.backlog),
        delayed: 2,
        unacked: trouble ? 0 : 6,
        consumers: trouble ? 0 : 2,
        oldest_age: trouble ? 243 : this.backlog > 0 ? 0.4 + this.random() : null,
        in_rate: 11.4,
        out_rate: trouble ? 0 : 11.6,
        drain_seconds: trouble || this.backlog < 1 ? null : this.backlog / 11.6,
        why: trouble ? 'no worker takes from it; w2@meadow did until it was lost' : null,
        stalled_since: trouble ? now() - 243 : null,
        oldest_task: null,
      },
      // As RabbitMQ without its management API tells of one.
      { name: 'mail', ready: 3, delayed: null, unacked: null, consumers: 1, oldest_age: null, in_rate: null, out_rate: null, drain_seconds: null, why: null, stalled_since: null, oldest_task: null },
      { name: 'umbel', ready: 0, delayed: 14, unacked: 3, consumers: 2, oldest_age: null, in_rate: 7.2, out_rate: 7.2 },
    ];
  }

  monitor() {
    return {
      lag_seconds: this.scenario === 'empty' ? null : round(0.02 + this.random() * 0.05),
      events_per_second: this.scenario === 'empty' ? 0 : round(55 + this.random() * 8, 1),
      missed_events: this.scenario === 'trouble' ? 37 : 0,
      cut_batches: 0,
      history_shed: this.scenario === 'trouble' ? now() - 4 : null,
      broker_error: this.scenario === 'trouble' ? 'sqlite var/umbel-broker.db: disk I/O error' : null,
      store_error: null,
      history_error: this.scenario === 'trouble' ? 'history is read-only: database or disk is full' : null,
      version: '0.1.0',
    };
  }

  allTotals() {
    const running = [...this.tasks.values()].filter((task) => task.state === 'STARTED').length;
    return { ...this.totals, running, waiting: Math.round(this.backlog), taken: this.scenario === 'well' ? 5 : 0, started_at: this.started };
  }

  schedule() {
    if (this.scenario === 'empty') return [];
    const due = Math.floor(now() / 30) * 30;
    return [
      { name: 'discover-programming', last_due: due, last_task: randomUUID(), last_outcome: 'enqueued', missed: 0 },
      { name: 'discover-cpp', last_due: due - 10, last_task: randomUUID(), last_outcome: 'enqueued', missed: this.scenario === 'trouble' ? 3 : 0 },
    ];
  }

  snapshot() {
    return {
      type: 'snapshot', epoch: this.epoch, seq: this.seq, now: now(),
      truth: this.truth(),
      data_source: { empty: 'none', reddit: 'reddit' }[this.scenario] ?? 'simulated',
      totals: this.allTotals(), monitor: this.monitor(), workers: this.workers(), queues: this.queues(),
      tasks: [...this.tasks.values()].slice(-100).map((task) => this.wire(task)),
      submissions: this.submissions, series: this.series, schedule: this.schedule(),
    };
  }

  add(task) {
    (this.pending.tasks ??= []).push(this.wire(task));
  }

  tick() {
    const at = now();
    for (const task of this.tasks.values()) {
      if (task.state === 'STARTED' && task.ends <= at) {
        this.finish(task);
        this.add(task);
      }
    }
    const running = [...this.tasks.values()].filter((task) => task.state === 'STARTED').length;
    if (this.scenario !== 'empty' && this.random() < 0.35 * this.rate && running < 12) {
      this.add(this.newTask(at, false));
    }
    while (this.tasks.size > 160) this.tasks.delete(this.tasks.keys().next().value);
    if (Object.keys(this.pending).length > 0) this.send(this.pending);
    this.pending = {};
  }

  second() {
    const t = Math.floor(now());
    const empty = this.scenario === 'empty';
    const trouble = this.scenario === 'trouble';
    if (!empty) this.backlog = trouble ? this.backlog + 4 : Math.max(0, this.backlog * 0.9 + this.random() * 3);
    const point = {
      t,
      succeeded: empty ? 0 : Math.round((trouble ? 3 : 20) * (0.8 + 0.4 * this.random()) * this.rate),
      failed: this.counts.failed,
      retried: this.counts.retried,
      received: this.counts.received,
      running: this.allTotals().running,
      ready: Math.round(this.backlog),
    };
    for (const name of Object.keys(this.totals)) this.totals[name] += this.counts[name];
    this.counts = { succeeded: 0, failed: 0, retried: 0, received: 0 };
    for (const [name, values] of Object.entries(this.series.points)) {
      values.push(point[name]);
      values.shift();
    }
    this.series.from += 1;
    Object.assign(this.pending, {
      point, truth: this.truth(), totals: this.allTotals(), monitor: this.monitor(),
      workers: this.workers(), queues: this.queues(), schedule: this.schedule(),
    });
    if (!empty && !trouble && this.random() < 0.15) this.pending.submissions = [this.newSubmission(now())];
  }

  send(sections) {
    this.seq += 1;
    const change = { type: 'change', seq: this.seq, now: now(), ...sections };
    this.history.push(change);
    if (this.history.length > 600) this.history.shift();
    const text = JSON.stringify(change);
    for (const client of this.clients) client.send(text);
  }

  join(client, query) {
    const since = Number(query.get('since') ?? NaN);
    const oldest = this.history[0]?.seq ?? this.seq + 1;
    if (query.get('epoch') === this.epoch && since >= oldest - 1 && since <= this.seq) {
      client.send(JSON.stringify({ type: 'resumed', epoch: this.epoch, seq: this.seq }));
      for (const change of this.history) if (change.seq > since) client.send(JSON.stringify(change));
    } else {
      client.send(JSON.stringify(this.snapshot()));
    }
    client.on('message', (text) => {
      if (JSON.parse(String(text)).type === 'ping') client.send('{"type":"pong"}');
    });
    client.on('close', () => this.clients.delete(client));
    this.clients.add(client);
  }
}

const answerAny = (...asked) => answerTasks(...asked) ?? answer(...asked);

/** Serves `mock` and dist/ on `port`; resolves to the server once it listens. */
export function serve(mock, port, { silent = false } = {}) {
  const server = createServer((request, response) => {
    const { pathname: path, searchParams } = new URL(request.url ?? '/', 'http://mock');
    if (path.startsWith('/api/')) {
      let body = '';
      request.on('data', (part) => (body += part));
      request.on('end', () => {
        const [status, told] = answerAny(mock, request.method, path, searchParams, body === '' ? null : JSON.parse(body)) ?? [404, { error: `nothing at ${path}` }];
        response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(told));
      });
      return;
    }
    if (request.method === 'POST' && path.startsWith('/task/')) {
      let body = '';
      request.on('data', (part) => (body += part));
      request.on('end', () => {
        const task = mock.newTask(now(), false, path.slice('/task/'.length), JSON.parse(body || '{}'));
        mock.add(task);
        response.setHeader('Content-Type', 'application/json');
        response.end(JSON.stringify({ task: { id: task.id, name: task.name, status: 'PENDING' } }));
      });
      return;
    }
    const file = join(dist, normalize(path.startsWith('/assets/') ? path : '/index.html'));
    if (!file.startsWith(dist) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'Content-Type': KINDS[extname(file)] ?? 'application/octet-stream',
      'Content-Security-Policy': POLICY,
      'X-Content-Type-Options': 'nosniff',
    });
    response.end(readFileSync(file));
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const url = new URL(request.url ?? '/', 'http://mock');
    if (url.pathname !== '/api/live') return socket.destroy();
    sockets.handleUpgrade(request, socket, head, (client) => {
      if (!silent) mock.join(client, url.searchParams);
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const port = Number(option('port', '5555'));
  await serve(new Mock({ scenario: option('scenario', 'well'), historyLength: Number(option('history', '20000')) }), port);
  console.log(`http://127.0.0.1:${port}`);
}
