// The page in a real browser over a real stack: simulator, collector, worker and scheduler, each a
// process of its own on a free port, all in a temporary folder, all ended with the test.
//
//   UMBEL_BIN_DIR=build/dev/bin node tests/e2e/page_test.mjs
//
// UMBEL_SCREENSHOTS: folder for pictures; UMBEL_CHROMIUM: the browser. Exits with 1 and says what
// did not hold.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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
const pictures = resolve(process.env.UMBEL_SCREENSHOTS ?? join(bin, '..', 'screenshots'));
const executablePath = process.env.UMBEL_CHROMIUM ?? '/usr/bin/chromium';
const LIMIT = 60_000;

const home = mkdtempSync(join(tmpdir(), 'umbel-page-'));
const running = new Map();

// ---------------------------------------------------------------- the stack

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const ports = {};
for (const name of ['simulator', 'collector', 'worker', 'scheduler']) ports[name] = await freePort();
const base = `http://127.0.0.1:${ports.collector}`;
const shared = ['--broker', `sqlite:${home}/broker.db`, '--store', `sqlite:${home}/store.db`];
const schedule = join(home, 'schedule.yaml');
writeFileSync(
  schedule,
  ['programming', 'cpp', 'linux']
    .map((name) => `  - {name: reddit-${name}, every: 4s, task: reddit.discover, args: [${name}]}\n`)
    .reduce((text, line) => text + line, 'schedules:\n'),
);

const PROGRAMS = {
  simulator: ['umbel-reddit-simulator', '--port', ports.simulator, '--rate', '3', '--history', '60'],
  collector: ['umbel-collector', ...shared, '--port', ports.collector],
  worker: [
    'umbel-worker', ...shared, '--metrics-port', ports.worker, '--hostname', 'w1@meadow', '--concurrency', '4',
    '--stuck-after', '1',
    '--reddit-token-url', `http://127.0.0.1:${ports.simulator}/api/v1/access_token`,
    '--reddit-api-url', `http://127.0.0.1:${ports.simulator}`,
    '--reddit-client-id', 'page', '--reddit-client-secret', 'test', '--reddit-simulated',
  ],
  scheduler: ['umbel-scheduler', ...shared, '--metrics-port', ports.scheduler, '--schedule', schedule],
};

function start(name) {
  const [program, ...flags] = PROGRAMS[name];
  const log = openSync(join(home, `${name}.log`), 'a');
  const child = spawn(join(bin, program), flags.map(String), { cwd: home, stdio: ['ignore', log, log] });
  closeSync(log);
  child.on('error', (error) => console.log(`${program}: ${error.message}`));
  running.set(name, child);
  return child;
}

