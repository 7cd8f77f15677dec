// Takes pictures of the page over made-up data: node dev/screenshots.mjs OUT_DIR [filter]
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { Mock, serve } from './mock_server.mjs';

const out = process.argv[2] ?? 'screenshots';
const filter = process.argv[3] ?? '';
mkdirSync(out, { recursive: true });

const SHOTS = [
  ...['light', 'dark'].flatMap((theme) =>
    [360, 1280, 1920].map((width) => ({ name: `well-${theme}-${width}`, scenario: 'well', theme, width, full: true })),
  ),
  { name: 'trouble-light-1280', scenario: 'trouble', theme: 'light', width: 1280 },
  { name: 'trouble-dark-360', scenario: 'trouble', theme: 'dark', width: 360 },
  { name: 'empty-light-1280', scenario: 'empty', theme: 'light', width: 1280, full: true },
  { name: 'reddit-light-800', scenario: 'reddit', theme: 'light', width: 800, full: true },
  { name: 'wide-dark-2560', scenario: 'well', theme: 'dark', width: 2560 },
  { name: 'loading-dark-1280', scenario: 'well', theme: 'dark', width: 1280, silent: true },
  { name: 'lost-light-1280', scenario: 'well', theme: 'light', width: 1280, lose: true },
  { name: 'help-dark-1280', scenario: 'well', theme: 'dark', width: 1280, key: '?' },
  { name: 'open-light-1280', scenario: 'trouble', theme: 'light', width: 1280, openTask: true },
  { name: 'hover-light-1280', scenario: 'well', theme: 'light', width: 1280, hover: true },
  ...['light', 'dark'].flatMap((theme) =>
    [360, 1280, 1920].flatMap((width) => [
      { name: `tasks-${theme}-${width}`, scenario: 'well', theme, width, path: '/tasks' },
      { name: `beside-${theme}-${width}`, scenario: 'well', theme, width, path: '/tasks?q=state%3Afailed&task={id}' },
      { name: `task-${theme}-${width}`, scenario: 'well', theme, width, path: '/task/{id}', full: true },
    ]),
  ),
  ...['light', 'dark'].flatMap((theme) =>
    [360, 800, 1280].flatMap((width) => [
      { name: `worker-${theme}-${width}`, scenario: 'well', theme, width, path: '/worker/w2%40meadow', full: true },
      { name: `workers-${theme}-${width}`, scenario: 'trouble', theme, width, path: '/workers', full: true },
      { name: `queue-${theme}-${width}`, scenario: 'well', theme, width, path: '/queue/mail', full: true },
      { name: `queues-${theme}-${width}`, scenario: 'well', theme, width, path: '/queues', full: true },
    ]),
  ),
  { name: 'palette-light-1280', scenario: 'well', theme: 'light', width: 1280, path: '/tasks', key: 'Control+k' },
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
let port = 15_600;
let problems = 0;
for (const shot of SHOTS) {
  if (!shot.name.includes(filter)) continue;
  port += 1;
  const mock = new Mock({ scenario: shot.scenario });
  const server = await serve(mock, port, { silent: shot.silent });
  const page = await browser.newPage({
    viewport: { width: shot.width, height: shot.width < 640 ? 740 : shot.width > 1900 ? 1200 : 860 },
    colorScheme: shot.theme,
  });
  page.on('console', (message) => {
    if (message.type() === 'error' && !shot.lose) {
      problems += 1;
      console.log(`${shot.name}: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => {
    problems += 1;
    console.log(`${shot.name}: ${error.message}`);
  });
  let path = shot.path ?? '/';
  if (path.includes('{id}')) {
    const found = await (await fetch(`http://127.0.0.1:${port}/api/search?q=state:failed&limit=1`)).json();
    path = path.replace('{id}', found.tasks[0].id);
  }
  await page.goto(`http://127.0.0.1:${port}${path}`);
  await page.waitForTimeout(shot.silent ? 800 : 3500);
  if (shot.key) await page.keyboard.press(shot.key);
  if (shot.openTask) await page.locator('[data-state=failed] button').first().click();
  if (shot.hover) {
    await page.locator('#chart-finished .u-over').hover({ position: { x: 150, y: 60 } });
  }
  if (shot.lose) {
    server.close();
    server.closeAllConnections();
    mock.stop();
    await page.locator('#lost').waitFor();
    await page.waitForTimeout(1500);
  }
  await page.waitForTimeout(300);
  const overflow = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
  if (overflow > 0) {
    problems += 1;
    console.log(`${shot.name}: ${overflow} px too wide`);
  }
  await page.screenshot({ path: `${out}/${shot.name}.png`, fullPage: shot.full ?? false });
  await page.close();
  mock.stop();
  server.close();
  server.closeAllConnections();
}
await browser.close();
console.log(problems === 0 ? 'no problems' : `${problems} problems`);
process.exitCode = problems === 0 ? 0 : 1;
