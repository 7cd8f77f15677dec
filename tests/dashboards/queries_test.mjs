// Every query of every board against a real Prometheus, fed by a stack of real programs: each answers with numbers, and those that read
// counters answer something else once tasks have run.
//
//   UMBEL_BIN_DIR=build/dev/bin node tests/dashboards/queries_test.mjs
//
// What is expected of a query follows from what it reads, after recording rules are written out:
// - all of them: at least one series, each of whose values is a number somewhere (a percentile of nothing is none);
// - one that reads a counter or a histogram: each selector's count rises while tasks run, succeed, fail and retry, and the answer differs
//   from the one before them. Exempt are counts of trouble, by the family's name or the outcome chosen: a stack that is well does not move them, and
//   they have to be there, at zero, all the same.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { boards, families, queries, repository, selectors } from './boards.mjs';

const TROUBLE = /_(errors|missed|dropped|cut|shed|blind|folded|turned_away|superseded|duplicate|redelivered|postponed|clock_steps|closed_from_results|forgotten|stream_full)(_|$|\{)|"missed"/;
const LIMIT = Number(process.env.UMBEL_DASHBOARDS_LIMIT ?? 90) * 1000;

const bin = resolve(process.env.UMBEL_BIN_DIR ?? join(repository, 'build/dev/bin'));
const home = mkdtempSync(join(tmpdir(), 'umbel-dashboards-'));
const running = [];

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const ports = {};
for (const name of ['simulator', 'collector', 'worker', 'scheduler', 'prometheus']) ports[name] = await freePort();
const page = `http://127.0.0.1:${ports.collector}`;
const shared = ['--broker', `sqlite:${home}/broker.db`, '--store', `sqlite:${home}/store.db`];

function start(name, program, flags) {
  const log = openSync(join(home, `${name}.log`), 'a');
  const child = spawn(program, flags.map(String), { cwd: home, stdio: ['ignore', log, log] });
  closeSync(log);
  child.on('error', (error) => console.log(`${name}: ${error.message}`));
  running.push({ name, child });
}

async function stopAll() {
  for (const { child } of running.reverse()) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    // The end itself is waited for; this is the limit of it.
    const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(late);
  }
}

async function until(what, probe, limit = LIMIT) {
  const end = Date.now() + limit;
  let last = '';
  while (Date.now() < end) {
    try {
      const found = await probe();
      if (found) return found;
    } catch (error) {
      last = ` (${error.message})`;
    }
    // Between two looks, up to the limit: another program's readiness sends no event.
    await new Promise((done) => setTimeout(done, 250));
  }
  throw new Error(`${what}: not within ${limit / 1000} s${last}`);
}

async function prometheus(path, parameters = {}) {
  const answer = await fetch(`http://127.0.0.1:${ports.prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const told = await answer.json();
  if (told.status !== 'success') throw new Error(told.error);
  return told.data;
}

/** An instant query's answer: series to number, without what is no number. */
async function ask(expr) {
  const { result } = await prometheus('query', { query: expr });
  return new Map(
    result.map(({ metric, value }) => [JSON.stringify(metric), Number(value[1])]).filter(([, value]) => Number.isFinite(value)),
  );
}

const total = async (selector) => [...(await ask(`sum(${selector})`)).values()][0];

async function enqueue(name, args) {
  const answer = await fetch(`${page}/task/${name}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(args),
  });
  assert.equal(answer.status, 200, `POST /task/${name}: ${await answer.text()}`);
}

// ---------------------------------------------------------------- the stack

// The repository's own configuration and rules, looked at every second instead of every five.
writeFileSync(
  join(home, 'prometheus.yml'),
  readFileSync(join(repository, 'prometheus/prometheus.yml'), 'utf8')
    .replace('http://collector:5555', page)
    .replace('prometheus:9090', `127.0.0.1:${ports.prometheus}`)
    .replace('/etc/prometheus/rules', join(repository, 'prometheus/rules'))
    .replaceAll(/(_interval): \d+s/g, '$1: 1s'),
);
writeFileSync(
  join(home, 'schedule.yaml'),
  'schedules:\n' +
    ['programming', 'cpp'].map((name) => `  - {name: reddit-${name}, every: 2s, task: reddit.discover, args: [${name}]}\n`).join(''),
);

function startAll() {
  start('simulator', join(bin, 'umbel-reddit-simulator'), ['--port', ports.simulator, '--rate', 3, '--history', 60, '--faults', '503=0.15']);
  start('collector', join(bin, 'umbel-collector'), [
    ...shared, '--port', ports.collector, '--static-targets',
    `collector=127.0.0.1:${ports.collector},scheduler=127.0.0.1:${ports.scheduler},simulator=127.0.0.1:${ports.simulator}`,
  ]);
  start('worker', join(bin, 'umbel-worker'), [
    ...shared, '--metrics-port', ports.worker, '--hostname', 'w1@meadow', '--concurrency', 4,
    '--reddit-token-url', `http://127.0.0.1:${ports.simulator}/api/v1/access_token`,
    '--reddit-api-url', `http://127.0.0.1:${ports.simulator}`,
    '--reddit-client-id', 'boards', '--reddit-client-secret', 'test', '--reddit-simulated',
  ]);
  start('prometheus', 'prometheus', [
    `--config.file=${home}/prometheus.yml`, `--storage.tsdb.path=${home}/tsdb`, `--web.listen-address=127.0.0.1:${ports.prometheus}`,
    '--log.level=warn',
  ]);
}

