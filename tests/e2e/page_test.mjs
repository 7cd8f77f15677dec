// The page in a real browser over a real stack: simulator, collector, worker and scheduler, each a
// process of its own on a free port, all in a temporary folder, all ended with the test.
//
//   UMBEL_BIN_DIR=build/dev/bin node tests/e2e/page_test.mjs
//
// Exits with 1 and says what did not hold. See page_stack.mjs for the environment.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Browser, judge, overflow, pictures, Stack, step, until, within } from './page_stack.mjs';

const SCHEDULE = ['programming', 'cpp', 'linux']
  .map((name) => `  - {name: reddit-${name}, every: 4s, task: reddit.discover, args: [${name}]}\n`)
  .reduce((text, line) => text + line, 'schedules:\n');

const stack = await Stack.make(SCHEDULE);
const browser = new Browser();
const { base, home, schedule } = stack;

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

const row = (id) => `#tasks [data-task="${id}"]`;

async function run() {
  for (const name of ['simulator', 'collector', 'worker', 'scheduler']) stack.start(name);
  await stack.ready();
  await browser.open();
  const { context, page, watch } = await browser.page({ viewport: { width: 1280, height: 900 } });

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
    const id = await stack.enqueue('add', { x: 4_000_000, y: 2 });
    await page.locator(`${row(id)}[data-state="succeeded"]`).waitFor();
    console.log(`      POST to row: ${Date.now() - began} ms`);
    assert.match(await page.locator(row(id)).innerText(), /add[\s\S]*x=4000000, y=2/);
    assert.deepEqual(requests, []);
    await page.unroute('**/*');
  });

  await step('a failed task shows its exception, and opens to all that is known', async () => {
    const id = await stack.enqueue('fail', { message: 'the well is <b>dry</b>' });
    const failed = page.locator(`${row(id)}[data-state="failed"]`);
    await failed.waitFor();
    assert.match(await failed.innerText(), /the well is <b>dry<\/b>/);
    await failed.getByRole('button').click();
    await page.locator('#tasks .sheet', { hasText: id }).waitFor();
    await page.locator('#tasks .sheet').getByRole('button', { name: 'Close' }).click();
    await page.mouse.move(0, 0);
  });

  await step('a long task shows while it runs', async () => {
    const id = await stack.enqueue('sleep', { seconds: 4 });
    await page.locator(`#running [data-running="${id}"]`).waitFor();
    await page.locator(`${row(id)}[data-state="succeeded"]`).waitFor();
  });

  await step('rows keep their places under the pointer', async () => {
    await page.locator('#tasks h2').hover();
    const ids = () => page.locator('#tasks [data-task]').evaluateAll((rows) => rows.map((each) => each.dataset.task));
    const before = await ids();
    const id = await stack.enqueue('add', { x: 1, y: 1 });
    await page.locator('#tasks').getByRole('button', { name: /^\d+\+? new$/ }).waitFor();
    await until('the task is done', async () => (await (await fetch(`${base}/task/status/${id}`)).json()).status === 'SUCCESS');
    assert.deepEqual(await ids(), before);
    await page.mouse.move(0, 0);
    await page.locator(row(id)).waitFor();
  });

  await step('a paused page stands still, and goes on with what it missed', async () => {
    await page.keyboard.press('p');
    const id = await stack.enqueue('add', { x: 2, y: 2 });
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
    const id = await stack.enqueue('hang', { seconds: 15 });
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
    watch.quiet = true; // what cannot be answered meanwhile is the page's to tell
    moveStore('', '.away');
    writeFileSync(join(home, 'store.db'), 'this is no database'.padEnd(4096, '.'));
    await page.locator('#truth', { hasText: 'The store does not answer' }).waitFor();
    await page.locator('#monitor .problem', { hasText: 'store.db' }).waitFor();
    assert.equal((await truth()).level, 'bad');
    await picture(page, 'store');
    moveStore('.away', '');
    await page.locator('#truth', { hasText: 'The store does not answer' }).waitFor({ state: 'detached' });
    await page.locator('#monitor .problem').waitFor({ state: 'detached' });
    const id = await stack.enqueue('add', { x: 5, y: 5 });
    await page.locator(`${row(id)}[data-state="succeeded"]`).waitFor();
    watch.quiet = false;
  });

  await step('a killed collector is told at once, with the time since', async () => {
    watch.quiet = true;
    await stack.stop('collector', 'SIGKILL');
    await page.locator('#lost').waitFor();
    assert.match(await page.locator('#lost').innerText(), /Disconnected since\s+\d\d:\d\d:\d\d/);
    assert.equal(await page.locator('main.past').count(), 1);
    assert.match(await page.title(), /^Disconnected/);
    await page.screenshot({ path: join(pictures, 'disconnected.png') });
  });

  await step('it resumes without a reload once the collector is back', async () => {
    stack.start('collector');
    await stack.ready();
    await page.locator('#lost').waitFor({ state: 'detached' });
    watch.quiet = false;
    assert.equal(await page.locator('main.past').count(), 0);
    const id = await stack.enqueue('add', { x: 3, y: 3 });
    await page.locator(`${row(id)}[data-state="succeeded"]`).waitFor();
    assert.equal(await page.evaluate(() => window.notReloaded), true);
    assert.deepEqual(requests, []);
  });
  await context.close();

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [360, 1280, 1920]) {
      await step(`${colorScheme}, ${width} px wide: nothing sticks out, nothing is hard to read`, async () => {
        const shown = await browser.page({ viewport: { width, height: width < 640 ? 740 : 1000 }, colorScheme });
        await shown.page.goto(base);
        await shown.page.locator('#submissions [data-submission]').first().waitFor();
        await shown.page.locator('#workers [data-worker]').first().waitFor();
        const below = await shown.page.evaluate(
          () => document.scrollingElement.scrollHeight - Math.max(innerHeight, document.querySelector('main').getBoundingClientRect().bottom + scrollY),
        );
        assert.ok(below <= 1, `${below} px of nothing below the page`);
        await judge(shown.page, colorScheme);
        await shown.page.screenshot({ path: join(pictures, `${colorScheme}-${width}.png`), fullPage: true });
        await shown.context.close();
      });
    }
  }

  await step('the theme is switched, remembered and followed by the colours', async () => {
    const shown = await browser.page({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
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

await within(stack, browser, run);
