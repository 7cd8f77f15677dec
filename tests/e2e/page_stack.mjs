// A whole stack for tests of the page: simulator, collector, worker and scheduler, each a process of
// its own on a free port, all in a temporary folder, and the browser that looks at them.
//
// UMBEL_BIN_DIR: the programs; UMBEL_SCREENSHOTS: folder for pictures; UMBEL_CHROMIUM: the browser.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const fromPage = createRequire(join(repository, 'collector/web/package.json'));
const { chromium } = fromPage('playwright-core');
const axe = readFileSync(fromPage.resolve('axe-core/axe.min.js'), 'utf8');

const bin = resolve(process.env.UMBEL_BIN_DIR ?? join(repository, 'build/dev/bin'));
export const pictures = resolve(process.env.UMBEL_SCREENSHOTS ?? join(bin, '..', 'screenshots'));
export const LIMIT = 60_000;

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves to what `probe` finds, as soon as it finds something. */
export async function until(what, probe, limit = LIMIT) {
  const end = Date.now() + limit;
  let last;
  while (Date.now() < end) {
    try {
      const found = await probe();
      if (found) return found;
      last = undefined;
    } catch (error) {
      last = error;
    }
    // Between looks, not instead of one.
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${what}: not within ${limit / 1000} s${last ? ` (${last.message})` : ''}`);
}

export async function step(name, body) {
  const began = Date.now();
  await body();
  console.log(`ok    ${name} (${Date.now() - began} ms)`);
}

export class Stack {
  #running = new Map();
  #programs;

  /** `schedule`: the text of the cron file; `more`: further flags of a program, by its name here. */
  static async make(schedule, more = {}) {
    const ports = {};
    for (const name of ['simulator', 'collector', 'worker', 'helper', 'scheduler']) ports[name] = await freePort();
    return new Stack(ports, schedule, more);
  }

  constructor(ports, schedule, more) {
    this.home = mkdtempSync(join(tmpdir(), 'umbel-page-'));
    this.base = `http://127.0.0.1:${ports.collector}`;
    this.schedule = join(this.home, 'schedule.yaml');
    writeFileSync(this.schedule, schedule);
    const shared = ['--broker', `sqlite:${this.home}/broker.db`, '--store', `sqlite:${this.home}/store.db`];
    const reddit = [
      '--reddit-token-url', `http://127.0.0.1:${ports.simulator}/api/v1/access_token`,
      '--reddit-api-url', `http://127.0.0.1:${ports.simulator}`,
      '--reddit-client-id', 'page', '--reddit-client-secret', 'test', '--reddit-simulated',
    ];
    const worker = ['umbel-worker', ...shared, ...reddit, '--concurrency', '4', '--stuck-after', '1'];
    this.#programs = {
      simulator: ['umbel-reddit-simulator', '--port', ports.simulator, '--rate', '3', '--history', '60'],
      collector: ['umbel-collector', ...shared, '--port', ports.collector],
      worker: [...worker, '--metrics-port', ports.worker, '--hostname', 'w1@meadow'],
      helper: [...worker, '--metrics-port', ports.helper, '--hostname', 'w2@meadow', '--queues', 'stranded'],
      scheduler: ['umbel-scheduler', ...shared, '--metrics-port', ports.scheduler, '--schedule', this.schedule],
    };
    for (const [name, flags] of Object.entries(more)) this.#programs[name].push(...flags);
  }

  start(name) {
    const [program, ...flags] = this.#programs[name];
    const log = openSync(join(this.home, `${name}.log`), 'a');
    const child = spawn(join(bin, program), flags.map(String), { cwd: this.home, stdio: ['ignore', log, log] });
    closeSync(log);
    child.on('error', (error) => console.log(`${program}: ${error.message}`));
    this.#running.set(name, child);
    return child;
  }

  async stop(name, signal = 'SIGTERM') {
    const child = this.#running.get(name);
    this.#running.delete(name);
    if (child === undefined || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    // A limit, not a wait: what is waited for is the end of the program.
    const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(late);
  }

  async stopAll() {
    for (const name of ['scheduler', 'helper', 'worker', 'collector', 'simulator']) await this.stop(name);
    rmSync(this.home, { recursive: true, force: true });
  }

  ready() {
    return until('collector is ready', async () => (await fetch(`${this.base}/readyz`)).ok);
  }

  /** What the collector answers to a GET; anything but 200 throws. */
  async get(path) {
    const answer = await fetch(`${this.base}${path}`);
    const text = await answer.text();
    assert.equal(answer.status, 200, `GET ${path}: ${text}`);
    return JSON.parse(text);
  }

  async post(path, body) {
    const answer = await fetch(`${this.base}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    assert.equal(answer.status, 200, `POST ${path}: ${text}`);
    return JSON.parse(text);
  }

  async enqueue(name, args) {
    return (await this.post(`/task/${name}`, args)).task.id;
  }

  /** The last lines of each program's log, for when something did not hold. */
  lastWords() {
    return Object.keys(this.#programs)
      .map((name) => {
        try {
          return `----- ${name}\n${readFileSync(join(this.home, `${name}.log`), 'utf8').trimEnd().split('\n').slice(-8).join('\n')}`;
        } catch {
          return `----- ${name} wrote nothing`;
        }
      })
      .join('\n');
  }
}

export class Browser {
  /** What the browser complained of: the console, exceptions, the policy. */
  problems = [];
  #browser;

  async open() {
    mkdirSync(pictures, { recursive: true });
    this.#browser = await chromium.launch({
      executablePath: process.env.UMBEL_CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
        '--disable-background-networking', '--disable-component-update', '--disable-sync',
      ],
    });
  }

  close() {
    return this.#browser?.close();
  }

  /**
   * A page that reports what the browser complains of; `watch.quiet` turns that off for a while, as
   * does a path in `watch.refused` for what the API refuses (401, 403, 404) there and below.
   */
  async page(options) {
    const context = await this.#browser.newContext(options);
    const page = await context.newPage();
    const watch = { quiet: false, refused: new Set() };
    page.on('console', (message) => {
      if (message.type() !== 'error' || watch.quiet) return;
      const { url } = message.location();
      // The console speaks of the address that was asked for, a moment after the page has its answer.
      const asked = URL.canParse(url) ? new URL(url).pathname : '';
      const expected = / 40[134] /.test(message.text()) && [...watch.refused].some((path) => `${asked}/`.startsWith(`${path}/`));
      if (!expected) this.problems.push(`console: ${message.text()} (${url}, on ${page.url()})`);
    });
    page.on('pageerror', (error) => this.problems.push(`exception: ${error.message}`));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) =>
        console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
      );
    });
    page.setDefaultTimeout(LIMIT);
    return { context, page, watch };
  }

  /** What is on screen, for when something did not hold. */
  async failure() {
    const shown = this.#browser?.contexts().flatMap((context) => context.pages())[0];
    const path = join(pictures, 'failure.png');
    await shown?.screenshot({ path }).then(() => console.log(`      what was shown: ${path}`), () => {});
  }
}

export const overflow = (page) =>
  page.evaluate(() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth);

/** Nothing sticks out, nothing is hard to read or without a name; as the page is at rest. */
export async function judge(page, colorScheme) {
  const wide = await overflow(page);
  assert.ok(wide <= 0, `${page.url()}: ${wide} px too wide`);
  // New rows are tinted for a moment; what is judged is the page at rest.
  await page.emulateMedia({ reducedMotion: 'reduce', colorScheme });
  const found = await page.evaluate(`${axe}; axe.run({ runOnly: ['wcag2a', 'wcag2aa'] })`);
  const said = found.violations.map(
    (each) => `${page.url()}: ${each.id}: ${each.help}: ${each.nodes.map((node) => `${node.target} ${node.failureSummary}`).slice(0, 3).join(' | ')}`,
  );
  assert.deepEqual(said, []);
  assert.ok(found.passes.some((each) => each.id === 'color-contrast'), 'no contrast was looked at');
}

/** Runs `body`; says what did not hold, with the browser's complaints and the programs' last words. */
export async function within(stack, browser, body) {
  try {
    await body();
    assert.deepEqual(browser.problems, [], 'the browser complained');
    console.log(`all held; pictures in ${pictures}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAIL  ${error.message}`);
    if (error.code !== 'ERR_ASSERTION') console.log(error.stack);
    for (const problem of browser.problems) console.log(`      ${problem}`);
    await browser.failure();
    console.log(stack.lastWords());
  } finally {
    await browser.close();
    await stack.stopAll();
  }
}
