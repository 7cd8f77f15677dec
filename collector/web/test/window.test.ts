import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PageWindow } from '../src/query/window';

interface Row {
  id: string;
  text?: string;
}
const key = (row: Row) => row.id;
const rowsOf = (from: number, count: number): Row[] => Array.from({ length: count }, (_, index) => ({ id: `t${from + index}` }));

/** As the owner does it: fetch what is wanted, until nothing is. */
function settle(window: PageWindow<Row>, first: number, end: number, size: number, total: number): number {
  let fetched = 0;
  for (let want = window.wanted(first, end); want !== undefined; want = window.wanted(first, end)) {
    const from = Number(want.cursor ?? 0);
    const rows = rowsOf(from, Math.min(size, total - from));
    window.put(want.cursor, rows, from + size < total ? String(from + size) : null);
    fetched += 1;
    assert.ok(fetched < 1000, 'it never has enough');
  }
  window.trim(first, end);
  return fetched;
}

describe('a window over pages', () => {
  it('begins with the first page and asks for the next when its end is near', () => {
    const window = new PageWindow<Row>(key);
    assert.deepEqual(window.wanted(0, 40), { cursor: null });
    window.put(null, rowsOf(0, 100), 'c1');
    assert.equal(window.wanted(0, 40), undefined);
    assert.deepEqual(window.wanted(80, 120), { cursor: 'c1' });
    assert.equal(window.ended, false);
  });

  it('holds a few pages of a million rows, wherever it stands', () => {
    const window = new PageWindow<Row>(key, 6);
    const size = 10_000;
    for (let first = 0; first < 1_000_000; first += 7_000) settle(window, first, first + 60, size, 1_000_000);
    settle(window, 999_940, 1_000_000, size, 1_000_000);
    assert.equal(window.total, 1_000_000);
    assert.ok(window.ended);
    assert.ok(window.held <= 6 * size, `${window.held} rows held`);
    assert.deepEqual(window.slice(999_999, 1_000_050).rows, [{ id: 't999999' }]);
  });

  it('fetches a page again that it let go, and shows gaps meanwhile', () => {
    const window = new PageWindow<Row>(key, 3);
    for (let first = 0; first < 1000; first += 50) settle(window, first, first + 40, 100, 1000);
    assert.deepEqual(window.slice(0, 2).rows, [null, null]);
    assert.deepEqual(window.wanted(0, 40), { cursor: null });
    settle(window, 0, 40, 100, 1000);
    assert.deepEqual(window.slice(0, 2).rows, [{ id: 't0' }, { id: 't1' }]);
    assert.equal(window.total, 1000);
    assert.ok(window.held <= 300);
  });

  it('puts changes in place and tells which it knew', () => {
    const window = new PageWindow<Row>(key);
    window.put(null, rowsOf(0, 3), null);
    const found = window.update([{ id: 't1', text: 'new' }, { id: 'x' }]);
    assert.deepEqual([...found], ['t1']);
    assert.deepEqual(window.slice(0, 3).rows.map((row) => row?.text), [undefined, 'new', undefined]);
  });

  it('takes new rows above the first and others out', () => {
    const window = new PageWindow<Row>(key);
    window.put(null, rowsOf(0, 3), 'c');
    window.prepend([{ id: 'n' }]);
    window.remove(new Set(['t1']));
    assert.deepEqual(window.all().map(key), ['n', 't0', 't2']);
    assert.equal(window.total, 3);
    assert.equal(window.indexOf('t2'), 2);
  });

  it('shows a row once that moved between two pages', () => {
    const window = new PageWindow<Row>(key);
    window.put(null, rowsOf(0, 3), 'c');
    window.put('c', rowsOf(2, 3), null);
    assert.deepEqual(window.all().map(key), ['t0', 't1', 't2', 't3', 't4']);
  });

  it('goes on from an empty page of a search that ran out of time', () => {
    const window = new PageWindow<Row>(key);
    window.put(null, [], 'further');
    assert.equal(window.ended, false);
    assert.deepEqual(window.wanted(0, 40), { cursor: 'further' });
    window.put('further', rowsOf(0, 2), null);
    assert.equal(window.total, 2);
    assert.ok(window.ended);
  });

  it('leaves an answer to a question of before where it is', () => {
    const window = new PageWindow<Row>(key);
    window.put(null, rowsOf(0, 3), 'c');
    window.put('another', rowsOf(50, 3), null);
    assert.equal(window.total, 3);
    assert.equal(window.next, 'c');
  });
});
