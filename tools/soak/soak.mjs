// Runs a whole stack for a long time under a steady mix of tasks, watches what each program uses,
// and judges whether it stays flat.
//
//   node tools/soak/soak.mjs --minutes 30 --bin build/test/bin --svg docs/images/soak.svg
//
// Exits with 1 if something grew beyond its bound, or was lost, and says what.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { childrenOf, commandOf, floor, median, openThings, processFigures, rise, sizeOf } from './figures.mjs';
import { LiveClient } from './live_client.mjs';
import { picture } from './plot.mjs';

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const HELP = `node tools/soak/soak.mjs [options]

  --minutes N    how long [30]
  --rate N       tasks per second over HTTP [200]
  --pages N      WebSocket clients [20]
  --faults R     share of Reddit's answers that go wrong [0.03]
  --bin DIR      the programs [build/test/bin]
  --csv FILE     the samples, one row for each program and five seconds [soak.csv in the temporary folder, kept]
  --svg FILE     the picture; none without it
  --keep         leave the stack's folder behind

Before the load begins each thread of each program's HTTP server answers once: the first answer of a
thread makes its stack and its buffers real memory (collector/README.md, "Memory"), and left to
chance that would go on for an hour. The simulator's ledger and the collector's live state are kept
small enough to be full within the warm-up.

Flat means: over the time after the warm-up (a third, at most ten minutes), the straight line through
the floor (each minute's least) of a program's own memory rises by no more than 3 % of its median or
3 MiB, that of its threads by no more than 1, of its descriptors by no more than 3. The floor, since an
answer of twenty megabytes is a fault that workers are given now and then: what it takes must go
again, and the table tells the most that it took. What was opened and stayed open is named. Every task that was asked for has ended, no file
of a write-ahead log is above 128 MiB, and each page saw every change in order.`;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '200' },
    pages: { type: 'string', default: '20' },
    faults: { type: 'string', default: '0.03' },
    bin: { type: 'string', default: join(repository, 'build/test/bin') },
    csv: { type: 'string' },
    svg: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const minutes = Number(options.minutes);
const rate = Number(options.rate);
const warmUp = Math.min(minutes / 3, 10);
const SAMPLE = 5000; // ms
const home = mkdtempSync(join(tmpdir(), 'umbel-soak-'));
const csv = createWriteStream(resolve(options.csv ?? `${home}.csv`));
const JUDGED = ['simulator', 'collector', 'worker-1', 'worker-2', 'scheduler', 'umbel up'];
const BOUNDS = { ownShare: 0.03, ownLeast: 3 * 1024, threads: 1, descriptors: 3, wal: 128 * 1024 * 1024 };

// ---------------------------------------------------------------- the stack

