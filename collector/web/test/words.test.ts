import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BlindSpan, ErrorGroup, NameFigures, ScheduleAnswer, ScheduleItem, SystemAnswer } from '../src/api/figures';
import { kindOf } from '../src/format/task';
import { lastEnd, outcomeKind, tickEnd } from '../src/format/tick';
import { inZone, sameClock, zoneWord } from '../src/format/zone';
import type { Queue, Worker } from '../src/live/types';
import {
  blindSeconds, blindWords, bytes, entryWords, errorsWords, namesWords, parameterWords, queuesWords, queueWords,
  scheduleWords, softwareText, systemWords, workersWords, workerWords,
} from '../src/views/words';

const NOW = 1_700_000_000;

function name(given: Partial<NameFigures>): NameFigures {
  return {
    name: 'add', queue: 'umbel', received: 0, succeeded: 0, failed: 0, retried: 0, rate: 0, failure_ratio: null, wait: null, run: null,
    running: 0, waiting: 0, last_seen: NOW, total: 0, spark: [], spark_failed: [], ...given,
  };
}

describe('the line of the names', () => {
  it('sums up what finished', () => {
    assert.deepEqual(namesWords([name({ succeeded: 40 }), name({ name: 'b', succeeded: 2 })], 5), { level: 'ok', text: '42 tasks of 2 names finished in the last 5 min; none failed.' });
  });
  it('names what fails often enough to tell before one failure of two', () => {
    const words = namesWords([name({ name: 'rare', succeeded: 1, failed: 1 }), name({ name: 'flaky', succeeded: 88, failed: 12 })], 60);
    assert.deepEqual(words, { level: 'warn', text: 'flaky fails 12 % of the time: 12 of 100 in the last hour; one other name failed too.' });
  });
  it('is bad where most fails', () => {
    assert.equal(namesWords([name({ failed: 3 })], 1).level, 'bad');
    assert.equal(namesWords([name({ failed: 1 })], 1).level, 'warn');
  });
  it('does not make a fuss of little, and claims nothing of nothing', () => {
    assert.equal(namesWords([name({ succeeded: 999, failed: 1 })], 1).level, 'ok');
    assert.equal(namesWords([name({})], 1).text, 'Nothing has finished in the last minute.');
    assert.equal(namesWords([], 1).level, 'unknown');
  });
});

function worker(given: Partial<Worker>): Worker {
  return { name: 'w1', status: 'online', active: 0, slots: 4, processed: 0, last_seen: NOW, ...given };
}

describe('what nobody knows', () => {
  it('is not shown as what it was last', () => {
    assert.equal(kindOf({ state: 'STARTED', unknown_since: NOW }), 'unknown');
    assert.equal(kindOf({ state: 'STARTED', unknown_since: null }), 'running');
  });
  it('is not taken for nothing in a queue', () => {
    const untold: Queue = { name: 'q', ready: 3, delayed: null, unacked: null, consumers: 1, oldest_age: null, in_rate: null, out_rate: null };
    assert.equal(queueWords(untold, NOW).text, '3 tasks wait.');
    assert.equal(queuesWords([untold], NOW).text, '3 tasks wait in 1 queue; all move.');
  });
});

