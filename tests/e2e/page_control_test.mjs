// Telling workers what to do, and queues to be emptied, on the page over a real stack: what the page
// says was done is what the worker says of itself and what the audit log holds. By mouse and by
// keyboard, in both themes and three widths.
//
//   UMBEL_BIN_DIR=build/dev/bin node tests/e2e/page_control_test.mjs
//
// Exits with 1 and says what did not hold. See page_stack.mjs for the environment.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Browser, judge, pictures, Stack, step, until, within } from './page_stack.mjs';

const stack = await Stack.make('schedules: []\n', { worker: ['--queues', 'umbel,reddit'] });
const browser = new Browser();
const { base } = stack;
const WORKER = '/api/worker/w1%40meadow';
const view = `${base}/worker/w1%40meadow`;
const told = async () => (await stack.get(WORKER)).told;
const audit = async () => (await stack.get('/api/audit?limit=50')).entries;

async function run() {
  for (const name of ['collector', 'worker']) stack.start(name);
  await stack.ready();
  await browser.open();
  const { page, watch } = await browser.page({ viewport: { width: 1280, height: 900 } });
  const control = page.locator('#worker-control');
  const says = (text) => control.locator('.result', { hasText: text }).waitFor();
  const button = (name) => control.getByRole('button', { name, exact: true });

  await until('the worker has been asked', async () => (await told())?.stats !== undefined);

  await step('a worker tells of itself: its pool, its tasks, its queues', async () => {
    await page.goto(view);
    await page.locator('#worker-told dt', { hasText: 'Max concurrency' }).waitFor();
    await page.locator('#worker-can [data-registered="add"]').waitFor();
    for (const queue of ['umbel', 'reddit']) await control.getByRole('link', { name: queue, exact: true }).waitFor();
    await page.goto(`${base}/workers`);
    await page.locator('tr[data-key="w1@meadow"]', { hasText: /umbel 0\.\d/ }).waitFor();
  });

  await step('the pool grows and shrinks, and says so', async () => {
    await page.goto(view);
    await control.getByLabel('How many slots').fill('2');
    await button('Grow').click();
    await says('by 2');
    await until('6 slots', async () => (await stack.get(WORKER)).worker.slots === 6);
    await control.getByText('6 slots').waitFor();
    await control.getByLabel('How many slots').fill('6');
    assert.ok(await button('Shrink').isDisabled(), 'one slot has to stay');
    await control.getByLabel('How many slots').fill('3');
    await button('Shrink').click();
    await says('by 3');
    await until('3 slots', async () => (await stack.get(WORKER)).worker.slots === 3);
  });

  await step('a queue is taken from and left, by the keyboard', async () => {
    await control.getByLabel('Queue to take from').focus();
    await page.keyboard.type('letters');
    await page.keyboard.press('Enter');
    await control.getByRole('link', { name: 'letters', exact: true }).waitFor();
    const sent = await stack.post('/api/task/send-task/add', { kwargs: { x: 1, y: 1 }, queue: 'letters' });
    await until('a task of it is run', async () => (await stack.get(`/task/status/${sent['task-id']}`)).status === 'SUCCESS');
    await control.getByRole('button', { name: 'Take nothing from letters any more' }).focus();
    await page.keyboard.press('Enter');
    await control.getByRole('link', { name: 'letters', exact: true }).waitFor({ state: 'detached' });
  });

  await step('a rate limit is set where the task stands, a wrong one is refused by name', async () => {
    await page.getByRole('button', { name: 'Limits of add', exact: true }).click();
    const form = page.getByRole('form', { name: 'How often add may run' });
    watch.quiet = true; // the browser speaks of the 400
    await form.getByLabel('At most').fill('often');
    await form.getByRole('button', { name: 'Set' }).click();
    await page.locator('#worker-can .result', { hasText: 'argument ratelimit=often' }).waitFor();
    await form.getByLabel('At most').fill('100/s');
    await form.getByRole('button', { name: 'Set' }).click();
    await page.locator('#worker-can .result', { hasText: 'rate limit set' }).waitFor();
    await page.locator('[data-registered="add"]', { hasText: 'at most 100' }).waitFor();
    watch.quiet = false;
  });

  await step('what a worker refuses is said in its words', async () => {
    await button('Apply').click();
    await control.locator('.result.bad', { hasText: 'It was not done' }).waitFor();
  });

  await step('a queue is emptied only by who types its name', async () => {
    for (let n = 0; n < 3; n += 1) await stack.post('/api/task/send-task/add', { kwargs: { x: n, y: 1 }, queue: 'heap' });
    await until('the queue is seen', async () => (await stack.get('/api/overview')).queues.some((queue) => queue.name === 'heap' && queue.ready === 3));
    await page.goto(`${base}/queue/heap`);
    await page.getByRole('button', { name: 'Purge', exact: true }).click();
    const dialog = page.getByRole('dialog');
    const go = dialog.getByRole('button', { name: 'Purge the queue' });
    assert.ok(await go.isDisabled());
    await dialog.getByRole('textbox').fill('heap');
    await go.click();
    await page.locator('#queue-view .result', { hasText: '3 tasks removed' }).waitFor();
    await until('it is empty', async () => (await stack.get('/api/queue/heap')).queue.ready === 0);
  });

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [360, 800, 1280]) {
      await step(`${colorScheme}, ${width} px wide: the controls fit and read well`, async () => {
        const narrow = await browser.page({ viewport: { width, height: 900 }, colorScheme });
        await narrow.page.goto(view);
        await narrow.page.locator('#worker-told').waitFor();
        await narrow.page.getByRole('button', { name: 'Limits of add', exact: true }).click();
        await judge(narrow.page, colorScheme);
        await narrow.page.screenshot({ path: join(pictures, `control-${colorScheme}-${width}.png`), fullPage: true });
        await narrow.context.close();
      });
    }
  }

  await step('who may only look is offered no control', async () => {
    await page.goto(view);
    await page.route('**/api/control', (route) => route.fulfill({ status: 403, contentType: 'application/json', body: '{"error": "Read only mode is enabled"}' }));
    await button('Grow').waitFor();
    watch.refused.add('/api/control');
    await button('Grow').click();
    await control.waitFor({ state: 'detached' });
    await page.unroute('**/api/control');
  });

  await step('a worker is shut down by who types its name, and the log has all of it', async () => {
    await page.goto(view);
    await button('Shut down').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill('w1@meadow');
    await dialog.getByRole('button', { name: 'Shut down' }).click();
    await page.locator('#lead', { hasText: /Ended .* ago, and said so/ }).waitFor();
    const done = (await audit()).map((entry) => `${entry.action} ${entry.object} ${entry.detail}`.trim());
    for (const line of [
      'worker.shutdown w1@meadow', 'queue.purge heap 3 tasks', 'worker.rate_limit w1@meadow add rate=100/s',
      'worker.cancel_consumer w1@meadow queue=letters', 'worker.add_consumer w1@meadow queue=letters',
      'worker.shrink w1@meadow n=3', 'worker.grow w1@meadow n=2',
    ]) {
      assert.ok(done.includes(line), `${line} is not among ${done.join(' | ')}`);
    }
  });
}

await within(stack, browser, run);
