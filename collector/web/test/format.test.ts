import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { count, exact, NONE, percent, plural, rate, unbroken } from '../src/format/count';
import { duration, exactDuration, ticking } from '../src/format/duration';
import { asPermalink } from '../src/format/permalink';
import { callArguments, shortened, splitTopLevel, stateKind } from '../src/format/task';
import { ago, clock, dateTime, exactTime, zoneName, fromIso } from '../src/format/time';

// 2026-11-22 14:02:05.123 UTC
const AT = Date.UTC(2026, 10, 22, 14, 2, 5, 123) / 1000;

describe('count', () => {
  const cases: [number | null | undefined, string][] = [
    [0, '0'],
    [7, '7'],
    [1204, '1,204'],
    [9999, '9,999'],
    [12_400, '12.4 k'],
    [10_000, '10 k'],
    [148_230, '148 k'],
    [999_400, '999 k'],
    [999_600, '1 M'],
    [1_250_000, '1.3 M'],
    [3_000_000_000, '3 G'],
    [-12_400, '-12.4 k'],
    [null, NONE],
    [undefined, NONE],
    [Number.NaN, NONE],
  ];
  for (const [value, text] of cases) {
    it(`says ${text} for ${value}`, () => assert.equal(count(value), text));
  }
  it('gives every digit for the tooltip', () => {
    assert.equal(exact(148_230), '148,230');
    assert.equal(exact(null), 'not known');
  });
  it('counts one worker and two workers', () => {
    assert.equal(plural(1, 'worker'), '1 worker');
    assert.equal(plural(0, 'worker'), '0 workers');
    assert.equal(plural(2, 'entry', 'entries'), '2 entries');
  });
});

describe('a sentence', () => {
  it('keeps figures with their units, and nothing else together', () => {
    const shown = unbroken('< 1 ms behind, 4 min 2 s, 100 % of 12 tasks, 3 sleep').replaceAll('\u00a0', '_');
    assert.equal(shown, '<_1_ms behind, 4_min 2_s, 100_% of 12 tasks, 3 sleep');
  });
});

describe('rate and percent', () => {
  it('keeps two figures of what is small and none of what is large', () => {
    assert.deepEqual([0, 0.004, 0.333, 7.25, 18.24, 1204].map(rate), [
      '0',
      '< 0.01',
      '0.33',
      '7.3',
      '18.2',
      '1,204',
    ]);
  });
  it('never rounds a little to none or nearly all to all', () => {
    assert.deepEqual([0, 0.0004, 0.003, 0.41, 0.9995, 1].map(percent), [
      '0 %',
      '< 0.1 %',
      '0.3 %',
      '41 %',
      '> 99.9 %',
      '100 %',
    ]);
    assert.equal(percent(null), NONE);
  });
});

describe('duration', () => {
  const cases: [number | null, string][] = [
    [0, '0 s'],
    [0.0004, '< 1 ms'],
    [0.42, '420 ms'],
    [0.9996, '1 s'],
    [2.44, '2.4 s'],
    [9.96, '10 s'],
    [59.6, '1 min'],
    [192, '3 min 12 s'],
    [180, '3 min'],
    [3599.7, '1 h'],
    [7500, '2 h 5 min'],
    [86_399, '1 d'],
    [273_600, '3 d 4 h'],
    [-2.5, '-2.5 s'],
    [null, NONE],
  ];
  for (const [seconds, text] of cases) {
    it(`says ${text} for ${seconds} s`, () => assert.equal(duration(seconds), text));
  }
  it('ticks in whole seconds and never below zero', () => {
    assert.deepEqual([0.9, 1.9, 61.2, -3].map(ticking), ['0 s', '1 s', '1 min 1 s', '0 s']);
  });
  it('is exact in the tooltip', () => {
    assert.equal(exactDuration(192.0440001), '192.044 s');
    assert.equal(exactDuration(undefined), 'not known');
  });
});

