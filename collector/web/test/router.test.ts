import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fillPath, matchPath, withQuery } from '../src/router/path';
import { NAV, placeAt, type Route } from '../src/router/routes';

const load = () => Promise.reject(new Error('not needed here'));
const routes: Route[] = [
  { paths: ['/'], nav: 'overview', load },
  { paths: ['/queues', '/broker'], nav: 'queues', load },
  { paths: ['/queue/:name'], nav: 'queues', object: 'name', load },
  { paths: ['/task/:id'], nav: 'tasks', object: 'id', load },
];

describe('paths', () => {
  it('match as a whole, with or without a slash at the end', () => {
    assert.deepEqual(matchPath('/tasks', '/tasks'), {});
    assert.deepEqual(matchPath('/tasks', '/tasks/'), {});
    assert.deepEqual(matchPath('/', '/'), {});
    assert.equal(matchPath('/tasks', '/tasks/1'), null);
    assert.equal(matchPath('/tasks', '/task'), null);
    assert.equal(matchPath('/', '/tasks'), null);
  });
  it('give their parameter as it was before it was put in', () => {
    for (const name of ['w1@meadow', 'a b', 'a/b', '100%', 'ü', 'a+b', 'x?y#z']) {
      const path = fillPath('/worker/:name', { name });
      assert.deepEqual(matchPath('/worker/:name', path), { name }, path);
    }
  });
  it('take a name with slashes that were not escaped', () => {
    assert.deepEqual(matchPath('/queue/:name', '/queue/a/b'), { name: 'a/b' });
  });
  it('are refused when a parameter is missing or broken', () => {
    assert.equal(matchPath('/task/:id', '/task/'), null);
    assert.equal(matchPath('/task/:id', '/task/%E0%A4%A'), null);
  });
});

describe('places', () => {
  it('are found by any of their paths', () => {
    assert.equal(placeAt('/broker', routes)?.route, routes[1]);
    assert.deepEqual(placeAt('/queue/reddit', routes)?.params, { name: 'reddit' });
    assert.equal(placeAt('/nowhere', routes), null);
  });
  it('have keys of their own', () => {
    assert.equal(new Set(NAV.map((entry) => entry.key)).size, NAV.length);
  });
  it('at the top level all have a view', () => {
    for (const entry of NAV) {
      const place = placeAt(entry.href);
      if (place !== null) assert.equal(place.route.nav, entry.id);
    }
    assert.equal(placeAt('/')?.route.nav, 'overview');
  });
});

describe('queries', () => {
  it('keep what is not changed', () => {
    const query = new URLSearchParams('q=state%3Afailed&sort=-runtime');
    assert.equal(withQuery(query, { sort: 'runtime' }), '?q=state%3Afailed&sort=runtime');
    assert.equal(withQuery(query, { q: null, sort: '' }), '');
    assert.equal(withQuery(query, { q: 'a b&c' }), '?q=a+b%26c&sort=-runtime');
  });
});