const startScheduler = () =>
  start('scheduler', join(bin, 'umbel-scheduler'), [...shared, '--metrics-port', ports.scheduler, '--schedule', join(home, 'schedule.yaml')]);

// ---------------------------------------------------------------- what is expected

/** Whether a series is of a family that only rises. */
const rising = (() => {
  const kinds = families();
  return (selector) => {
    const name = selector.replace(/\{.*/s, '');
    return kinds.get(name) === 'counter' || kinds.get(name.replace(/_(bucket|sum|count)$/, '')) === 'histogram';
  };
})();

/** What an expression reads in the end: recording rules written out, the variables of a board chosen as `All`. */
async function reader() {
  const told = await prometheus('rules', { type: 'record' });
  const recorded = new Map(told.groups.flatMap((group) => group.rules).map((rule) => [rule.name, rule.query]));
  const raw = (expr) =>
    selectors(expr).flatMap((each) => {
      const name = each.replace(/\{.*/s, '');
      return recorded.has(name) ? raw(recorded.get(name)) : [each];
    });
  return (expr) => [...new Set(raw(expr))];
}

/** A board's query as Grafana would send it with every variable on `All`. */
const chosen = (expr) => expr.replaceAll('$__rate_interval', '20s').replace(/\$\{?(task|queue|worker|schedule|subreddit)\}?/g, '.*');

const sameAnswer = (one, other) => one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);

/** What is wrong with a query now; empty when nothing is. */
async function wrong(query) {
  const now = await ask(query.expr);
  if (now.size === 0) return 'no answer that is a number';
  for (const { selector, before } of query.counters) {
    const after = await total(selector);
    if (after === undefined) return `${selector} is not there`;
    if (!TROUBLE.test(selector) && !(after > (before ?? 0))) return `${selector} has not risen from ${before ?? 'nothing'}`;
    if (after > (before ?? 0) && sameAnswer(query.before, now)) return `${selector} rose from ${before} to ${after}, and the answer is the same`;
  }
  return '';
}

async function run() {
  const began = Date.now();
  startAll();
  await until('the collector is ready', async () => (await fetch(`${page}/readyz`)).ok);
  await until('Prometheus sees the worker', async () => (await ask('sum(up{job="umbel", program="worker"})')).size > 0);
  await until('the rules were evaluated', async () => (await ask('sum(umbel:queue_ready:current)')).size > 0);
  const reads = await reader();

  // Before anything has run.
  const all = queries().map((query) => ({ ...query, expr: chosen(query.expr) }));
  for (const query of all) {
    query.before = await ask(query.expr);
    query.counters = [];
    for (const selector of reads(query.expr).filter(rising)) query.counters.push({ selector, before: await total(selector) });
  }

  startScheduler();
  for (let i = 0; i < 5; ++i) await enqueue('fail', { message: `for the boards, ${i}` });
  for (let i = 0; i < 5; ++i) await enqueue('flaky', { rate: 0.7 });
  await enqueue('add', { x: 1, y: 2 });
  await enqueue('sleep', { seconds: 2 });

  return { began, all };
}

try {
  const { all, began } = await run();
  let open = all.map((query) => ({ query, why: 'not asked yet' }));
  const end = Date.now() + LIMIT;
  while (open.length > 0 && Date.now() < end) {
    for (const each of open) each.why = await wrong(each.query);
    open = open.filter(({ why }) => why !== '');
    // Between two looks, up to LIMIT: Prometheus tells nobody that it has scraped.
    if (open.length > 0) await new Promise((done) => setTimeout(done, 500));
  }
  for (const { query, why } of open) console.log(`FAIL  ${query.where}: ${why}\n      ${query.expr}`);
  const moving = all.filter(({ counters }) => counters.length > 0).length;
  assert.ok(moving > all.length / 3, `only ${moving} of ${all.length} queries read counters: they were not recognised`);

  // What a variable offers, and the annotations, which are answered by nothing while no alert fires.
  for (const { name, board } of boards()) {
    for (const { name: variable, query } of board.templating.list.filter(({ type }) => type === 'query')) {
      const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(query.query);
      const values = await prometheus(`label/${label}/values`, { 'match[]': metric });
      assert.notEqual(values.length, 0, `${name}: $${variable} offers nothing`);
    }
    for (const { expr } of board.annotations.list) await ask(expr);
  }
  assert.equal(open.length, 0, `${open.length} of ${all.length} queries`);
  console.log(`ok    ${all.length} queries of ${boards().length} boards, ${moving} of them over counters (${Math.round((Date.now() - began) / 100) / 10} s)`);
} catch (error) {
  process.exitCode = 1;
  console.log(`FAIL  ${error.code === 'ERR_ASSERTION' ? error.message : error.stack}`);
  for (const { name } of running) {
    const lines = readFileSync(join(home, `${name}.log`), 'utf8').trimEnd().split('\n').slice(-5);
    console.log(`----- ${name}\n${lines.join('\n')}`);
  }
} finally {
  await stopAll();
  rmSync(home, { recursive: true, force: true });
}