async function portIsFree(port) {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

async function freeOffset() {
  for (let offset = 10_000 + ((process.pid * 7) % 20_000); offset < 50_000; offset += 101) {
    const all = await Promise.all([8090, 5555, 9101, 9102, 9201, 9090, 3000].map((port) => portIsFree(port + offset)));
    if (all.every(Boolean)) return offset;
  }
  throw new Error('no free ports');
}

// The repository as `umbel up` wants it, with a schedule of our own.
function source() {
  const folder = join(home, 'source');
  mkdirSync(join(folder, 'scheduler'), { recursive: true });
  for (const name of ['prometheus', 'dashboards']) symlinkSync(join(repository, name), join(folder, name));
  const discover = ['programming', 'cpp', 'linux', 'askreddit', 'technology'].map(
    (name) => `  - {name: reddit-${name}, every: 5s, task: reddit.discover, args: [${name}]}\n`,
  );
  writeFileSync(
    join(folder, 'scheduler/schedule.yaml'),
    `schedules:\n${discover.join('')}  - {name: beat, every: 1s, task: noop}\n`,
  );
  return folder;
}

const offset = await freeOffset();
const port = 5555 + offset;
const up = spawn(
  join(resolve(options.bin), 'umbel'),
  ['up', '--source', source(), '--var', join(home, 'var'), '--port-offset', String(offset)],
  {
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      UMBEL_RATE: '5',
      UMBEL_RATE_LIMIT: '1000000',
      // So that both are full well within the warm-up.
      UMBEL_MAX_TASKS: '10000',
      UMBEL_LEDGER_KEEP: '1000',
      ...faults(Number(options.faults)),
    },
  },
);
let printed = '';
const deaths = [];
for (const stream of [up.stdout, up.stderr]) {
  stream.on('data', (bytes) => {
    const text = bytes.toString();
    deaths.push(...(text.match(/^.* ended with .*$/gm) ?? []));
    printed = (printed + text).slice(-20_000);
  });
}
process.on('exit', () => up.exitCode ?? up.kill('SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

// Every kind of fault that the simulator knows; those that hang do so for two seconds.
function faults(share) {
  return share > 0 ? { UMBEL_FAULTS: `all=${share}`, UMBEL_SLOW: '2', UMBEL_OVERSIZED: '20' } : {};
}

const until = async (what, holds, limit = 90_000) => {
  for (const end = Date.now() + limit; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${what}: not within ${limit / 1000} s\n${printed}`);
};

// ---------------------------------------------------------------- the load

const agent = new Agent({ keepAlive: true, maxSockets: 8 });
function call(method, path, body, how = { port, agent }) {
  return new Promise((done) => {
    const sent = request({ host: '127.0.0.1', ...how, method, path, timeout: 10_000 }, (answer) => {
      let text = '';
      answer.on('data', (bytes) => (text += bytes));
      answer.on('error', () => {}); // one that is cut off says so here, and closes
      answer.on('close', () => done({ status: answer.complete ? answer.statusCode : 0, text }));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', (error) => done({ status: 0, text: error.message }));
    sent.end(body);
  });
}

const load = { asked: 0, refused: 0 };
const open = new Set(); // ids whose end is still to be seen
async function ask(number) {
  const kinds = [
    ['add', { x: number, y: 1 }],
    ['noop', {}],
    ['add', { x: number, y: 0.5 }],
    ['add', { x: -number, y: 1 }],
    number % 20 === 4 ? ['flaky', { rate: 0.3 }] : ['noop', {}],
    number % 100 === 5 ? ['fail', { message: `as asked, number ${number}` }] : ['add', { x: 1, y: number }],
    ['sleep', { seconds: 0.002 }],
  ];
  const [name, args] = kinds[number % kinds.length];
  const { status, text } = await call('POST', `/task/${name}`, JSON.stringify(args));
  if (status !== 200) {
    load.refused += 1;
    return;
  }
  load.asked += 1;
  if (number % 50 === 0) open.add(JSON.parse(text).task.id); // these are asked after
}

// Each connection goes to the thread that has been idle longest, so half as many again as there are
// threads reach all of them; over each way that requests take later, as the allocator's cache of a
// thread keeps what each of them freed.
async function touchThreads() {
  const running = programs();
  const ways = {
    collector: ['/task/noop', '/readyz', '/metrics', '/api/overview'],
    simulator: ['/healthz', '/metrics', '/r/programming/new.json?limit=100', '/r/cpp/new.json?limit=100'],
    scheduler: ['/readyz', '/metrics'],
    'worker-1': ['/readyz', '/metrics'],
    'worker-2': ['/readyz', '/metrics'],
  };
  const ports = { collector: 5555, simulator: 8090, scheduler: 9201, 'worker-1': 9101, 'worker-2': 9102 };
  for (const [name, paths] of Object.entries(ways)) {
    const threads = processFigures(running.get(name))?.threads ?? 0;
    const how = { port: ports[name] + offset, agent: false, headers: { 'User-Agent': 'umbel-soak/1' } };
    for (const path of paths) {
      const asks = path === '/task/noop';
      let left = 1.5 * threads;
      const touch = async () => {
        while (left-- > 0) {
          const { status } = await call(asks ? 'POST' : 'GET', path, asks ? '{}' : undefined, how);
          if (asks && status === 200) load.asked += 1;
        }
      };
      // Several at a time: some of the simulator's answers hang.
      await Promise.all(Array.from({ length: 8 }, touch));
    }
  }
}

let asking = true;
async function keepAsking() {
  const begin = Date.now();
  let number = 0;
  while (asking) {
    const due = ((Date.now() - begin) * rate) / 1000;
    // What could not be asked in time is not made up for.
    if (due - number > rate) number = Math.floor(due - rate);
    while (number < due) void ask(number++);
    await new Promise((done) => setTimeout(done, 10));
  }
}

async function keepLookingAfter() {
  while (asking || open.size > 0) {
    for (const id of [...open].slice(0, 50)) {
      const { status, text } = await call('GET', `/task/status/${id}`);
      if (status === 200 && ['SUCCESS', 'FAILURE'].includes(JSON.parse(text).status)) open.delete(id);
    }
    await new Promise((done) => setTimeout(done, 200));
  }
}

// ---------------------------------------------------------------- the samples

function programs() {
  const found = new Map([['umbel up', up.pid]]);
  for (const pid of childrenOf(up.pid)) {
    const command = commandOf(pid);
    if (!command) continue;
    const worker = command.words.map((word) => /^--hostname=(worker-\d+)/.exec(word)?.[1]).find(Boolean);
    const name = basename(command.program).replace(/^umbel-(reddit-)?/, '');
    found.set(worker ?? name, pid);
  }
  return found;
}

const series = new Map(); // program -> [{ at, rss, own, threads, descriptors }]
const stack = []; // one for each sample
const files = {
  broker: 'umbel-broker.db',
  store: 'umbel.db',
  history: 'history',
  logs: 'log',
  ledger: 'simulator-ledger.log',
};
csv.write('minutes,what,rss_kib,own_kib,threads,descriptors,succeeded,failed,waiting,lag_seconds,broker_bytes,store_bytes,history_bytes,log_bytes,wal_bytes,page_messages\n');

async function sample(at) {
  for (const [name, pid] of programs()) {
    const figures = processFigures(pid);
    if (!figures) continue;
    if (!series.has(name)) series.set(name, []);
    series.get(name).push({ at, ...figures });
    csv.write(`${at.toFixed(3)},${name},${figures.rss},${figures.own},${figures.threads},${figures.descriptors},,,,,,,,,,\n`);
  }
  const { status, text } = await call('GET', '/api/overview');
  if (status !== 200) return;
  const { totals, monitor } = JSON.parse(text);
  const size = Object.fromEntries(Object.entries(files).map(([name, path]) => [name, sizeOf(join(home, 'var', path))]));
  const wal = Math.max(...['umbel-broker.db-wal', 'umbel.db-wal'].map((name) => sizeOf(join(home, 'var', name))));
  const messages = pages.reduce((sum, page) => sum + page.messages, 0);
  const row = { at, done: totals.succeeded + totals.failed, waiting: totals.waiting, lag: monitor.lag_seconds ?? 0, wal, messages, ...size };
  stack.push(row);
  csv.write(
    `${at.toFixed(3)},stack,,,,,${totals.succeeded},${totals.failed},${totals.waiting},${row.lag},${size.broker},${size.store},${size.history},${size.logs},${wal},${messages}\n`,
  );
}

// ---------------------------------------------------------------- the run

console.log(`${minutes} minutes at ${rate} tasks/s, ${options.pages} pages; in ${home}, samples in ${csv.path}`);
await until('the stack is up', () => printed.includes('Ctrl-C stops everything') || up.exitCode !== null);
if (up.exitCode !== null) throw new Error(`umbel up ended\n${printed}`);
const pages = Array.from({ length: Number(options.pages) }, () => new LiveClient(port));
await touchThreads();
const began = Date.now();
const asked = keepAsking();
const lookedAfter = keepLookingAfter();
let openAtFirst = new Map(); // program -> what it had open when the warm-up was over
const whatIsOpen = () => new Map([...programs()].map(([name, pid]) => [name, openThings(pid)]));
while (Date.now() - began < minutes * 60_000 && up.exitCode === null) {
  await sample((Date.now() - began) / 60_000);
  if (openAtFirst.size === 0 && Date.now() - began >= warmUp * 60_000) openAtFirst = whatIsOpen();
  await new Promise((done) => setTimeout(done, SAMPLE));
}
const openAtLast = whatIsOpen();
asking = false;
await asked;
await until('all tasks that were asked for have ended', () => open.size === 0, 120_000).catch(() => {});
await lookedAfter.catch(() => {});
for (const page of pages) page.close();

// ---------------------------------------------------------------- the verdict

const complaints = [];
const after = (samples) => samples.filter(({ at }) => at >= warmUp);
console.log(`\n${'program'.padEnd(12)} ${'own MiB'.padStart(9)} ${'rise'.padStart(8)} ${'most'.padStart(8)} ${'threads'.padStart(8)} ${'rise'.padStart(6)} ${'fds'.padStart(6)} ${'rise'.padStart(6)}`);
for (const name of JUDGED) {
  const samples = after(series.get(name) ?? []);
  if (samples.length < 3) {
    complaints.push(`${name}: only ${samples.length} samples`);
    continue;
  }
  const line = (key) => rise(floor(samples.map((each) => [each.at, each[key]]), 1));
  const own = median(samples.map((each) => each.own));
  const [ownRise, threads, descriptors] = ['own', 'threads', 'descriptors'].map(line);
  console.log(
    `${name.padEnd(12)} ${(own / 1024).toFixed(1).padStart(9)} ${(ownRise / 1024).toFixed(2).padStart(8)} ` +
      `${(Math.max(...samples.map((each) => each.own)) / 1024).toFixed(1).padStart(8)} ` +
      `${String(median(samples.map((each) => each.threads))).padStart(8)} ${threads.toFixed(2).padStart(6)} ` +
      `${String(median(samples.map((each) => each.descriptors))).padStart(6)} ${descriptors.toFixed(2).padStart(6)}`,
  );
  const most = Math.max(BOUNDS.ownLeast, own * BOUNDS.ownShare);
  if (ownRise > most) complaints.push(`${name}: memory rose by ${(ownRise / 1024).toFixed(1)} MiB, at most ${(most / 1024).toFixed(1)} is flat`);
  if (threads > BOUNDS.threads) complaints.push(`${name}: threads rose by ${threads.toFixed(1)}`);
  if (descriptors > BOUNDS.descriptors) complaints.push(`${name}: descriptors rose by ${descriptors.toFixed(1)}`);
}
for (const [name, before] of openAtFirst) {
  const stayed = [...(openAtLast.get(name) ?? [])].map(([target, count]) => [target, count - (before.get(target) ?? 0)]).filter(([, more]) => more > 0);
  if (stayed.length > 0) console.log(`${name} opened, and has at the end: ${stayed.map(([target, more]) => `${more} ${target.replace(home, '')}`).join(', ')}`);
}
const last = stack.at(-1);
const megabytes = (bytes) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
console.log(
  `\nasked ${load.asked}, refused ${load.refused}, ended ${last?.done}; broker ${megabytes(last?.broker)}, store ${megabytes(last?.store)}, ` +
    `history ${megabytes(last?.history)}, logs ${megabytes(last?.logs)}, largest log ahead ${megabytes(Math.max(...stack.map(({ wal }) => wal)))}`,
);
const disorder = pages.reduce((sum, page) => sum + page.disorder, 0);
const connects = pages.reduce((sum, page) => sum + page.connects, 0);
console.log(`pages: ${last?.messages} messages, ${connects} connections, ${disorder} out of order`);
if (up.exitCode !== null) complaints.push('umbel up ended by itself');
if (deaths.length > 0) complaints.push(`programs died: ${deaths.join('; ')}`);
if (open.size > 0) complaints.push(`${open.size} of the tasks asked after have not ended, ${[...open][0]} among them`);
if (load.refused > load.asked / 1000) complaints.push(`${load.refused} requests were refused`);
if (disorder > 0) complaints.push(`${disorder} changes reached a page out of order`);
if (stack.some(({ wal }) => wal > BOUNDS.wal)) complaints.push('a write-ahead log is above its bound');

if (options.svg) {
  const lines = (key, factor) =>
    JUDGED.filter((name) => series.has(name)).map((name) => ({ name, points: series.get(name).map((each) => [each.at, each[key] * factor]) }));
  const speed = stack.slice(1).map((each, i) => [each.at, (each.done - stack[i].done) / ((each.at - stack[i].at) * 60)]);
  writeFileSync(
    resolve(options.svg),
    picture({
      title: `${minutes} minutes of a whole stack`,
      subtitle: `${rate} tasks/s over HTTP, Reddit discovery with ${Number(options.faults) * 100} % faults, ${options.pages} pages open; minutes; grey: warm-up, not judged`,
      warmUp,
      panels: [
        { title: 'Memory of its own', unit: 'MiB', series: lines('own', 1 / 1024) },
        { title: 'Threads', unit: '', series: lines('threads', 1) },
        { title: 'Descriptors', unit: '', series: lines('descriptors', 1) },
        { title: 'Tasks ended', unit: 'per second', series: [{ name: 'all programs', points: speed }] },
      ],
    }),
  );
}

const ended = once(up, 'exit');
up.kill('SIGTERM');
const late = setTimeout(() => {
  complaints.push('umbel up did not stop within 15 s');
  up.kill('SIGKILL');
}, 15_000);
await ended;
clearTimeout(late);
csv.end();
if (!options.keep) rmSync(home, { recursive: true, force: true });
for (const complaint of complaints) console.log(`NOT FLAT: ${complaint}`);
console.log(complaints.length === 0 ? 'Flat.' : '');
process.exit(complaints.length === 0 ? 0 : 1);