describe('the line of the workers', () => {
  it('counts who is there', () => {
    assert.equal(workersWords([worker({ active: 3 }), worker({ name: 'w2' })], NOW).text, '2 workers online, 3 of 8 slots in use.');
    assert.equal(workersWords([worker({ active: 4 })], NOW).text, '1 worker online, 4 of 4 slots in use. All are busy.');
    const mute = workersWords([worker({ name: 'w1', silent: true }), worker({ name: 'w2' })], NOW);
    assert.equal(mute.level, 'warn');
    assert.match(mute.text, /^w1 tells of no task that runs there; 2 workers online/);
  });
  it('says who is lost before who is stuck', () => {
    const lost = worker({ name: 'w2', status: 'lost', last_seen: NOW - 240 });
    const words = workersWords([worker({ stuck: 1 }), lost], NOW);
    assert.equal(words.level, 'bad');
    assert.match(words.text, /^w2 is lost since 4 min/);
    assert.equal(workersWords([worker({ stuck: 1 })], NOW).level, 'warn');
    assert.equal(workersWords([worker({ status: 'left' })], NOW).level, 'bad');
  });
  it('of one says how it is', () => {
    assert.equal(workerWords(worker({}), NOW).text, 'Online and idle: 4 slots free.');
    assert.equal(workerWords(worker({ status: 'lost', last_seen: NOW - 60 }), NOW).level, 'bad');
    assert.equal(workerWords(worker({ stuck: 2 }), NOW).level, 'warn');
    assert.match(workerWords(worker({ silent: true }), NOW).text, /its events are off/);
    assert.equal(workerWords(worker({ slots: 0, active: 1 }), NOW).text, 'Online, 1 task in hand.');
    assert.match(workerWords(worker({ status: 'lost', sw: 'py-celery 5.2.6' }), NOW).text, /may be lost/);
    assert.match(workerWords(worker({ status: 'lost', sw: 'umbel 0.1.0' }), NOW).text, /is given to others/);
    assert.equal(softwareText(worker({ sw: 'py-celery 5.2.6' })), 'celery 5.2.6');
    assert.equal(softwareText(worker({ sw: null })), '–');
  });
});

function queue(given: Partial<Queue>): Queue {
  return { name: 'reddit', ready: 0, delayed: 0, unacked: 0, consumers: 1, oldest_age: null, in_rate: 0, out_rate: 0, ...given };
}

describe('the line of the queues', () => {
  it('says why one stands still, in the words of the collector', () => {
    const words = queuesWords([queue({}), queue({ name: 'stuck', ready: 9, oldest_age: 250, stalled_since: NOW - 240, why: 'its workers are all busy with sleep' })], NOW);
    assert.deepEqual(words, { level: 'bad', text: 'Queue stuck has stood still for 4 min: its workers are all busy with sleep.' });
  });
  it('sees by itself that nobody takes from it', () => {
    assert.match(queuesWords([queue({ ready: 1, consumers: 0, oldest_age: 60 })], NOW).text, /has stood still for 1 min: no worker takes from it\./);
  });
  it('is calm where all moves', () => {
    assert.deepEqual(queuesWords([queue({ ready: 6, oldest_age: 0.4 })], NOW), { level: 'ok', text: '6 tasks wait in 1 queue, the oldest for less than a second; all move.' });
    assert.equal(queuesWords([queue({})], NOW).text, 'Nothing waits in 1 queue.');
  });
  it('of one says when it will be empty, or that it grows', () => {
    assert.match(queueWords(queue({ ready: 60, oldest_age: 8, out_rate: 5, drain_seconds: 12 }), NOW).text, /empty in 12 s/);
    assert.match(queueWords(queue({ ready: 60, oldest_age: 8, in_rate: 9, out_rate: 5, drain_seconds: 12 }), NOW).text, /more comes in than goes out/);
    assert.equal(queueWords(queue({ consumers: 0 }), NOW).level, 'warn');
  });
});

function group(given: Partial<ErrorGroup>): ErrorGroup {
  return {
    fingerprint: 'f', type: 'ValueError', message: '#', sample_message: null, sample_task: null, count: 1, first_seen: NOW - 90_000,
    last_seen: NOW, names: [{ name: 'add', count: 1 }], workers: [], spark: [], new: false, ...given,
  };
}

describe('the line of the errors', () => {
  it('says first what is new', () => {
    const words = errorsWords([group({ count: 900 }), group({ type: 'KeyError', count: 37, new: true })], 1440);
    assert.deepEqual(words, { level: 'bad', text: 'New since an hour ago: KeyError in add, 37 times. 1 kind known before.' });
  });
  it('is well where nothing failed', () => {
    assert.deepEqual(errorsWords([], 60), { level: 'ok', text: 'No task has failed in the last hour.' });
    assert.equal(errorsWords([group({})], 60).level, 'warn');
  });
});

