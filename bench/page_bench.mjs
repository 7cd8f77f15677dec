#!/usr/bin/env node
// The page in a real browser, over a real collector and worker: its first paint, how soon an event
// shows, and how it bears a thousand changes a second.
//
//   node bench/page_bench.mjs [--minutes 10] [--changes 1000]
//
// UMBEL_BIN_DIR: the programs (build/dev/bin). Both clocks that are compared are this machine's: the
// worker's, which stamps an event when it makes it, and the browser's, when the row stands in the
// document and again when the frame after it begins.
import { Browser, Stack, until } from '../tests/e2e/page_stack.mjs';

const options = { minutes: 10, changes: 1000 };
for (let i = 2; i < process.argv.length; i += 2) {
  const name = process.argv[i].replace(/^--/, '');
  const value = Number(process.argv[i + 1]);
  if (!(name in options) || !(value > 0)) {
    console.error(`page_bench: '${process.argv[i]} ${process.argv[i + 1] ?? ''}' is none of --minutes N, --changes N`);
    process.exit(2);
  }
  options[name] = value;
}

const EVENTS_OF_A_TASK = 3; // received, started, succeeded
const SENDERS = 8;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? NaN;
const ordered = (values) => [...values].sort((a, b) => a - b);
const ms = (value) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;

/** Tasks at a steady rate from several connections; what is behind is not caught up with. */
function load(stack, perSecond) {
  let going = true;
  let sent = 0;
  const sender = async (lane) => {
    const gap = (1000 * SENDERS) / perSecond;
    for (let due = Date.now() + (lane * gap) / SENDERS; going; due = Math.max(due + gap, Date.now() - gap)) {
      if (due > Date.now()) await sleep(due - Date.now());
      await stack.enqueue('noop', {});
      sent += 1;
    }
  };
  const all = Array.from({ length: SENDERS }, (_, lane) => sender(lane));
  return {
    sent: () => sent,
    stop: async () => {
      going = false;
      await Promise.all(all);
    },
  };
}

/** In the page: when each row first stood in the document, and how far apart frames were. */
function watch() {
  const seen = new Map();
  const frames = [];
  window.bench = { seen, frames };
  const wall = () => performance.timeOrigin + performance.now();
  new MutationObserver((records) => {
    for (const record of records) {
      for (const node of record.addedNodes) {
        if (!(node instanceof Element)) continue;
        for (const row of node.matches('[data-task]') ? [node] : node.querySelectorAll('[data-task]')) {
          const id = row.dataset.task;
          if (seen.has(id)) continue;
          const at = { row: wall(), painted: 0 };
          seen.set(id, at);
          requestAnimationFrame(() => setTimeout(() => (at.painted = wall())));
        }
      }
    }
  }).observe(document.querySelector('#tasks'), { childList: true, subtree: true });
  let last = 0;
  const frame = (now) => {
    if (last > 0) frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** From the event's own time to the row: of up to `most` of the rows that came since the last call. */
async function delays(stack, page, most) {
  const rows = await page.evaluate(() => {
    const all = [...window.bench.seen].filter(([, at]) => at.painted > 0);
    for (const [id] of all) window.bench.seen.set(id, { row: 0, painted: 0 });
    return all;
  });
  const step = Math.max(1, Math.floor(rows.length / most));
  const found = [];
  for (let i = 0; i < rows.length; i += step) {
    const [id, at] = rows[i];
    const told = await stack.get(`/api/task/detail/${id}`);
    const received = told.moments[0]?.at;
    if (received !== undefined) found.push({ row: at.row - received * 1000, painted: at.painted - received * 1000 });
  }
  return found;
}

function tell(what, found) {
  for (const kind of ['row', 'painted']) {
    const values = ordered(found.map((each) => each[kind]));
    console.log(`${what}, ${kind === 'row' ? 'in the document' : 'painted'}: p50 ${ms(quantile(values, 0.5))}, p99 ${ms(quantile(values, 0.99))}, most ${ms(values.at(-1) ?? NaN)} (${values.length} events)`);
  }
}

async function firstPaint(browser, base) {
  const paints = [];
  for (let n = 0; n < 5; n += 1) {
    const { context, page } = await browser.page({ viewport: { width: 1280, height: 900 } });
    await page.goto(base);
    paints.push(await page.evaluate(() => new Promise((done) => {
      new PerformanceObserver((list) => {
        const paint = list.getEntriesByName('first-contentful-paint')[0];
        if (paint) done(paint.startTime);
      }).observe({ type: 'paint', buffered: true });
    })));
    await context.close();
  }
  console.log(`first contentful paint, nothing cached: median of five ${ms(ordered(paints)[2])} (${paints.map((each) => each.toFixed(0)).join(', ')})`);
}

async function run(stack, browser) {
  for (const name of ['collector', 'worker']) stack.start(name);
  await stack.ready();
  await until('the worker is seen', async () => (await stack.get('/api/overview')).workers.some((worker) => worker.status === 'online'));
  await browser.open();
  await firstPaint(browser, stack.base);

  const { page } = await browser.page({ viewport: { width: 1280, height: 900 } });
  await page.goto(stack.base);
  await page.locator('#truth').waitFor();
  const first = await stack.enqueue('noop', {});
  await page.locator(`#tasks [data-task="${first}"]`).waitFor();
  const devtools = await page.context().newCDPSession(page);
  await page.evaluate(watch);

  const calm = load(stack, 10);
  await sleep(30_000);
  await calm.stop();
  await sleep(500);
  tell('event to page, 10 tasks/s', await delays(stack, page, 300));

  const heap = async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    return (await devtools.send('Runtime.getHeapUsage')).usedSize / 1e6;
  };
  const heavy = load(stack, options.changes / EVENTS_OF_A_TASK);
  await sleep(5_000); // what is measured is the steady state
  await page.evaluate(() => { window.bench.frames.length = 0; window.bench.seen.clear(); });
  const all = [];
  const began = Date.now();
  const before = (await stack.get('/api/system')).events.total;
  console.log(`heap of the page at the start of the load: ${(await heap()).toFixed(1)} MB`);
  const frames = [];
  for (let minute = 1; minute <= Math.ceil(options.minutes); minute += 1) {
    await sleep(Math.min(60_000, began + options.minutes * 60_000 - Date.now()));
    all.push(...(await delays(stack, page, 200)));
    const some = await page.evaluate(() => { window.bench.seen.clear(); return window.bench.frames.splice(0); });
    frames.push(...some);
    const rate = ((await stack.get('/api/system')).events.total - before) / ((Date.now() - began) / 1000);
    const mean = some.reduce((sum, each) => sum + each, 0) / some.length;
    console.log(`after ${((Date.now() - began) / 60_000).toFixed(1)} min: ${rate.toFixed(0)} events/s so far, ${(1000 / mean).toFixed(1)} frames/s, heap ${(await heap()).toFixed(1)} MB after collection`);
  }
  await heavy.stop();
  const sorted = ordered(frames);
  const late = frames.filter((each) => each > 25).length;
  console.log(`frames at that load: ${frames.length}, between two p50 ${ms(quantile(sorted, 0.5))}, p99 ${ms(quantile(sorted, 0.99))}, most ${ms(sorted.at(-1))}; ${((100 * late) / frames.length).toFixed(2)} % later than 25 ms`);
  tell('event to page at that load', all);
}

const stack = await Stack.make('schedules: []\n');
const browser = new Browser();
try {
  await run(stack, browser);
} catch (error) {
  process.exitCode = 1;
  console.log(`page_bench: ${error.stack}\n${stack.lastWords()}`);
} finally {
  await browser.close();
  await stack.stopAll();
}
