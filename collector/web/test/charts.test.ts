import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { binned, lastSum, niceCeiling, spreadLabels } from '../src/charts/bins';
import { figures } from '../src/views/figures';
import { RANGES, rangeKey, rangeOf } from '../src/state/ranges';
import { drawnSpan, shownRange } from '../src/views/range';
import { reduce } from '../src/live/reducer';
import type { Snapshot, Values } from '../src/live/types';

describe('bins', () => {
  it('are means over what was seen', () => {
    const bins = binned(100, 1, [[1, 3, null, 5]], 4, 2);
    assert.deepEqual(bins.times, [100, 102]);
    assert.deepEqual(bins.values, [[2, 5]]);
    assert.equal(bins.filling, false);
  });
  it('say when the last one still fills', () => {
    const bins = binned(100, 1, [[1, 3, 8]], 4, 2);
    assert.deepEqual(bins.times, [98, 100, 102]);
    assert.deepEqual(bins.values, [[null, 2, 8]]);
    assert.equal(bins.filling, true);
  });
  it('leave a bin empty where nobody saw anything', () => {
    const bins = binned(100, 1, [[1, 1, null, null, null, null, 2, 2], [1, 1, null, null, 3, null, 2, 2]], 8, 2);
    assert.deepEqual(bins.values[0], [1, null, null, 2]);
  });
  it('of nothing are blind', () => {
    const bins = binned(100, 1, [[]], 4, 2);
    assert.deepEqual(bins.values, [[null, null]]);
  });
});

describe('axes', () => {
  it('end at a pleasant number', () => {
    assert.deepEqual([0, 0.3, 1, 1.1, 7, 18.2, 27, 101, 894].map(niceCeiling), [1, 0.3, 1, 2, 8, 20, 30, 200, 1000]);
  });
  it('keep labels apart and inside', () => {
    assert.deepEqual(spreadLabels([10, 12, 100], 16, 0, 200), [10, 26, 100]);
    assert.deepEqual(spreadLabels([198, 199], 16, 0, 200), [184, 200]);
    assert.deepEqual(spreadLabels([5, -9], 16, 0, 200), [16, 0]);
  });
});

describe('figures', () => {
  function state(succeeded: Values, failed: Values, more: Partial<Snapshot> = {}) {
    const none: Values = succeeded.map(() => 0);
    const step = reduce(null, {
      type: 'snapshot', epoch: 'e', seq: 1, now: 1000,
      truth: { level: 'ok', text: '' }, data_source: 'none',
      totals: { succeeded: 0, failed: 0, retried: 0, received: 0, running: 3, waiting: 12_400, started_at: 1 },
      monitor: { lag_seconds: 0.05, events_per_second: 2, missed_events: 0, cut_batches: 0, history_error: null, version: '1' },
      workers: [], queues: [], tasks: [], submissions: [], schedule: [],
      series: { step: 1, from: 0, points: { succeeded, failed, retried: none, received: none, running: none, ready: none } },
      ...more,
    });
    assert.equal(step.kind, 'ok');
    return (step as Extract<typeof step, { kind: 'ok' }>).state;
  }
  function of(id: string, from: ReturnType<typeof figures>) {
    const figure = from.find((candidate) => candidate.id === id);
    assert.ok(figure);
    return figure;
  }
  const full = (value: number | null, length = 900): Values => new Array<number | null>(length).fill(value);

  it('give tasks a minute and their failing share', () => {
    const found = figures(state(full(9), full(1)), 900);
    assert.equal(of('finished', found).value, '600');
    assert.equal(of('finished', found).unit, '/min');
    assert.equal(of('failing', found).value, '10');
    assert.equal(of('failing', found).note, '60 of 600 in 1 min');
  });
  it('do not claim a rate from what was not observed', () => {
    const found = figures(state(full(null), full(null)), 900);
    assert.equal(of('finished', found).value, '–');
    assert.equal(of('failing', found).value, '–');
  });
  it('count what was seen of a minute and say how much that is', () => {
    const half: Values = [...full(null, 870), ...full(2, 30)];
    const finished = of('finished', figures(state(half, [...full(null, 870), ...full(0, 30)]), 900));
    assert.deepEqual([finished.value, finished.note], ['60', 'in 30 s observed']);
  });
  it('keep the letter of a large count with its unit', () => {
    const row = { delayed: 0, unacked: 0, consumers: 1, oldest_age: 1, in_rate: 0, out_rate: 0 };
    const queues = [{ ...row, name: 'a', ready: 12_000 }, { ...row, name: 'b', ready: 400 }];
    const waiting = of('waiting-now', figures(state(full(1), full(0), { queues }), 900));
    assert.deepEqual([waiting.value, waiting.unit, waiting.exact], ['12.4', 'k', '12,400']);
  });
  it('name the queue that waits longest', () => {
    const row = { ready: 1, delayed: 0, unacked: 0, consumers: 1, in_rate: 0, out_rate: 0 };
    const oldest = of('oldest', figures(state(full(1), full(0), {
      queues: [{ ...row, name: 'a', oldest_age: 3 }, { ...row, name: 'b', oldest_age: 192 }, { ...row, name: 'c', oldest_age: null }],
    }), 900));
    assert.deepEqual([oldest.value, oldest.unit, oldest.note], ['3', 'min 12 s', 'in b']);
  });
  it('sum only what was seen', () => {
    assert.deepEqual(lastSum([9, null, 1, 2], 3), { sum: 3, seen: 2 });
  });
});

describe('range', () => {
  const seen = (seconds: number) => {
    const values: Values = [...new Array<null>(900 - seconds).fill(null), ...new Array<number>(seconds).fill(1)];
    return { step: 1, from: 0, points: { succeeded: values } } as unknown as Parameters<typeof drawnSpan>[1];
  };
  it('draws as much as there is to see, where it has only begun', () => {
    assert.deepEqual([0, 20, 60, 61, 300, 301, 900].map((seconds) => drawnSpan(900, seen(seconds))), [60, 60, 60, 300, 300, 900, 900]);
    assert.equal(drawnSpan(900, null), 900);
    assert.equal(drawnSpan(3600, seen(20)), 3600);
  });
  it('is what the reader chose, else the shortest', () => {
    assert.equal(shownRange(86_400), 86_400);
    assert.equal(shownRange('auto'), 900);
  });
  it('has a word for the address', () => {
    assert.deepEqual(RANGES.map(rangeKey), ['15min', '1h', '6h', '24h', '7d', '30d']);
    for (const range of RANGES) assert.equal(rangeOf(rangeKey(range)), range);
    assert.equal(rangeOf('2h'), null);
    assert.equal(rangeOf(null), null);
  });
});
