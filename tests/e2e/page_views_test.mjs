// The page's views in a real browser over a real stack: what each says is what the stack did, what
// can be done there is done, and each is looked at in both themes and three widths.
//
//   UMBEL_BIN_DIR=build/dev/bin node tests/e2e/page_views_test.mjs
//
// Exits with 1 and says what did not hold. See page_stack.mjs for the environment.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Browser, judge, pictures, Stack, step, until, within } from './page_stack.mjs';

const SCHEDULE = `schedules:
  - {name: reddit-cpp, every: 4s, task: reddit.discover, args: [cpp]}
  - {name: reddit-linux, every: 4s, task: reddit.discover, args: [linux]}
  - {name: nightly, cron: "0 3 * * *", timezone: Europe/Berlin, task: add, args: [1, 2]}
`;

const stack = await Stack.make(SCHEDULE);
const browser = new Browser();
const { base } = stack;
const lead = (page) => page.locator('#lead');
const said = (page, text) => page.locator('#lead', { hasText: text }).waitFor();
const row = (page, key) => page.locator(`tr[data-key="${key}"]`);

/** The number that a cell shows, `1,204` and all. */
const number = (text) => Number(text.replace(/[^0-9.]/g, ''));

/** Goes on with Tab until what has the focus reads as `text`; it must be seen to have it. */
async function tabTo(page, text) {
  const passed = [];
  for (let n = 0; n < 60; n += 1) {
    await page.keyboard.press('Tab');
    const focus = await page.evaluate(() => {
      const { innerText, ariaLabel } = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return { text: (ariaLabel ?? innerText).replaceAll(/\s+/g, ' ').trim(), seen: outlineStyle !== 'none' && outlineWidth !== '0px' };
    });
    if (text.test(focus.text)) {
      assert.ok(focus.seen, `${focus.text}: the focus cannot be seen`);
      return;
    }
    passed.push(focus.text);
  }
  assert.fail(`${text} is not reached by Tab; passed: ${passed.join(' | ')}`);
}

