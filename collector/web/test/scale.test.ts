import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bars, cellKind, cellWords, histogram, niceDuration, rangeWords, thinned, unseen } from '../src/charts/scale';
import { count } from '../src/format/count';

describe('an axis of durations', () => {
  it('ends at a pleasant figure of the unit people say it in', () => {
    assert.deepEqual([0, 0.0034, 0.21, 7.2, 59, 61, 700, 3700, 100_000].map(niceDuration), [0.001, 0.004, 0.3, 8, 60, 120, 1200, 7200, 172_800]);
  });
  it('never ends below the value', () => {
    for (let value = 0.0007; value < 1e6; value *= 1.37) assert.ok(niceDuration(value) >= value * (1 - 1e-9), String(value));
  });
});

describe('a range', () => {
  it('is said as people say it', () => {
    assert.deepEqual([60, 900, 3600, 86_400, 604_800, 2_592_000].map(rangeWords), ['1 min', '15 min', '1 h', '24 h', '7 d', '30 d']);
  });
});

describe('what nobody saw', () => {
  it('is where no series has a value', () => {
    assert.deepEqual(unseen(100, 10, [[1, null, null, 2], [1, null, null, null]]).map(({ from, to }) => [from, to]), [[110, 130]]);
    assert.deepEqual(unseen(100, 10, [[null, 1, null], [0, null, null]]).map(({ from, to }) => [from, to]), [[120, 130]]);
  });
  it('is nothing where zero was seen', () => {
    assert.deepEqual(unseen(0, 1, [[0, 0]]), []);
  });
});

describe('thinning', () => {
  it('takes the mean of what was seen', () => {
    assert.deepEqual(thinned([1, 3, null, null, 5], 2), [2, null, 5]);
    assert.deepEqual(thinned([1, 2], 1), [1, 2]);
  });
});

describe('bars', () => {
  it('are as high as their values, and parts stand in them', () => {
    const shapes = bars([2, 4], [0, 4], 20, 11);
    assert.match(shapes.whole, /v-5\.00.*v-10\.00/);
    assert.match(shapes.part, /^M[^M]*v-10\.00[^M]*$/);
    assert.equal(shapes.blind, '');
  });
  it('tell nothing from not observed', () => {
    const shapes = bars([0, null], [], 20, 10);
    assert.match(shapes.whole, /^M[^M]*v-0\.60[^M]*$/);
    assert.match(shapes.blind, /^M[^M]*$/);
  });
  it('show even the smallest failure', () => {
    assert.match(bars([100_000], [1], 20, 10).part, /v-1\.50/);
  });
});

describe('a histogram', () => {
  const buckets = [{ le: 0, count: 0 }, { le: 10, count: 4 }, { le: 100, count: 0 }, { le: 1000, count: 2 }, { le: null, count: 0 }];
  it('leaves the empty ends out and keeps the hole', () => {
    assert.deepEqual(histogram(buckets, count).map((bar) => [bar.label, bar.count, bar.share]), [['0 to 10', 4, 1], ['10 to 100', 0, 0], ['100 to 1,000', 2, 0.5]]);
  });
  it('has names for both open ends', () => {
    assert.deepEqual(histogram([{ le: 5, count: 1 }, { le: '+Inf', count: 1 }], count).map((bar) => [bar.label, bar.end]), [['up to 5', '5'], ['over 5', '∞']]);
  });
  it('of nothing is nothing', () => {
    assert.deepEqual(histogram([{ le: 1, count: 0 }], count), []);
    assert.deepEqual(histogram([], count), []);
  });
});

describe('a cell of the strip', () => {
  const none = { succeeded: 0, failed: 0, running: 0, waiting: 0, missed: 0 };
  it('is painted as the worst in it', () => {
    assert.equal(cellKind(none), 'none');
    assert.equal(cellKind({ ...none, succeeded: 9 }), 'succeeded');
    assert.equal(cellKind({ ...none, succeeded: 9, running: 1 }), 'succeeded');
    assert.equal(cellKind({ ...none, running: 1, waiting: 1 }), 'running');
    assert.equal(cellKind({ ...none, succeeded: 9, missed: 1, running: 1 }), 'missed');
    assert.equal(cellKind({ ...none, succeeded: 9, missed: 1, failed: 1 }), 'failed');
  });
  it('says all of it', () => {
    assert.equal(cellWords({ ...none, succeeded: 58, failed: 2 }), '58 succeeded, 2 failed');
    assert.equal(cellWords(none), 'no tick');
  });
});
