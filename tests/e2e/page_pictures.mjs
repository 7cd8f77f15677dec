// The pictures of README, from a real stack that has run for a while:
//
//   UMBEL_BIN_DIR=build/dev/bin node tests/e2e/page_pictures.mjs [FOLDER=docs/images] [SECONDS=120]
//
// See page_stack.mjs for the environment.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Browser, Stack, step, until, within } from './page_stack.mjs';

const [folder = 'docs/images', seconds = '120'] = process.argv.slice(2);
const SMALL = 400_000; // bytes

const SCHEDULE = `schedules:
  - {name: reddit-cpp, every: 10s, task: reddit.discover, args: [cpp]}
  - {name: reddit-linux, every: 15s, task: reddit.discover, args: [linux]}
  - {name: reddit-programming, every: 20s, task: reddit.discover, args: [programming]}
  - {name: nightly, cron: "0 3 * * *", timezone: Europe/Berlin, task: add, args: [1, 2]}
`;

const stack = await Stack.make(SCHEDULE, {
  simulator: ['--faults', '500=0.04,empty=0.03', '--latency-median', '80', '--latency-p99', '900'],
});
const browser = new Browser();

async function run() {
  for (const name of ['simulator', 'collector', 'worker', 'scheduler']) stack.start(name);
  await stack.ready();
  await browser.open();
  await until('the worker is seen', async () => (await stack.get('/api/overview')).workers.some((worker) => worker.status === 'online'));

  await step('a stack that has lived', async () => {
    const end = Date.now() + Number(seconds) * 1000;
    for (let n = 1; Date.now() < end; n += 1) {
      await stack.enqueue('add', { x: n, y: 1 });
      if (n % 9 === 0) await stack.enqueue('sleep', { seconds: 2 });
      if (n % 41 === 0) await stack.enqueue('fail', { message: `shelf ${n} is empty` });
      // What is shown is a course of time: this is its pace, not a wait for something.
      await new Promise((done) => setTimeout(done, 500));
    }
  });

  const take = async (name, path, shown, colorScheme = 'light', prepare = async () => {}) => {
    const { context, page } = await browser.page({ viewport: { width: 1280, height: 800 }, colorScheme });
    await page.goto(`${stack.base}${path}`);
    await page.locator(shown).first().waitFor();
    await page.locator('[aria-busy="true"]').waitFor({ state: 'detached' });
    await page.emulateMedia({ reducedMotion: 'reduce', colorScheme });
    await prepare(page);
    const file = join(folder, `${name}.png`);
    await page.screenshot({ path: file });
    assert.ok(statSync(file).size < SMALL, `${file} is too large for a repository`);
    await context.close();
  };

  await step('the overview, light and dark', async () => {
    await take('overview', '/', '#tasks [data-task]');
    await take('overview-dark', '/', '#tasks [data-task]', 'dark');
  });
  await step('the tasks, one of them beside the list', async () => {
    await take('tasks', '/tasks', '#tasks-view [data-task]');
    const retried = (await stack.get('/api/search?q=retries:>0+state:succeeded&limit=1')).tasks[0];
    const failed = (await stack.get('/api/search?q=state:failed&limit=1')).tasks[0];
    await take('task', `/task/${(retried ?? failed).id}`, '#story', 'dark');
  });
  await step('a queue that stands still', async () => {
    for (let n = 0; n < 5; n += 1) await stack.post('/api/task/send-task/add', { kwargs: { x: n, y: 1 }, queue: 'mail' });
    await take('queues', '/queues', 'tr[data-key="mail"]:has-text("has stood still")');
  });
}

await within(stack, browser, run);
