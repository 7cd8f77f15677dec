import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SeriesAnswer } from '../src/api/figures';
import { hatched, longPast, shortPast } from '../src/views/past';
import type { Series, Values } from '../src/live/types';
import { RefreshPlan } from '../src/state/refresh';

describe('a long past', () => {
  const answer: SeriesAnswer = {
    step: 60, from: 0, to: 180, blind: [],
    points: { succeeded: [120, null, 30], running: [4, null, 2], wait_p50: [0.5, null, null] },
  };
  it('gives counts per second and levels as they are', () => {
    const past = longPast(answer, 180);
    assert.deepEqual(past.points.succeeded, [2, null, 0.5]);
    assert.deepEqual(past.points.running, [4, null, 2]);
    assert.deepEqual(past.points.wait_p50, [0.5, null, null]);
    assert.equal(past.filling, false);
  });
  it('divides the point still filling by what of it is over', () => {
    const past = longPast(answer, 130);
    assert.equal(past.filling, true);
    assert.deepEqual(past.points.succeeded, [2, null, 3]);
  });
});

describe('a thinned past', () => {
  it('keeps peaks, and rates as they are', () => {
    const length = 1440;
    const ready = new Array<number>(length).fill(1);
    ready[700] = 90;
    const past = longPast({ step: 60, from: 0, to: length * 60, blind: [], points: { succeeded: new Array<number>(length).fill(120), ready } }, length * 60);
    assert.equal(past.step, 360);
    assert.equal(past.points.succeeded.length, 240);
    assert.ok(past.points.succeeded.every((value) => value === 2));
    assert.equal(Math.max(...past.points.ready.map((value) => value ?? 0)), 90);
  });
});

describe('a short past', () => {
  const series: Series = {
    step: 1, from: 1000,
    points: Object.fromEntries(['succeeded', 'failed', 'retried', 'received', 'running', 'ready'].map((name) => [name, new Array<number>(900).fill(2)])) as unknown as Series['points'],
  };
  const quantile: Values = Array.from({ length: 900 }, (_, index) => Math.floor((1000 + index) / 10));
  const answer: SeriesAnswer = { step: 1, from: 1000, to: 1900, points: { wait_p99: quantile }, blind: [] };
  it('is of the live seconds, with the quantiles of the answer beside them', () => {
    const past = shortPast(series, answer, 900);
    assert.equal(past.step, 10);
    assert.equal(past.points.succeeded.length, 90);
    assert.equal(past.points.succeeded[5], 2);
    assert.equal(past.points.wait_p99[5], (past.from + 50) / 10);
  });
  it('says nothing of seconds that nobody watched', () => {
    const blind: Series = { ...series, points: { ...series.points, succeeded: series.points.succeeded.map((value, index) => (index < 450 ? null : value)) } };
    const past = shortPast(blind, answer, 900);
    assert.equal(past.points.wait_p99[10], null);
    assert.notEqual(past.points.wait_p99[80], null);
  });
  it('does not make up quantiles that are not here yet', () => {
    assert.ok(shortPast(series, null, 900).points.wait_p99.every((value) => value === null));
    assert.ok(shortPast(series, { ...answer, step: 60 }, 900).points.wait_p99.every((value) => value === null));
  });
});

describe('hatching', () => {
  it('leaves out what was read afterwards and what lies elsewhere', () => {
    const spans = hatched(
      [
        { from: 10, to: 20, reason: 'gap', lost_for_good: true, lost: 37 },
        { from: 20, to: 30, reason: 'outage', lost_for_good: false },
        { from: 200, to: 230, reason: 'gap', lost_for_good: true },
      ],
      0, 100,
    );
    assert.deepEqual(spans, [{ from: 10, to: 20, text: 'events of a worker are missing, 37 events lost' }]);
  });
});

describe('asking again', () => {
  const plan = () => new RefreshPlan(() => 3_000);
  it('waits until something has changed', () => {
    const asked = plan();
    asked.begin(0);
    asked.end(true);
    assert.equal(asked.wait(10_000), null);
    asked.noteChange();
    assert.equal(asked.wait(10_000), 0);
  });
  it('comes at most once in its time, from beginning to beginning', () => {
    const asked = plan();
    asked.begin(1_000);
    asked.noteChange();
    assert.equal(asked.wait(1_100), null, 'one is under way');
    asked.end(true);
    assert.equal(asked.wait(1_500), 2_500);
  });
  it('comes by itself after a failure, ever later', () => {
    const asked = plan();
    asked.begin(0);
    asked.end(false);
    assert.equal(asked.wait(0), 6_000);
    asked.begin(6_000);
    asked.end(false);
    assert.equal(asked.wait(6_000), 12_000);
    for (let n = 0; n < 10; n += 1) asked.end(false);
    assert.equal(asked.wait(6_000), 30_000);
    asked.end(true);
    asked.noteChange();
    assert.equal(asked.wait(6_000), 3_000);
  });
});