function entry(given: Partial<ScheduleItem>): ScheduleItem {
  return {
    name: 'nightly', task: 'add', queue: 'umbel', expression: '0 3 * * *', words: 'at 03:00 every day', zone: 'UTC', next: [NOW + 60],
    paused: null, last_due: NOW - 60, last_task: null, last_outcome: 'succeeded', missed: 0, lag_p99: null, strip: null, ...given,
  };
}

describe('the line of the schedule', () => {
  const answer = (entries: ScheduleItem[], more: Partial<ScheduleAnswer> = {}): ScheduleAnswer => ({ entries, error: null, scheduler: { last_seen: NOW - 1 }, now: NOW, ...more });
  it('says what comes next', () => {
    assert.deepEqual(scheduleWords(answer([entry({}), entry({ name: 'soon', next: [NOW + 5] })]), NOW), { level: 'ok', text: '2 entries, all on time. Next: soon in 5 s.' });
  });
  it('says that no scheduler runs before anything else but a broken file', () => {
    assert.equal(scheduleWords(answer([entry({})], { scheduler: { last_seen: NOW - 300 } }), NOW).level, 'bad');
    assert.match(scheduleWords(answer([entry({})], { error: { since: 1, in_force_since: 1, what: 'x' } }), NOW).text, /file has an error/);
  });
  it('says what failed, and leaves what is paused out of what comes', () => {
    assert.match(scheduleWords(answer([entry({ last_outcome: 'failed' })]), NOW).text, /^The last run of nightly failed\./);
    assert.equal(scheduleWords(answer([entry({ paused: { since: NOW - 9, reason: 'painted' } })]), NOW).text, '1 entry, 1 paused, all on time.');
  });
  it('does not call well what is on time and fails', () => {
    const cell = (failed: number) => ({ succeeded: 1, failed, running: 0, waiting: 0, missed: 0 });
    const strip = (...cells: number[]) => ({ from: NOW - 7200, step: 1800, cells: cells.map(cell) });
    const words = scheduleWords(answer([entry({ strip: strip(9, 0, 0) }), entry({ name: 'report', strip: strip(0, 2, 3) })]), NOW);
    assert.equal(words.level, 'warn');
    assert.match(words.text, /^2 entries, all on time; 5 tasks of report failed lately\./);
  });
  it('of one entry says when, and why not', () => {
    assert.equal(entryWords(entry({}), NOW).text, 'At 03:00 every day; next in 1 min.');
    assert.match(entryWords(entry({ paused: { since: NOW - 60, reason: 'painted' } }), NOW).text, /^Paused for 1 min: painted\./);
  });
  it('knows the outcomes', () => {
    assert.deepEqual(['succeeded', 'FAILED', 'missed', 'enqueued', 'whatever', null].map(outcomeKind), ['succeeded', 'failed', 'retrying', 'succeeded', 'unknown', 'unknown']);
  });
});

describe('a tick', () => {
  it('ends as its task does', () => {
    assert.deepEqual(lastEnd({ last_outcome: 'enqueued', last_state: 'FAILURE' }), { kind: 'failed', text: 'failed' });
    assert.deepEqual(lastEnd({ last_outcome: 'enqueued' }), { kind: 'succeeded', text: 'enqueued' });
    assert.deepEqual(lastEnd({ last_outcome: 'missed', last_state: null }), { kind: 'retrying', text: 'missed' });
    assert.deepEqual(tickEnd({ outcome: 'enqueued', state: 'FAILURE' }), { kind: 'failed', text: 'failed' });
    assert.deepEqual(tickEnd({ outcome: 'enqueued', state: null }), { kind: 'succeeded', text: 'enqueued' });
    assert.deepEqual(tickEnd({ outcome: 'missed', state: null }), { kind: 'retrying', text: 'missed' });
  });
});

