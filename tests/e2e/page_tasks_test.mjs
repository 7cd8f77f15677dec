// The views of tasks in a real browser over a real stack: the search and its list, live, by key and
// by hand; one task beside it and whole; acting upon many; going anywhere by a few letters.
//
//   UMBEL_BIN_DIR=build/dev/bin node tests/e2e/page_tasks_test.mjs
//
// Exits with 1 and says what did not hold. See page_stack.mjs for the environment.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Browser, judge, pictures, Stack, step, until, within } from './page_stack.mjs';

const SCHEDULE = `schedules:
  - {name: reddit-cpp, every: 4s, task: reddit.discover, args: [cpp]}
`;

const stack = await Stack.make(SCHEDULE);
const browser = new Browser();
const { base } = stack;
const row = (id) => `#tasks-view [data-task="${id}"]`;
const ended = (id, status = 'SUCCESS') =>
  until(`${id} is ${status}`, async () => (await stack.get(`/task/status/${id}`)).status === status);
const field = (page) => page.getByRole('combobox', { name: 'Search tasks' });
const listed = (page) => page.locator('#tasks-view [data-task]').evaluateAll((rows) => rows.map((each) => each.dataset.task));

async function run() {
  for (const name of ['simulator', 'collector', 'worker', 'scheduler']) stack.start(name);
  await stack.ready();
  await browser.open();
  await until('the worker is seen', async () => (await stack.get('/api/overview')).workers.some((worker) => worker.status === 'online'));
  for (let n = 0; n < 130; n += 1) await stack.enqueue('add', { x: n, y: 1 });
  const failed = [];
  for (const number of [17, 18, 19]) failed.push(await stack.enqueue('fail', { message: `shelf <b>${number}</b> is empty` }));
  for (const id of failed) await ended(id, 'FAILURE');
  await until('the collector knows them', async () => (await stack.get('/api/search?q=state:failed')).tasks.length === 3);

  const { context, page, watch } = await browser.page({ viewport: { width: 1280, height: 900 } });

  await step('the tasks are a key away, and more come as one scrolls', async () => {
    await page.goto(base);
    await page.locator('#truth').waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('t');
    await page.waitForURL(`${base}/tasks`);
    await page.locator('#tasks-view [data-task]').first().waitFor();
    const first = await stack.get('/api/search?q=name:add&sort=received&limit=1');
    const eldest = first.tasks[0].id;
    await page.goto(`${base}/tasks?q=name%3Aadd`);
    await page.locator('#tasks-view [data-task]').first().waitFor();
    assert.equal(await page.locator(row(eldest)).count(), 0, 'the eldest is drawn at once');
    await until('the eldest comes', async () => {
      await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
      return (await page.locator(row(eldest)).count()) === 1;
    });
    assert.ok((await listed(page)).length < 100, 'rows out of sight are drawn');
    await page.locator('#tasks-view .end', { hasText: 'all that is kept' }).waitFor();
  });

  await step('a search is typed, completed and in the address', async () => {
    await page.goto(`${base}/tasks`);
    await field(page).waitFor(); // the view is loaded after the frame
    await page.keyboard.press('/');
    await until('the field has the focus', () => field(page).evaluate((it) => it === document.activeElement));
    // The completions of the whole word: those of its first letters are put in their place.
    const whole = page.waitForResponse((answer) => /\/api\/complete\?.*q=state(:|%3A)fai(&|$)/.test(answer.url()));
    await page.keyboard.type('state:fai');
    await whole;
    await page.getByRole('option', { name: /failed/ }).first().waitFor();
    await page.keyboard.press('ArrowDown');
    await page.locator('[role=option][aria-selected=true]', { hasText: 'failed' }).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(/q=state%3Afailed/);
    await until('only the failed are listed', async () => {
      const ids = await listed(page);
      return ids.length === 3 && failed.every((id) => ids.includes(id));
    });
    await page.getByRole('button', { name: 'Take out state:failed' }).waitFor();
    assert.match(await page.locator(row(failed[0])).innerText(), /shelf <b>17<\/b> is empty/);
    await page.getByRole('link', { name: 'CSV' }).waitFor();
    assert.match(await page.getByRole('link', { name: 'CSV' }).getAttribute('href'), /q=state%3Afailed.*format=csv/);
  });

  await step('a mistake in the search is named, and the list stays', async () => {
    await field(page).fill('state:done');
    await page.locator('.said', { hasText: 'done' }).waitFor();
    assert.equal((await listed(page)).length, 3);
    await field(page).fill('');
  });

  await step('a task opens beside the list, and goes with the keys', async () => {
    await page.goto(`${base}/tasks?q=state%3Afailed`);
    await page.locator(row(failed[2])).waitFor();
    await page.mouse.move(5, 5);
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForURL(/task=/);
    const sheet = page.getByRole('complementary');
    await sheet.locator('#story', { hasText: /^Failed.*shelf <b>\d+<\/b> is empty/ }).waitFor();
    const before = new URL(page.url()).searchParams.get('task');
    await page.keyboard.press('j');
    await page.waitForURL((url) => url.searchParams.get('task') !== before);
    await page.keyboard.press('Escape');
    await sheet.waitFor({ state: 'detached' });
    assert.equal(new URL(page.url()).searchParams.get('q'), 'state:failed');
    await page.goBack();
    await page.locator(row(failed[0])).waitFor();
  });

  await step('a task tells how it fared at its own address', async () => {
    await page.goto(`${base}/task/${failed[0]}`);
    await page.locator('#story', { hasText: 'shelf <b>17</b> is empty' }).waitFor();
    await page.locator('.waterfall li', { hasText: /Run|Attempt 1/ }).waitFor();
    const told = await stack.get(`/api/task/detail/${failed[0]}`);
    assert.equal(await page.locator('.moments li').count(), told.moments.length);
    assert.ok(told.moments.length >= 2);
    await page.getByText('shelf <b>17</b> is empty').first().waitFor();
    await page.screenshot({ path: join(pictures, 'task.png'), fullPage: true });
  });

  await step('a running task is followed to its end without a reload', async () => {
    const id = await stack.enqueue('sleep', { seconds: 3 });
    await page.goto(`${base}/task/${id}`);
    await page.locator('#story', { hasText: /^Running/ }).waitFor();
    await page.locator('#story', { hasText: /^Succeeded in/ }).waitFor();
  });

  await step('new tasks come in live, and wait while one reads', async () => {
    await page.goto(`${base}/tasks?q=name%3Aadd`);
    await page.locator('#tasks-view [data-task]').first().waitFor();
    await page.mouse.move(5, 5);
    const id = await stack.enqueue('add', { x: 5_000_000, y: 1 });
    await page.locator(`${row(id)}[data-state="succeeded"]`).waitFor();
    assert.equal((await listed(page))[0], id);
    await page.locator('#tasks-view [data-task]').nth(3).hover();
    const next = await stack.enqueue('add', { x: 6_000_000, y: 1 });
    await page.getByRole('button', { name: /^\d+ new$/ }).waitFor();
    assert.equal(await page.locator(row(next)).count(), 0);
    await page.mouse.move(5, 5);
    await page.locator(row(next)).waitFor();
  });

  await step('tasks are selected and retried together, after being asked', async () => {
    await page.goto(`${base}/tasks?q=state%3Afailed`);
    await page.locator(row(failed[0])).waitFor();
    await page.mouse.move(5, 5);
    for (const key of ['j', 'x', 'j', 'j', 'Shift+X', 'r']) await page.keyboard.press(key);
    const dialog = page.getByRole('dialog', { name: 'Retry 3 tasks?' });
    await dialog.getByText(/fail\(/).first().waitFor();
    await dialog.getByRole('button', { name: 'Retry 3 tasks' }).click();
    await page.getByText('3 tasks enqueued again.').waitFor();
    await until('they have failed again', async () => (await stack.get('/api/search?q=state:failed')).tasks.length === 6);
    await page.screenshot({ path: join(pictures, 'retried.png') });
  });

  await step('anything is a few letters away', async () => {
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Go to' }).fill('w1');
    await page.getByRole('option', { name: /w1@meadow/ }).waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${base}/worker/w1%40meadow`);
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Go to' }).fill('sched');
    await page.getByRole('option', { name: /Schedule/ }).first().waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${base}/schedule`);
  });

  await step('what is not there is said', async () => {
    await page.goto(`${base}/tasks?q=name%3Anobody.home`);
    await page.getByText('No task matches.').waitFor();
    watch.refused.add('/api/task/detail/no-such-task');
    await page.goto(`${base}/task/no-such-task`);
    await page.getByText('There is no task no-such-task.').waitFor();
  });

  await step('memory does not grow with what has been scrolled past', async () => {
    await page.goto(`${base}/tasks`);
    await page.locator('#tasks-view [data-task]').first().waitFor();
    for (let n = 0; n < 10; n += 1) await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    assert.ok((await page.locator('#tasks-view [data-task]').count()) < 120);
  });
  await context.close();

  for (const colorScheme of ['light', 'dark']) {
    for (const width of [360, 1280, 1920]) {
      await step(`${colorScheme}, ${width} px wide: tasks and a task fit and can be read`, async () => {
        const shown = await browser.page({ viewport: { width, height: width < 640 ? 740 : 1000 }, colorScheme });
        for (const [name, path, there] of [
          ['tasks', '/tasks', '#tasks-view [data-task]'],
          ['beside', `/tasks?q=state%3Afailed&task=${failed[0]}`, '#story'],
          ['task', `/task/${failed[0]}`, '#story'],
        ]) {
          await shown.page.goto(`${base}${path}`);
          await shown.page.locator(there).first().waitFor();
          await judge(shown.page, colorScheme);
          await shown.page.screenshot({ path: join(pictures, `${name}-${colorScheme}-${width}.png`) });
        }
        await shown.context.close();
      });
    }
  }
}

await within(stack, browser, run);
