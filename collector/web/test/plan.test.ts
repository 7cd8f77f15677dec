import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ASK_AFTER_MS, GIVE_UP_AFTER_MS, judgeSilence, liveUrl, ReconnectPlan } from '../src/live/plan';

describe('reconnecting', () => {
  it('waits longer after each loss, up to ten seconds', () => {
    const plan = new ReconnectPlan();
    const waits = Array.from({ length: 7 }, () => plan.lost(0.5));
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });
  it('begins anew once it was served', () => {
    const plan = new ReconnectPlan();
    plan.lost(0.5);
    plan.lost(0.5);
    plan.served();
    assert.equal(plan.lost(0.5), 500);
  });
  it('spreads the attempts of many pages', () => {
    assert.equal(new ReconnectPlan().lost(0), 400);
    assert.equal(new ReconnectPlan().lost(1), 600);
  });
  it('asks into a silence once, then gives up', () => {
    assert.equal(judgeSilence(ASK_AFTER_MS - 1, false), 'fine');
    assert.equal(judgeSilence(ASK_AFTER_MS, false), 'ask');
    assert.equal(judgeSilence(ASK_AFTER_MS + 1000, true), 'fine');
    assert.equal(judgeSilence(GIVE_UP_AFTER_MS, true), 'dead');
  });
  it('names what it has', () => {
    const page = { protocol: 'http:', host: 'localhost:5555' };
    assert.equal(liveUrl(page, null, null), 'ws://localhost:5555/api/live');
    assert.equal(liveUrl(page, 12, 'a b'), 'ws://localhost:5555/api/live?since=12&epoch=a%20b');
    assert.equal(liveUrl({ protocol: 'https:', host: 'x' }, 0, 'e'), 'wss://x/api/live?since=0&epoch=e');
  });
});