async function stop(name, signal = 'SIGTERM') {
  const child = running.get(name);
  running.delete(name);
  if (child === undefined || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  // A limit, not a wait: what is waited for is the end of the program.
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
  await ended;
  clearTimeout(late);
}

async function until(what, probe, limit = LIMIT) {
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

const ready = () => until('collector is ready', async () => (await fetch(`${base}/readyz`)).ok);

async function enqueue(name, args) {
  const answer = await fetch(`${base}/task/${name}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(args),
  });
  const text = await answer.text();
  assert.equal(answer.status, 200, `POST /task/${name}: ${text}`);
  return JSON.parse(text).task.id;
}

// ---------------------------------------------------------------- the steps

const problems = [];

async function step(name, body) {
  const began = Date.now();
  await body();
  console.log(`ok    ${name} (${Date.now() - began} ms)`);
}

const truth = async () => (await (await fetch(`${base}/api/overview`)).json()).truth;

/** Pictures of a state that does not last, as people with small and large windows see it. */
async function picture(page, name) {
  const before = page.viewportSize();
  await page.evaluate(() => scrollTo(0, 0));
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      assert.ok((await overflow(page)) <= 0, `${name}, ${width} px: ${await overflow(page)} px too wide`);
      await page.screenshot({ path: join(pictures, `${name}-${colorScheme}-${width}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}

/** The store's file with its log, away or back. */
function moveStore(from, to) {
  for (const part of ['-wal', '-shm', '']) {
    try {
      renameSync(join(home, `store.db${from}${part}`), join(home, `store.db${to}${part}`));
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
}

/** A page that reports what the browser complains of; `expected` may turn that off for a while. */
async function openPage(browser, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const watch = { quiet: false };
  page.on('console', (message) => {
    // What the API refuses, or cannot answer while the store is gone, is the page's to tell.
    const refused = message.text().startsWith('Failed to load resource') && message.location().url.includes('/api/');
    if (message.type() === 'error' && !watch.quiet && !refused) problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`exception: ${error.message}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  page.setDefaultTimeout(LIMIT);
  return { context, page, watch };
}

const row = (id) => `#tasks [data-task="${id}"]`;
const overflow = (page) => page.evaluate(() => document.scrollingElement.scrollWidth - document.documentElement.clientWidth);

async function run(browser) {
  const { context, page, watch } = await openPage(browser, { viewport: { width: 1280, height: 900 } });

  await step('the page loads under its policy', async () => {
    const answer = await page.goto(base);
    assert.equal(answer.status(), 200);
    const policy = answer.headers()['content-security-policy'] ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval/);
    await page.locator('#truth').waitFor();
    await page.evaluate(() => (window.notReloaded = true));
  });

  await step('workers, queues, tasks, submissions and schedule are those of the stack', async () => {
    await page.locator('#workers [data-worker="w1@meadow"]').waitFor();
    await page.locator('#queues [data-queue="reddit"]').waitFor();
    await page.locator('#tasks [data-task][data-state="succeeded"]').first().waitFor();
    await page.locator('#submissions [data-submission]').first().waitFor();
    await page.locator('#schedule [data-schedule="reddit-cpp"]').waitFor();
    assert.match(await page.locator('#workers [data-worker]').innerText(), /online[\s\S]*of 4/);
    const id = await page.locator('#tasks [data-task]').first().getAttribute('data-task');
    const told = await (await fetch(`${base}/api/task/info/${id}`)).json();
    assert.equal(told.uuid, id);
    // Both go on while they are compared: at a start more may come between two looks than either shows.
    await until('the newest submission on the page is in /api/overview', async () => {
      const first = await page.locator('#submissions [data-submission]').first().getAttribute('data-submission');
      const overview = await (await fetch(`${base}/api/overview`)).json();
      return overview.submissions.some((each) => each.fullname === first);
    });
    assert.notEqual((await page.locator('#truth').innerText()).trim(), '');
  });

  await step('simulated submissions are called so, and lead nowhere', async () => {
    await page.getByText('Simulated data').waitFor();
    const list = page.locator('#submissions [data-submission]');
    const rows = await list.count();
    assert.equal(await page.locator('#submissions [data-simulated="true"]').count(), rows);
    assert.equal(await list.getByText('simulated', { exact: true }).count(), rows);
    assert.equal(await page.locator('#submissions a').count(), 0);
  });

  await step('the charts are drawn', async () => {
    for (const id of ['chart-finished', 'chart-load']) {
      const painted = await page.locator(`#${id} canvas`).evaluate((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value) => value !== 0);
      });
      assert.ok(painted, `${id} is empty`);
    }
    await page.locator('#chart-finished .u-over').hover({ position: { x: 120, y: 60 } });
    await page.locator('#chart-finished .readout').waitFor();
    await page.locator('#chart-load .readout').waitFor();
    await page.mouse.move(0, 0);
  });

  const requests = [];
  await step('a change arrives by the stream alone, without any further request', async () => {
    // From here on nothing is loaded but answers of the API: the page is never loaded again.
    page.on('request', (request) => {
      if (!new URL(request.url()).pathname.startsWith('/api/')) requests.push(request.url());
    });
    await page.route('**/*', (route) => route.abort());
    const began = Date.now();
    const id = await enqueue('add', { x: 4_000_000, y: 2 });
    await page.locator(`${row(id)}[data-state="succeeded"]`).waitFor();
    console.log(`      POST to row: ${Date.now() - began} ms`);
    assert.match(await page.locator(row(id)).innerText(), /add[\s\S]*x=4000000, y=2/);
    assert.deepEqual(requests, []);
    await page.unroute('**/*');
  });

  await step('a failed task shows its exception, and opens to all that is known', async () => {
    const id = await enqueue('fail', { message: 'the well is <b>dry</b>' });
    const failed = page.locator(`${row(id)}[data-state="failed"]`);
    await failed.waitFor();
    assert.match(await failed.innerText(), /the well is <b>dry<\/b>/);
    await failed.getByRole('button').click();
    await page.locator('#tasks .sheet', { hasText: id }).waitFor();
    await page.locator('#tasks .sheet').getByRole('button', { name: 'Close' }).click();
    await page.mouse.move(0, 0);
  });

  await step('a long task shows while it runs', async () => {
    const id = await enqueue('sleep', { seconds: 4 });
    await page.locator(`#running [data-running="${id}"]`).waitFor();
    await page.locator(`${row(id)}[data-state="succeeded"]`).waitFor();
  });

  await step('rows keep their places under the pointer', async () => {
    await page.locator('#tasks h2').hover();
    const ids = () => page.locator('#tasks [data-task]').evaluateAll((rows) => rows.map((each) => each.dataset.task));
    const before = await ids();
    const id = await enqueue('add', { x: 1, y: 1 });
    await page.locator('#tasks').getByRole('button', { name: /^\d+\+? new$/ }).waitFor();
    await until('the task is done', async () => (await (await fetch(`${base}/task/status/${id}`)).json()).status === 'SUCCESS');
    assert.deepEqual(await ids(), before);
    await page.mouse.move(0, 0);
    await page.locator(row(id)).waitFor();
  });

  await step('a paused page stands still, and goes on with what it missed', async () => {
    await page.keyboard.press('p');
    const id = await enqueue('add', { x: 2, y: 2 });
    await until('the task is done', async () => (await (await fetch(`${base}/task/status/${id}`)).json()).status === 'SUCCESS');
    await until('changes are held', async () => Number(await page.locator('header .held').innerText()) > 5);
    assert.equal(await page.locator(row(id)).count(), 0);
    await page.keyboard.press('p');
    await page.locator(row(id)).waitFor();
  });

  await step('the stream resumes from where it was left', async () => {
    const told = await page.evaluate(async () => {
      const listen = (query, wanted) =>
        new Promise((done, fail) => {
          const heard = [];
          const socket = new WebSocket(`ws://${location.host}/api/live${query}`);
          socket.onerror = () => fail(new Error('refused'));
          socket.onmessage = (event) => {
            heard.push(JSON.parse(event.data));
            if (heard.length === wanted) {
              socket.close();
              done(heard);
            }
          };
        });
      const [first] = await listen('', 3);
      const [resumed, change] = await listen(`?since=${first.seq}&epoch=${first.epoch}`, 2);
      return { first: first.type, seq: first.seq, resumed: resumed.type, next: change.seq };
    });
    assert.deepEqual(told, { first: 'snapshot', seq: told.seq, resumed: 'resumed', next: told.seq + 1 });
  });

  await step('a slot whose task does not return is shown, and goes away when it does', async () => {
    const id = await enqueue('hang', { seconds: 15 });
    const worker = page.locator('#workers [data-worker="w1@meadow"]');
    await worker.getByText('1 slot stuck').waitFor();
    await page.locator('#truth', { hasText: 'Worker w1@meadow has 1 of 4 slots stuck' }).waitFor();
    await picture(page, 'stuck');
    await page.locator(`${row(id)}[data-state="failed"]`).waitFor();
    await worker.getByText('1 slot stuck').waitFor({ state: 'detached' });
    await page.locator('#truth', { hasText: 'slots stuck' }).waitFor({ state: 'detached' });
  });

  await step('a mistake in the schedule is shown with its line, and goes away', async () => {
    const good = readFileSync(schedule, 'utf8');
    writeFileSync(schedule, good.replace('every: 4s', 'every: 4x'));
    await page.locator('#truth', { hasText: "The schedule's file has had an error" }).waitFor();
    const told = page.locator('#schedule .problem');
    await told.waitFor();
    assert.match(await told.innerText(), /schedule\.yaml:2:\d+: [\s\S]*4x/);
    await picture(page, 'schedule');
    writeFileSync(schedule, good);
    await told.waitFor({ state: 'detached' });
    await page.locator('#truth', { hasText: "The schedule's file" }).waitFor({ state: 'detached' });
  });

  await step('a store that is gone is shown, and goes away when it is back', async () => {
    moveStore('', '.away');
    writeFileSync(join(home, 'store.db'), 'this is no database'.padEnd(4096, '.'));
    await page.locator('#truth', { hasText: 'The store does not answer' }).waitFor();
    await page.locator('#monitor .problem', { hasText: 'store.db' }).waitFor();
    assert.equal((await truth()).level, 'bad');
    await picture(page, 'store');
    moveStore('.away', '');
    await page.locator('#truth', { hasText: 'The store does not answer' }).waitFor({ state: 'detached' });
    await page.locator('#monitor .problem').waitFor({ state: 'detached' });
    const id = await enqueue('add', { x: 5, y: 5 });
    await page.locator(`${row(id)}[data-state="succeeded"]`).waitFor();
  });

  await step('a killed collector is told at once, with the time since', async () => {
    watch.quiet = true;
    await stop('collector', 'SIGKILL');
    await page.locator('#lost').waitFor();
    assert.match(await page.locator('#lost').innerText(), /Disconnected since\s+\d\d:\d\d:\d\d/);
    assert.equal(await page.locator('main.past').count(), 1);
    assert.match(await page.title(), /^Disconnected/);
    await page.screenshot({ path: join(pictures, 'disconnected.png') });
  });

  await step('it resumes without a reload once the collector is back', async () => {
    start('collector');
    await ready();
    await page.locator('#lost').waitFor({ state: 'detached' });
    watch.quiet = false;
    assert.equal(await page.locator('main.past').count(), 0);
    const id = await enqueue('add', { x: 3, y: 3 });
    await page.locator(`${row(id)}[data-state="succeeded"]`).waitFor();
    assert.equal(await page.evaluate(() => window.notReloaded), true);
    assert.deepEqual(requests, []);
  });
  await context.close();

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [360, 1280, 1920]) {
      await step(`${colorScheme}, ${width} px wide: nothing sticks out, nothing is hard to read`, async () => {
        const shown = await openPage(browser, { viewport: { width, height: width < 640 ? 740 : 1000 }, colorScheme });
        await shown.page.goto(base);
        await shown.page.locator('#submissions [data-submission]').first().waitFor();
        await shown.page.locator('#workers [data-worker]').first().waitFor();
        assert.ok((await overflow(shown.page)) <= 0, `${await overflow(shown.page)} px too wide`);
        const below = await shown.page.evaluate(
          () => document.scrollingElement.scrollHeight - Math.max(innerHeight, document.querySelector('main').getBoundingClientRect().bottom + scrollY),
        );
        assert.ok(below <= 1, `${below} px of nothing below the page`);
        // New rows are tinted for a moment; what is judged is the page at rest.
        await shown.page.emulateMedia({ reducedMotion: 'reduce', colorScheme });
        const found = await shown.page.evaluate(`${axe}; axe.run({ runOnly: ['wcag2a', 'wcag2aa'] })`);
        const said = found.violations.map(
          (each) => `${each.id}: ${each.help}: ${each.nodes.map((node) => `${node.target} ${node.failureSummary}`).slice(0, 3).join(' | ')}`,
        );
        assert.deepEqual(said, []);
        assert.ok(found.passes.some((each) => each.id === 'color-contrast'), 'no contrast was looked at');
        await shown.page.screenshot({ path: join(pictures, `${colorScheme}-${width}.png`), fullPage: true });
        await shown.context.close();
      });
    }
  }

  await step('the theme is switched, remembered and followed by the colours', async () => {
    const shown = await openPage(browser, { viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
    await shown.page.goto(base);
    const paper = () => shown.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await shown.page.locator('#workers [data-worker]').first().waitFor();
    const light = await paper();
    await shown.page.keyboard.press('t');
    assert.equal(await paper(), light, 'system and light are the same here');
    await shown.page.keyboard.press('t');
    const dark = await paper();
    assert.notEqual(dark, light);
    await shown.page.reload();
    await shown.page.locator('#truth').waitFor();
    assert.equal(await paper(), dark);
    await shown.page.keyboard.press('?');
    await shown.page.getByRole('dialog', { name: 'Help' }).waitFor();
    await shown.page.keyboard.press('Escape');
    await shown.page.getByRole('dialog', { name: 'Help' }).waitFor({ state: 'hidden' });
    await shown.context.close();
  });
}

// ---------------------------------------------------------------- all of it

mkdirSync(pictures, { recursive: true });
let browser;
try {
  for (const name of ['simulator', 'collector', 'worker', 'scheduler']) start(name);
  await ready();
  browser = await chromium.launch({
    executablePath,
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
  await run(browser);
  assert.deepEqual(problems, [], 'the browser complained');
  console.log(`all held; pictures in ${pictures}`);
} catch (error) {
  process.exitCode = 1;
  console.log(`FAIL  ${error.message}`);
  if (error.code !== 'ERR_ASSERTION') console.log(error.stack);
  for (const problem of problems) console.log(`      ${problem}`);
  const shown = browser?.contexts().flatMap((context) => context.pages())[0];
  const picture = join(pictures, 'failure.png');
  await shown?.screenshot({ path: picture }).then(() => console.log(`      what was shown: ${picture}`), () => {});
  for (const name of Object.keys(PROGRAMS)) {
    try {
      const lines = readFileSync(join(home, `${name}.log`), 'utf8').trimEnd().split('\n').slice(-8);
      console.log(`----- ${name}\n${lines.join('\n')}`);
    } catch {
      console.log(`----- ${name} wrote nothing`);
    }
  }
} finally {
  await browser?.close();
  for (const name of ['scheduler', 'worker', 'collector', 'simulator']) await stop(name);
  rmSync(home, { recursive: true, force: true });
}