describe('time', () => {
  it('is relative within a day', () => {
    assert.equal(ago(AT, AT + 0.4, 'utc'), 'just now');
    assert.equal(ago(AT, AT - 1.5, 'utc'), 'just now');
    assert.equal(ago(AT, AT + 12.9, 'utc'), '12 s ago');
    assert.equal(ago(AT, AT + 250, 'utc'), '4 min ago');
    assert.equal(ago(AT, AT + 7300, 'utc'), '2 h ago');
    assert.equal(ago(AT, AT - 30, 'utc'), 'in 30 s');
  });
  it('is a date from a day on', () => {
    assert.equal(ago(AT, AT + 90_000, 'utc'), '22 Nov 14:02');
    assert.equal(dateTime(AT, 'utc'), '22 Nov 14:02');
  });
  it('says the zone in the tooltip', () => {
    assert.equal(exactTime(AT, 'utc'), '2026-11-22 14:02:05.123 UTC');
    assert.match(exactTime(AT, 'local'), /UTC[+-]\d\d:\d\d$/);
    assert.equal(zoneName(AT, 'utc'), 'UTC');
  });
  it('shows the clock with and without seconds', () => {
    assert.equal(clock(AT, 'utc'), '14:02:05');
    assert.equal(clock(AT, 'utc', false), '14:02');
  });
  it('makes no moment of nothing', () => {
    assert.equal(ago(null, AT, 'utc'), NONE);
    assert.equal(clock(0, 'utc'), NONE);
  });
});

describe('task', () => {
  it('knows the states of Celery and says when it does not', () => {
    assert.equal(stateKind('SUCCESS'), 'succeeded');
    assert.equal(stateKind('RECEIVED'), 'waiting');
    assert.equal(stateKind('RETRY'), 'retrying');
    assert.equal(stateKind('BORED'), 'unknown');
    assert.equal(stateKind(null), 'unknown');
  });
  it('writes the call as one would', () => {
    assert.equal(callArguments('(1, 2)', "{'x': 3}"), '1, 2, x=3');
    assert.equal(callArguments('(1,)', '{}'), '1');
    assert.equal(callArguments('()', '{}'), '');
    assert.equal(callArguments('[1, 2]', null), '1, 2');
    assert.equal(callArguments([1], { x: 2 }), '1, x=2');
  });
  it('does not take what stands in strings and brackets apart', () => {
    assert.equal(callArguments('()', "{'a': {'b': 1, 'c': 2}, 'd': 'x, y'}"), "a={'b': 1, 'c': 2}, d='x, y'");
    assert.deepEqual(splitTopLevel("'it\\'s, so', [1, 2]"), ["'it\\'s, so'", ' [1, 2]']);
  });
  it('leaves out where an address is, not what it is of', () => {
    assert.equal(shortened("'https://www.reddit.com/r/cpp/', n=1"), "'…/r/cpp/', n=1");
    assert.equal(shortened("'http://localhost'"), "'http://localhost'");
  });
  it('shows what is cut off or foreign as it came', () => {
    assert.equal(callArguments("('long...", undefined), "('long...");
  });
});

describe('permalink', () => {
  it('leads to Reddit for a real submission only', () => {
    assert.equal(
      asPermalink({ permalink: '/r/cpp/comments/1abc/x/', simulated: false }),
      'https://www.reddit.com/r/cpp/comments/1abc/x/',
    );
    assert.equal(asPermalink({ permalink: '/r/cpp/comments/1abc/x/', simulated: true }), null);
    assert.equal(asPermalink({ permalink: null, simulated: false }), null);
  });
  it('leads nowhere else, whatever the field says', () => {
    for (const permalink of ['javascript:alert(1)', '//evil.example/x', 'https://evil.example/', 'http://[']) {
      assert.equal(asPermalink({ permalink, simulated: false }), null, permalink);
    }
  });
});

describe('times as Celery writes them', () => {
  it('are read with their zone, and without one as UTC', () => {
    for (const text of ['1970-01-01T00:02:50.500000+00:00', '1970-01-01T00:02:50.500000', '1970-01-01T01:02:50.5+01:00', '1969-12-31T19:02:50.500-0500', '1970-01-01T00:02:50.5Z']) {
      assert.equal(fromIso(text), 170.5, text);
    }
    assert.equal(fromIso('1970-01-01 00:02'), 120);
    for (const text of ['', 'soon', '170', null, undefined]) assert.equal(fromIso(text), null);
  });
});
