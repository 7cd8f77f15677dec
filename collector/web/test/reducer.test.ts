import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LiveState } from '../src/live/reducer';
import { KEPT_SECONDS, KEPT_SUBMISSIONS, KEPT_TASKS, reduce } from '../src/live/reducer';
import type { Change, Message, Queue, Snapshot, Submission, Task, Worker } from '../src/live/types';

function worker(name: string, more: Partial<Worker> = {}): Worker {
  return { name, status: 'online', active: 0, slots: 4, processed: 0, last_seen: 100, ...more };
}
function queue(name: string, more: Partial<Queue> = {}): Queue {
  return { name, ready: 0, delayed: 0, unacked: 0, consumers: 1, oldest_age: null, in_rate: 0, out_rate: 0, ...more };
}
function task(id: string, received: number, more: Partial<Task> = {}): Task {
  return { id, name: 'add', state: 'RECEIVED', received, ...more };
}
function submission(fullname: string, fetched: number): Submission {
  return {
    fullname, subreddit: 'cpp', title: fullname, author: null, score: 1, num_comments: 0,
    permalink: null, created: 1, fetched, simulated: true,
  };
}
function snapshot(more: Partial<Snapshot> = {}): Snapshot {
  return {
    type: 'snapshot', epoch: 'e1', seq: 10, now: 1000,
    truth: { level: 'ok', text: 'All well.' }, data_source: 'simulated',
    totals: { succeeded: 0, failed: 0, retried: 0, received: 0, running: 0, waiting: 0, started_at: 1 },
    monitor: { lag_seconds: 0.1, events_per_second: 0, missed_events: 0, cut_batches: 0, history_error: null, version: '0.1.0' },
    workers: [worker('b'), worker('a')], queues: [queue('q', { oldest_age: 3 })],
    tasks: [task('t1', 1), task('t2', 2)], submissions: [submission('s1', 1)],
    series: {
      step: 1, from: 998,
      points: { succeeded: [1, 2], failed: [0, 0], retried: [0, 0], received: [1, 2], running: [1, 1], ready: [null, 4] },
    },
    schedule: [], ...more,
  };
}
function after(state: LiveState | null, message: Message): LiveState {
  const step = reduce(state, message);
  assert.equal(step.kind, 'ok');
  return (step as { state: LiveState }).state;
}
function change(seq: number, more: Partial<Change> = {}): Change {
  return { type: 'change', seq, now: 1001, ...more };
}

describe('live stream', () => {
  it('starts with a snapshot, its tables in order', () => {
    const state = after(null, snapshot());
    assert.deepEqual(state.workers.map((row) => row.name), ['a', 'b']);
    assert.deepEqual(state.tasks.map((row) => row.id), ['t2', 't1']);
    assert.equal(state.seq, 10);
  });

  it('puts changed rows in the place of those with the same key', () => {
    const before = after(null, snapshot());
    const state = after(before, change(11, { workers: [worker('a', { active: 3 })], tasks: [task('t1', 1, { state: 'SUCCESS', finished: 5 })] }));
    assert.equal(state.workers.find((row) => row.name === 'a')?.active, 3);
    assert.equal(state.workers.length, 2);
    assert.deepEqual(state.tasks.map((row) => row.id), ['t1', 't2']);
    assert.equal(before.workers[0]?.active, 0, 'the earlier state is left as it was');
  });

  it('drops workers and queues that are gone', () => {
    const state = after(after(null, snapshot()), change(11, { workers_gone: ['b'], queues_gone: ['q'] }));
    assert.deepEqual(state.workers.map((row) => row.name), ['a']);
    assert.deepEqual(state.queues, []);
  });

  it('replaces truth, totals, monitor and source whole', () => {
    const state = after(after(null, snapshot()), change(11, { truth: { level: 'bad', text: 'No.' }, data_source: 'reddit' }));
    assert.deepEqual(state.truth, { level: 'bad', text: 'No.' });
    assert.equal(state.data_source, 'reddit');
    assert.equal(state.monitor.version, '0.1.0');
  });

  it('asks to connect anew where a change is missing, and skips one that it has', () => {
    const state = after(null, snapshot());
    assert.equal(reduce(state, change(12)).kind, 'gap');
    assert.equal(reduce(state, change(10)).kind, 'ignored');
    assert.equal(reduce(null, change(1)).kind, 'gap');
    assert.equal(reduce(state, { type: 'pong' }).kind, 'ignored');
  });

  it('resumes what it holds, and nothing that it does not', () => {
    const state = after(null, snapshot());
    assert.equal(after(state, { type: 'resumed', epoch: 'e1', seq: 14 }), state);
    assert.equal(reduce(state, { type: 'resumed', epoch: 'e2', seq: 14 }).kind, 'gap');
    assert.equal(reduce(null, { type: 'resumed', epoch: 'e1', seq: 14 }).kind, 'gap');
    assert.equal(after(state, change(11)).seq, 11);
  });

  it('takes a snapshot of another epoch as a new beginning', () => {
    const state = after(after(null, snapshot()), snapshot({ epoch: 'e2', seq: 0, tasks: [] }));
    assert.equal(state.seq, 0);
    assert.deepEqual(state.tasks, []);
  });

  it('keeps the newest tasks and submissions only', () => {
    const state = after(
      after(null, snapshot()),
      change(11, {
        tasks: Array.from({ length: 150 }, (_, index) => task(`n${index}`, 100 + index)),
        submissions: Array.from({ length: 40 }, (_, index) => submission(`n${index}`, 100 + index)),
      }),
    );
    assert.equal(state.tasks.length, KEPT_TASKS);
    assert.equal(state.tasks[0]?.id, 'n149');
    assert.equal(state.submissions.length, KEPT_SUBMISSIONS);
    assert.equal(state.submissions[0]?.fullname, 'n39');
  });

  it('keeps a task that still runs however many finish after it', () => {
    const running = task('slow', 1, { state: 'STARTED', started: 2 });
    const state = after(
      after(null, snapshot({ tasks: [running] })),
      change(11, { tasks: Array.from({ length: 150 }, (_, index) => task(`n${index}`, 100 + index, { state: 'SUCCESS' })) }),
    );
    assert.equal(state.tasks.length, KEPT_TASKS);
    assert.equal(state.tasks.at(-1)?.id, 'slow');
  });
});