describe('what was not seen', () => {
  const span = (from: number, to: number, given: Partial<BlindSpan> = {}): BlindSpan => ({ from, to, reason: 'gap', lost_for_good: true, ...given });
  it('counts once where spans lie over each other, and not at all where it was read afterwards', () => {
    assert.equal(blindSeconds([span(10, 20), span(15, 30), span(28, 29)], 0, 100), 20);
    assert.equal(blindSeconds([span(10, 20, { lost_for_good: false })], 0, 100), 0);
    assert.equal(blindSeconds([span(-50, 5), span(90, 500)], 0, 100), 15);
  });
  it('is said with its reason', () => {
    assert.equal(blindWords(span(0, 1, { lost: 1 })), 'events of a worker are missing, 1 event lost');
    assert.equal(blindWords(span(0, 1, { reason: 'cut', lost: 0 })), 'the broker may have cut batches off');
    assert.equal(blindWords(span(0, 1, { reason: 'cut', lost: 2 })), 'the broker cut batches off, 2 batches lost');
    assert.equal(blindWords(span(0, 1, { reason: 'stopped', lost_for_good: false })), 'the monitor did not run; what was kept was read afterwards');
  });
});

describe('the line of the system', () => {
  const answer = (events: Partial<SystemAnswer['events']>, blind: BlindSpan[] = []) =>
    ({ events: { per_second: 20, total: 1, lag_seconds: 0.04, missed: 0, cut_batches: 0, backlog: 0, ...events }, blind, now: NOW }) as unknown as SystemAnswer;
  it('says that it keeps up, or by how much it does not', () => {
    assert.deepEqual(systemWords(answer({})), { level: 'ok', text: 'The monitor keeps up: 40 ms behind, 20 events/s, nothing missed.' });
    assert.equal(systemWords(answer({ lag_seconds: 12 })).text, 'The monitor is behind by 12 s.');
    assert.equal(systemWords(answer({ missed: 37 })).level, 'warn');
    assert.equal(systemWords(answer({ lag_seconds: null })).level, 'unknown');
  });
  it('owns up to what it did not see today', () => {
    assert.match(systemWords(answer({}, [{ from: NOW - 100, to: NOW - 40, reason: 'gap', lost_for_good: true }])).text, /not everything was seen for 1 min of the last 24 h/i);
  });
});

describe('sizes and parameters', () => {
  it('are said in units', () => {
    assert.deepEqual([0, 999, 12_400, 999_600, 88_412_160, null].map(bytes), ['0 B', '999 B', '12.4 kB', '1 MB', '88.4 MB', '–']);
  });
  it('are written as one would declare them', () => {
    assert.deepEqual(['x', { name: 'x', required: true }, { name: 'n', default: 3 }, { name: 'o', required: false }].map(parameterWords), ['x', 'x', 'n = 3', 'o (optional)']);
  });
});

describe('the clocks of a zone', () => {
  const at = Date.UTC(2026, 10, 23, 11, 5) / 1000;
  it('show its time, with the date once it is far', () => {
    assert.equal(inZone(at, 'America/New_York', at), 'Mon 06:05');
    assert.equal(inZone(at, 'Europe/Berlin', at - 40 * 86_400), '23 Nov 12:05');
    assert.equal(inZone(at, 'UTC', at, true), 'Mon 11:05:00');
    assert.equal(inZone(at, 'Nowhere/Land', at), 'Mon 11:05');
  });
  it('are compared by what they show', () => {
    assert.equal(sameClock('Europe/Berlin', 'Europe/Paris', at), true);
    assert.equal(sameClock('Europe/Berlin', 'UTC', at), false);
    assert.equal(zoneWord('America/New_York'), 'New York');
  });
});
