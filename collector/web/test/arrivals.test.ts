import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TaskDetail, TaskRow } from '../src/api/types';
import { headline, story } from '../src/format/story';
import { arrivals } from '../src/query/arrivals';
import { parse } from '../src/query/parse';

function task(id: string, received: number, more: Partial<TaskRow> = {}): TaskRow {
  return { id, name: 'add', state: 'SUCCESS', received, ...more };
}
function terms(q: string) {
  const told = parse(q, 0);
  assert.ok(told.ok);
  return told.terms;
}

describe('a change of the stream', () => {
  const listed = new Map([['a', task('a', 100, { sent: 99, wait: null })]]);
  const find = (id: string) => listed.get(id) ?? null;
  it('brings what is new and fits, newest first', () => {
    const told = arrivals([task('b', 101), task('c', 103), task('d', 102, { state: 'FAILURE' })], terms('state:succeeded'), 100, find);
    assert.deepEqual(told.fresh.map((row) => row.id), ['c', 'b']);
  });
  it('leaves out what belongs further down', () => {
    assert.deepEqual(arrivals([task('b', 50)], terms(''), 100, find).fresh, []);
    assert.equal(arrivals([task('b', 50)], terms(''), null, find).fresh.length, 1);
  });
  it('changes what is listed and keeps what only the search told', () => {
    const told = arrivals([task('a', 100, { started: 101 })], terms('wait:1s..1s'), 100, find);
    assert.equal(told.changed[0]?.sent, 99);
    assert.equal(told.changed[0]?.wait, null);
    assert.deepEqual([...told.gone], []);
  });
  it('tells what fits no longer', () => {
    const told = arrivals([task('a', 100)], terms('state:running'), 100, find);
    assert.deepEqual([...told.gone], ['a']);
    assert.deepEqual(told.fresh, []);
  });
});

function detail(more: Partial<TaskRow>, rest: Partial<TaskDetail> = {}): TaskDetail {
  return {
    task: task('a', 100, more), values: { args: null, kwargs: null, result: null }, children: [], parent: null, accepted: null,
    schedule: null, attempts: [], moments: [], can: { retry: { allowed: true, why: null }, revoke: { allowed: false, why: null } }, now: 110,
    ...rest,
  };
}
const ATTEMPTS: TaskDetail['attempts'] = [
  { n: 1, worker: 'w1', received: 100, started: 101, ended: 102, outcome: 'retried', detail: null },
  { n: 2, worker: 'w2', received: 104, started: 104, ended: 106.4, outcome: 'failed', detail: null },
];

describe('a task in a sentence', () => {
  it('says how it ended, after how much', () => {
    assert.equal(headline(detail({ runtime: 0.42 }), 110), 'Succeeded in 420 ms.');
    assert.equal(
      headline(detail({ state: 'FAILURE', runtime: 2.4, exception: "TimeoutError('x')\nmore" }, { attempts: ATTEMPTS }), 110),
      "Failed after 2 attempts in 2.4 s: TimeoutError('x')",
    );
  });
  it('counts the time of a failed one from its start, which Celery does not tell', () => {
    assert.equal(headline(detail({ state: 'FAILURE', started: 101, finished: 103.4 }), 110), 'Failed in 2.4 s.');
  });
  it('says what it does now', () => {
    assert.equal(headline(detail({ state: 'STARTED', started: 98, worker: 'w1' }), 110), 'Running for 12 s on w1.');
    assert.equal(headline(detail({ state: 'PENDING', queue: 'mail', received: 107 }), 110), 'Waiting in queue mail for 3 s.');
    assert.equal(headline(detail({ state: 'RECEIVED', worker: 'w1' }), 110), 'Taken by w1 and not started for 10 s.');
    assert.equal(headline(detail({ state: 'PENDING', eta: '1970-01-01T00:02:50+00:00' }), 110), 'Held until its time, in 1 min.');
    assert.equal(headline(detail({ state: 'RECEIVED', worker: 'w1', eta: '1970-01-01T02:02:50.000000+02:00' }), 110), 'Held by w1 until its time, in 1 min.');
    assert.equal(headline(detail({ state: 'REVOKED' }, { moments: [{ at: 100, type: 'revoked', worker: 'w1', detail: 'expired' }] }), 110), 'Expired before it started.');
    assert.equal(headline(detail({ state: 'REVOKED' }), 110), 'Revoked before it started.');
  });
});

describe("a task's time", () => {
  it('has a lane for the queue and each attempt, on one axis', () => {
    const told = story(detail({ state: 'FAILURE' }, { accepted: 99, attempts: ATTEMPTS }), 110);
    assert.ok(told);
    assert.deepEqual([told.from, told.to], [99, 106.4]);
    assert.deepEqual(told.lanes.map((lane) => lane.label), ['Queue', 'Attempt 1', 'Attempt 2']);
    assert.deepEqual(told.lanes[2]?.segments.map(({ from, to }) => [from, to]), [[102, 104], [104, 106.4]]);
  });
  it('goes on to now while it runs', () => {
    const told = story(detail({ state: 'STARTED' }, { attempts: [{ n: 1, worker: 'w', received: 100, started: 101, ended: null, outcome: 'running', detail: null }] }), 110);
    assert.equal(told?.to, 110);
    assert.equal(told?.lanes[0]?.label, 'Run');
  });
  it('is nothing where no time is known', () => assert.equal(story(detail({ received: null }), 110), null));
});
