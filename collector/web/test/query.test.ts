import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TaskRow } from '../src/api/types';
import { followable, glob, matches } from '../src/query/matches';
import { parse, type Term } from '../src/query/parse';
import { ranked } from '../src/query/rank';
import { bytes, pieces, placeOfByte, quoted, valueOf, withTerm } from '../src/query/terms';

interface Case {
  q: string;
  ok?: Term[];
  error?: string;
  at?: number;
}
const table = JSON.parse(readFileSync(join(process.cwd(), '..', 'query_cases.json'), 'utf8')) as { now: number; cases: Case[] };

describe('the search grammar', () => {
  it('has cases', () => assert.ok(table.cases.length > 50));
  for (const { q, ok, error, at } of table.cases) {
    it(`reads ${JSON.stringify(q)}`, () => {
      const told = parse(q, table.now);
      if (ok !== undefined) {
        assert.deepEqual(told, { ok: true, terms: ok });
        return;
      }
      assert.equal(told.ok, false);
      if (told.ok) return;
      assert.ok(told.error.includes(error ?? ''), `${told.error} does not say ${error}`);
      assert.equal(told.at, at);
    });
  }
});

const ROW: TaskRow = {
  id: '5e0f01', name: 'reddit.fetch_submission', state: 'FAILURE', args: '()', kwargs: "{'url': 'https://x/y'}",
  worker: 'w1@meadow', queue: 'reddit', received: 1000, started: 1000.4, finished: 1006, runtime: 5.6, result: null,
  exception: "TimeoutError('no answer')", retries: 1,
};
function hit(q: string, row: TaskRow = ROW): boolean {
  const told = parse(q, 2000);
  assert.ok(told.ok, q);
  return matches(told.terms, row);
}

describe('a row', () => {
  const HITS = [
    '', 'state:failed', 'state:finished', 'name:reddit.*', 'name:*submission', 'worker:w1@meadow', 'id:5e0f',
    'runtime:>5s', 'runtime:1s..6s', 'wait:<=400ms', 'retries:1', 'TIMEOUT', '"no answer"', 'kwargs:url', 'after:999 before:1001',
    'name:add,reddit.*', '-state:succeeded', '-worker:w2*', 'exception:timeouterror state:failed',
  ];
  const MISSES = [
    'state:running', 'name:reddit', 'name:*.fetch', 'worker:W1@meadow', 'id:e0f', 'id:5E0F', 'runtime:<5s', 'wait:>400ms', 'retries:>1',
    'after:1001', 'before:1000', '-timeout', 'state:failed name:add', 'result:None',
  ];
  for (const q of HITS) it(`is found by ${q}`, () => assert.equal(hit(q), true));
  for (const q of MISSES) it(`is not found by ${q}`, () => assert.equal(hit(q), false));
  it('of a state of its own runs', () => {
    assert.equal(hit('state:running', { ...ROW, state: 'PROGRESS' }), true);
    assert.equal(hit('state:waiting', { ...ROW, state: 'RETRY' }), true);
  });
  it('that does not tell a runtime is in no span of runtimes, nor outside of one by -', () => {
    const waiting = { ...ROW, runtime: null };
    assert.equal(hit('runtime:<5s', waiting), false);
    assert.equal(hit('-runtime:<5s', waiting), true);
  });
  it('cannot be judged by what the stream does not tell', () => {
    const told = parse('error:0123456789abcdef state:failed', 0);
    assert.ok(told.ok && !followable(told.terms));
    const plain = parse('state:failed', 0);
    assert.ok(plain.ok && followable(plain.terms));
  });
});

describe('globs', () => {
  it('match the whole text', () => {
    assert.ok(glob('a*c', 'abbc') && glob('*', '') && glob('a*b*c', 'a-b-c') && glob('**', 'x'));
    assert.ok(!glob('a*a', 'a') && !glob('a*b', 'abc') && !glob('ab', 'abc') && !glob('a*bc*c', 'abc'));
  });
});

describe('terms', () => {
  it('are cut at spaces outside of quotes', () => {
    assert.deepEqual(pieces(' name:"my task",b  -x "a b" ').map((piece) => piece.text), ['name:"my task",b', '-x', '"a b"']);
    assert.deepEqual(pieces('name:"open end').map((piece) => piece.text), ['name:"open end']);
    assert.deepEqual(pieces('it"s fine').map((piece) => piece.text), ['it"s', 'fine']);
  });
  it('know key and value', () => {
    assert.deepEqual(pieces('-State:failed').map(({ key, value, not }) => [key, value, not]), [['state', 'failed', true]]);
    assert.deepEqual(pieces('"a:b" word').map(({ key }) => key), [null, null]);
  });
  it('are put in, replaced and taken out', () => {
    assert.equal(withTerm('timeout', 'state', 'failed'), 'timeout state:failed');
    assert.equal(withTerm('state:failed timeout state:revoked', 'state', 'running'), 'state:running timeout');
    assert.equal(withTerm('-state:failed x', 'state', 'running'), '-state:failed x state:running');
    assert.equal(withTerm('state:failed x', 'state', null), 'x');
    assert.equal(valueOf('x state:failed,revoked', 'state'), 'failed,revoked');
  });
  it('are quoted where they must be, and read back the same', () => {
    for (const value of ['plain', 'a b', 'a,b', 'say "hi"', 'back\\slash', '']) {
      if (value === '') continue;
      const told = parse(`name:${quoted(value)}`, 0);
      assert.deepEqual(told, { ok: true, terms: [{ key: 'name', any: [value] }] });
    }
  });
  it('have places in bytes and in signs', () => {
    const text = 'größe 🌱 x';
    for (const place of [0, 2, 3, 6, 8, 10]) assert.equal(placeOfByte(text, bytes(text.slice(0, place))), place);
  });
});

describe('what is meant', () => {
  const names = ['reddit.discover', 'reddit.fetch_submission', 'add', 'shop.add_order', 'Workers'];
  const found = (typed: string) => ranked(names, typed, (name) => name, 3);
  it('begins with what is typed before it holds it, and a word begins before it goes on', () => {
    assert.deepEqual(found('add'), ['add', 'shop.add_order']);
    assert.deepEqual(found('work'), ['Workers']);
    assert.equal(found('fetch')[0], 'reddit.fetch_submission');
  });
  it('is found by its letters in order', () => {
    assert.equal(found('rfs')[0], 'reddit.fetch_submission');
    assert.deepEqual(found('xyz'), []);
  });
  it('is all of it when nothing is typed', () => assert.deepEqual(found(''), names.slice(0, 3)));
});