async function run() {
  for (const name of ['simulator', 'collector', 'worker', 'scheduler']) stack.start(name);
  await stack.ready();
  await browser.open();
  const { context, page, watch } = await browser.page({ viewport: { width: 1280, height: 900 } });

  await until('the worker is seen', async () => (await stack.get('/api/overview')).workers.some((worker) => worker.status === 'online'));
  for (let n = 0; n < 20; n += 1) await stack.enqueue('add', { x: n, y: 1 });
  for (const number of [17, 18, 19]) await stack.enqueue('fail', { message: `shelf ${number} is empty` });

  await step('every view is reached from the navigation, and says something first', async () => {
    await page.goto(base);
    await page.locator('#truth').waitFor();
    for (const [name, path] of [
      ['Names', '/names'], ['Workers', '/workers'], ['Queues', '/queues'], ['Schedule', '/schedule'],
      ['Errors', '/errors'], ['Submissions', '/submissions'], ['System', '/system'],
    ]) {
      // By its address: a badge makes the name longer.
      assert.match(await page.locator(`nav a[href="${path}"]`).innerText(), new RegExp(name));
      await page.locator(`nav a[href="${path}"]`).click();
      await page.waitForURL(`${base}${path}`);
      await page.locator('#lead', { hasText: /\.$/ }).waitFor();
    }
    await page.goBack();
    await page.waitForURL(`${base}/submissions`);
  });

  await step('names: what ran and what failed is what the collector counted', async () => {
    await page.goto(`${base}/names`);
    const fail = row(page, 'fail');
    await fail.waitFor();
    await said(page, 'fail fails 100 % of the time: 3 of 3');
    await page.getByRole('button', { name: '1 h', exact: true }).click();
    await page.waitForURL(`${base}/names?minutes=60`);
    await until('add has 20', async () => {
      const told = (await stack.get('/api/names?minutes=60')).names.find((each) => each.name === 'add');
      return told.succeeded === 20 && (await row(page, 'add').locator('[title="20 finished in the last hour"]').count()) === 1;
    });
    await page.getByRole('button', { name: 'Failing' }).click();
    await page.waitForURL(/sort=-failing/);
    assert.equal(await page.locator('#names tbody tr').first().getAttribute('data-key'), 'fail');
    await page.reload();
    await fail.waitFor();
    assert.equal(await page.locator('#names tbody tr').first().getAttribute('data-key'), 'fail', 'the address keeps the order');
  });

  await step('a name: its windows, its errors, its tasks', async () => {
    await row(page, 'fail').getByRole('link').first().click();
    await page.waitForURL(`${base}/name/fail`);
    await said(page, '3 finished in the last 5 min');
    for (const span of ['1', '5', '60']) await page.locator(`[data-window="${span}"]`).waitFor();
    await page.locator('#name-errors [data-error]').waitFor();
    const href = await page.getByRole('link', { name: 'Show its tasks' }).getAttribute('href');
    assert.equal(new URL(href, base).searchParams.get('q'), 'name:fail');
  });

  await step('errors: what is new is said to be new, messages are put together', async () => {
    await page.goto(`${base}/errors`);
    await said(page, 'New since an hour ago');
    const group = page.locator('#errors-new [data-error]');
    await group.filter({ hasText: 'shelf # is empty' }).waitFor();
    assert.match(await group.filter({ hasText: 'shelf #' }).innerText(), /new[\s\S]*\b3\b/);
    await group.filter({ hasText: 'shelf #' }).getByRole('link').first().click();
    await page.waitForURL(/\/error\/[0-9a-f]+$/);
    await said(page, 'New: ');
    await page.locator('#message', { hasText: /shelf 1[789] is empty/ }).waitFor();
    assert.equal(await page.locator('#latest [data-state="failed"]').count(), 3);
    const before = await stack.enqueue('fail', { message: 'shelf 20 is empty' });
    await page.locator(`#latest [data-task="${before}"]`).waitFor();
    await said(page, '4 times');
  });

  await step('workers: slots, what runs now, and the worker itself', async () => {
    const id = await stack.enqueue('sleep', { seconds: 8 });
    await page.goto(`${base}/workers`);
    await row(page, 'w1@meadow').waitFor();
    await said(page, /1 worker online, \d of 4 slots in use/);
    await row(page, 'w1@meadow').locator(`a[data-beside="${id}"]`).waitFor();
    await row(page, 'w1@meadow').getByRole('link', { name: 'w1@meadow' }).click();
    await page.waitForURL(`${base}/worker/w1%40meadow`);
    await page.locator(`#worker-running [data-task="${id}"][data-state="running"]`).waitFor();
    await page.locator('#chart-busy canvas').waitFor();
    await page.locator('#worker-names', { hasText: 'add' }).waitFor();
    await page.locator(`#worker-running [data-task="${id}"]`).waitFor({ state: 'detached' });
  });

  await step('queues: why one stands still, and that it goes on', async () => {
    const told = await stack.post('/api/task/send-task/add', { kwargs: { x: 1, y: 1 }, queue: 'stranded' });
    await page.goto(`${base}/queues`);
    await row(page, 'stranded').waitFor();
    await row(page, 'stranded').getByText('no worker takes from it').waitFor();
    await said(page, /^Queue stranded .*no worker takes from it/);
    await page.screenshot({ path: join(pictures, 'view-queues-still.png'), fullPage: true });
    await page.getByRole('link', { name: 'Show stranded' }).click();
    await page.waitForURL(`${base}/queue/stranded`);
    await said(page, 'no worker takes from it');
    await page.locator('#queue-consumers', { hasText: 'umbel-worker --queues stranded' }).waitFor();
    // What only lies on the broker is known by its number; nothing is made up about it.
    await page.locator('#queue-oldest').filter({ hasText: /known by its number alone|add\(/ }).waitFor();
    stack.start('helper');
    await said(page, 'Nothing waits; 1 worker takes from it.');
    await page.locator('#queue-consumers').getByRole('link', { name: 'w2@meadow' }).waitFor();
    assert.equal((await stack.get(`/task/status/${told['task-id']}`)).status, 'SUCCESS');
  });

  await step('schedule: an entry runs now, and says as what', async () => {
    await page.goto(`${base}/schedule`);
    const entry = page.locator('[data-schedule="nightly"]');
    await entry.waitFor();
    await entry.getByText('03:00').first().waitFor();
    await entry.getByRole('button', { name: 'Run now' }).click();
    const link = entry.getByRole('status').getByRole('link');
    await link.waitFor();
    const id = await link.getAttribute('data-beside');
    await until('it succeeded', async () => (await stack.get(`/task/status/${id}`)).status === 'SUCCESS');
    assert.equal((await stack.get(`/task/status/${id}`)).result, 3);
  });

  await step('schedule: who may only look is offered no change', async () => {
    const visitor = await browser.page({ viewport: { width: 1280, height: 900 } });
    visitor.watch.refused.add('/api/schedule/nightly/run');
    await visitor.page.route('**/api/schedule/*/run', (route) => route.fulfill({ status: 403, json: { error: 'only looking is allowed' } }));
    await visitor.page.goto(`${base}/schedule`);
    const entry = visitor.page.locator('[data-schedule="nightly"]');
    await entry.getByRole('button', { name: 'Run now' }).click();
    await visitor.page.getByText('only looking is allowed from here').waitFor();
    await visitor.page.getByRole('main').getByRole('button', { name: /Run now|Pause|Resume/ }).first().waitFor({ state: 'detached' });
    assert.match(await entry.innerText(), /03:00/, 'the entry is still read');
    await visitor.page.screenshot({ path: join(pictures, 'view-schedule-read-only.png'), fullPage: true });
    await visitor.context.close();
  });

  await step('schedule: a pause has a reason, holds, and ends', async () => {
    const entry = page.locator('[data-schedule="reddit-cpp"]');
    await entry.getByRole('button', { name: 'Pause' }).click();
    assert.equal(await entry.getByRole('button', { name: 'Pause' }).isDisabled(), true, 'a pause needs a reason');
    await entry.getByLabel('Why is reddit-cpp paused?').fill('the shelf is painted');
    await entry.getByRole('button', { name: 'Pause' }).click();
    await entry.getByText('the shelf is painted').waitFor();
    await page.screenshot({ path: join(pictures, 'view-schedule-paused.png'), fullPage: true });
    const told = async (name) => (await stack.get('/api/schedule')).entries.find((each) => each.name === name);
    assert.equal((await told('reddit-cpp')).paused.reason, 'the shelf is painted');
    // What the other one fires meanwhile shows that time has passed.
    const from = (await told('reddit-linux')).last_due;
    const still = (await told('reddit-cpp')).last_due;
    await until('the other goes on', async () => (await told('reddit-linux')).last_due >= from + 12);
    assert.ok((await told('reddit-cpp')).last_due <= still + 4, 'a paused entry fires no more');
    await entry.getByRole('button', { name: 'Resume' }).click();
    await entry.getByText('the shelf is painted').waitFor({ state: 'detached' });
    await until('it fires again', async () => (await told('reddit-cpp')).last_due > still + 4);
    const noted = (await stack.get('/api/audit?object=reddit-cpp')).entries;
    assert.deepEqual(noted.map((each) => [each.action, each.detail, each.outcome]), [['schedule.resume', '', 'done'], ['schedule.pause', 'the shelf is painted', 'done']]);
  });

  await step('an entry: its strip, what comes next, its ticks', async () => {
    await page.locator('[data-schedule="reddit-linux"]').getByRole('link', { name: 'reddit-linux' }).click();
    await page.waitForURL(`${base}/schedule/reddit-linux`);
    await said(page, /^Every 4 seconds; next in/);
    const tick = page.locator('#ticks [data-tick]').filter({ hasText: 'succeeded' }).first();
    await tick.waitFor();
    const id = await tick.getByRole('link').getAttribute('data-beside');
    assert.equal((await stack.get(`/task/status/${id}`)).status, 'SUCCESS');
    assert.match(await page.locator('#entry-strip svg').getAttribute('aria-label'), /\d+ succeeded/);
    assert.ok((await page.locator('#entry-next tbody tr').count()) >= 3);
  });

  await step('a mistake in the schedule is shown with its line', async () => {
    const good = readFileSync(stack.schedule, 'utf8');
    await page.goto(`${base}/schedule`);
    writeFileSync(stack.schedule, good.replace('every: 4s', 'every: 4x'));
    await said(page, "The schedule's file has an error");
    await page.locator('.problem', { hasText: /schedule\.yaml:2:\d+: [\s\S]*4x/ }).waitFor();
    writeFileSync(stack.schedule, good);
    await page.locator('.problem').waitFor({ state: 'detached' });
  });

  await step('submissions: from where, how fresh, how they look', async () => {
    await page.goto(`${base}/submissions`);
    await row(page, 'cpp').waitFor();
    await said(page, /submissions? from \d subreddits? fetched in the last hour/);
    const told = await stack.get('/api/submissions?minutes=60');
    const buckets = told.distributions.score.reduce((sum, bucket) => sum + bucket.count, 0);
    assert.ok(buckets > 0, 'no score was counted');
    assert.ok((await page.locator('#submissions [data-submission]').count()) > 3);
    await page.locator('#subreddits', { hasText: 'from the simulator, not from Reddit' }).waitFor();
  });

  await step('system: the figures are those of the collector', async () => {
    await page.goto(`${base}/system`);
    await said(page, 'The monitor keeps up');
    await page.locator('#engines', { hasText: 'broker.db' }).waitFor();
    await until('events are counted', async () => {
      const shown = number(await page.locator('#system-view dl').first().locator('div').nth(2).locator('dd').getAttribute('title'));
      return shown > 50 && shown <= (await stack.get('/api/system')).events.total;
    });
  });

  // A stranger knows nothing of the stack but that something is wrong with it.
  await stack.post('/api/task/send-task/add', { kwargs: { x: 1, y: 1 }, queue: 'forgotten' });
  await stack.enqueue('hang', { seconds: 2 });
  await until('the stuck task has failed', async () =>
    (await stack.get('/api/errors?minutes=60')).groups.some((each) => each.type === 'SoftTimeLimitExceeded'),
  );

  await step('a stranger with a mouse finds why a queue stands still', async () => {
    await page.goto(base);
    await page.locator('#truth', { hasText: /Queue forgotten .*no worker takes from it/ }).waitFor();
    await page.getByRole('main').getByRole('link', { name: 'Show forgotten' }).click();
    await page.waitForURL(`${base}/queue/forgotten`);
    await said(page, /^Has stood still .*no worker takes from it/);
    await page.locator('#queue-consumers', { hasText: 'Start one: umbel-worker --queues forgotten' }).waitFor();
  });

  await step('a stranger with a mouse finds which exception is new since an hour ago', async () => {
    await page.goto(base);
    const badge = page.locator('nav a[href="/errors"]');
    await badge.filter({ hasText: /Errors\s*2/ }).waitFor();
    await badge.click();
    await said(page, /^New since an hour ago: RuntimeError in fail, 4 times, and 1 other\./);
    const found = page.locator('#errors-new [data-error]', { hasText: 'SoftTimeLimitExceeded' });
    await found.getByRole('link', { name: /SoftTimeLimitExceeded/ }).click();
    await said(page, /^New: SoftTimeLimitExceeded in hang, once since/);
    await page.locator('#message', { hasText: 'soft time limit' }).waitFor();
    await page.locator('#latest [data-task]').getByRole('link', { name: /^hang/ }).click();
    await page.getByRole('complementary').locator('#story', { hasText: /^Failed.*SoftTimeLimitExceeded/ }).waitFor();
  });

  await step('a stranger with a keyboard finds why a queue stands still', async () => {
    await page.goto(base);
    await page.locator('#truth', { hasText: /Queue forgotten/ }).waitFor();
    await tabTo(page, /^Show forgotten$/);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${base}/queue/forgotten`);
    await said(page, /^Has stood still .*no worker takes from it/);
    await page.locator('#queue-consumers', { hasText: 'Start one: umbel-worker --queues forgotten' }).waitFor();
  });

  await step('a stranger with a keyboard finds which exception is new since an hour ago', async () => {
    await page.goto(base);
    await page.locator('#truth').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Help' }).getByText('errors', { exact: true }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('g');
    await page.keyboard.press('e');
    await said(page, /^New since an hour ago/);
    await tabTo(page, /^SoftTimeLimitExceeded/);
    await page.keyboard.press('Enter');
    await said(page, /^New: SoftTimeLimitExceeded in hang, once since/);
    await tabTo(page, /^hang\(/);
    await page.keyboard.press('Enter');
    await page.getByRole('complementary').locator('#story', { hasText: /^Failed.*SoftTimeLimitExceeded/ }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('complementary').waitFor({ state: 'detached' });
  });

  await step('the overview looks back as far as one chooses, and the address says so', async () => {
    await page.goto(base);
    for (const id of ['chart-finished', 'chart-load', 'chart-wait', 'chart-run']) {
      await until(`${id} is drawn`, () => page.locator(`#${id} canvas`).evaluate((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value) => value !== 0);
      }));
    }
    await page.getByRole('banner').getByRole('button', { name: '24 h' }).click();
    await page.waitForURL(/range=24h/);
    const answer = await stack.get('/api/series?range=86400');
    assert.ok(answer.points.succeeded.some((value) => value !== null && value > 0), 'the day has no task');
    await page.reload();
    await page.locator('#chart-run [role="img"][aria-label*="last 24 h"]').waitFor();
    await page.locator('#chart-finished .u-over').hover({ position: { x: 120, y: 60 } });
    for (const id of ['chart-finished', 'chart-load', 'chart-wait', 'chart-run']) await page.locator(`#${id} .readout .time`).waitFor();
    await page.mouse.move(0, 0);
    await page.getByRole('banner').getByRole('button', { name: '15 min' }).click();
    await page.waitForURL(/range=15min/);
  });

  await step('what is not there is said so, with a way on', async () => {
    for (const [path, asked, back] of [
      ['/name/nobody', '/api/name/nobody', '/names'], ['/worker/nobody', '/api/worker/nobody', '/workers'],
      ['/queue/nobody', '/api/queue/nobody', '/queues'], ['/schedule/nobody', '/api/schedule/nobody', '/schedule'],
      ['/error/0000000000000000', '/api/error/0000000000000000', '/errors'],
    ]) {
      watch.refused.add(asked);
      const answer = await page.goto(`${base}${path}`);
      assert.equal(answer.status(), 200, `${path}: the page is there, whatever it has to say`);
      await page.getByRole('main').getByRole('heading', { name: path.split('/')[2] }).waitFor();
      await page.getByRole('main').locator(`a[href="${back}"]`).waitFor();
    }
  });

  const fingerprint = (await stack.get('/api/errors?minutes=60')).groups[0].fingerprint;
  const views = {
    overview: '/', names: '/names', name: '/name/add', workers: '/workers', worker: '/worker/w1%40meadow',
    queues: '/queues', queue: '/queue/umbel', schedule: '/schedule', entry: '/schedule/reddit-cpp',
    errors: '/errors', error: `/error/${fingerprint}`, submissions: '/submissions', system: '/system',
  };
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [360, 1280, 1920]) {
      await step(`${colorScheme}, ${width} px wide: every view fits and reads well`, async () => {
        const shown = await browser.page({ viewport: { width, height: width < 640 ? 740 : 1000 }, colorScheme });
        for (const [name, path] of Object.entries(views)) {
          await shown.page.goto(`${base}${path}`);
          await shown.page.locator('#lead, #truth').filter({ hasText: /\.$/ }).waitFor();
          await shown.page.locator('[aria-busy="true"]').waitFor({ state: 'detached' });
          await judge(shown.page, colorScheme);
          await shown.page.screenshot({ path: join(pictures, `view-${name}-${colorScheme}-${width}.png`), fullPage: true });
        }
        await shown.context.close();
      });
    }
  }

  await step('a view keeps what it knew while the collector is gone, and goes on', async () => {
    await page.goto(`${base}/names`);
    await row(page, 'add').waitFor();
    watch.quiet = true;
    await stack.stop('collector', 'SIGKILL');
    await page.locator('#lost').waitFor();
    assert.equal(await row(page, 'add').count(), 1);
    await page.screenshot({ path: join(pictures, 'view-names-disconnected.png'), fullPage: true });
    stack.start('collector');
    await stack.ready();
    await page.locator('#lost').waitFor({ state: 'detached' });
    const id = await stack.enqueue('add', { x: 9, y: 9 });
    await until('it is done', async () => (await stack.get(`/task/status/${id}`)).status === 'SUCCESS');
    await said(page, /\d+ tasks? of|fails/);
    watch.quiet = false;
  });
  await context.close();
}

await within(stack, browser, run);