describe('series', () => {
  it('appends a point each second', () => {
    const state = after(after(null, snapshot()), change(11, { point: { t: 1000, succeeded: 7, ready: 2 } }));
    assert.deepEqual(state.series.points.succeeded, [1, 2, 7]);
    assert.deepEqual(state.series.points.running, [1, 1, null]);
    assert.equal(state.series.from, 998);
  });

  it('leaves a gap where seconds were skipped', () => {
    const state = after(after(null, snapshot()), change(11, { point: { t: 1002, succeeded: 7 } }));
    assert.deepEqual(state.series.points.succeeded, [1, 2, null, null, 7]);
  });

  it('replaces a second that it has already', () => {
    const state = after(after(null, snapshot()), change(11, { point: { t: 999, succeeded: 9 } }));
    assert.deepEqual(state.series.points.succeeded, [1, 9]);
    assert.equal(state.series.from, 998);
  });

  it('holds the last quarter of an hour and no more', () => {
    let state = after(null, snapshot());
    for (let index = 0; index < KEPT_SECONDS + 5; index += 1) {
      state = after(state, change(11 + index, { point: { t: 1000 + index, succeeded: index } }));
    }
    assert.equal(state.series.points.succeeded.length, KEPT_SECONDS);
    assert.equal(state.series.points.ready.length, KEPT_SECONDS);
    assert.equal(state.series.points.succeeded.at(-1), KEPT_SECONDS + 4);
    assert.equal(state.series.from + KEPT_SECONDS - 1, 1000 + KEPT_SECONDS + 4);
  });

  it('survives a leap of the clock far beyond the window', () => {
    const state = after(after(null, snapshot()), change(11, { point: { t: 9_000_000, succeeded: 1 } }));
    assert.equal(state.series.points.succeeded.length, KEPT_SECONDS);
    assert.equal(state.series.points.succeeded.at(-1), 1);
    assert.equal(state.series.from, 9_000_000 - KEPT_SECONDS + 1);
  });

  it('begins with the first point where there was nothing', () => {
    const empty = after(null, snapshot({ series: { step: 1, from: 0, points: {} as never } }));
    const state = after(empty, change(11, { point: { t: 5000, succeeded: 1 } }));
    assert.deepEqual(state.series.points.succeeded, [1]);
    assert.equal(state.series.from, 5000);
  });

  it('remembers the oldest wait by the second, across a new snapshot too', () => {
    let state = after(after(null, snapshot()), change(11, { point: { t: 1000, succeeded: 7 } }));
    assert.deepEqual(state.observed.oldest, [null, null, 3]);
    state = after(state, snapshot({ series: { ...snapshot().series, from: 999 } }));
    assert.deepEqual(state.observed.oldest, [null, 3]);
  });
});
