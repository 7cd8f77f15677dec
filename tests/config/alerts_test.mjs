// Every alert tells what it means and where to look, and is tried both ways: firing and not firing.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const read = (path) => readFileSync(join(repository, path), 'utf8');

const alerts = read('prometheus/rules/umbel.yml')
  .split(/^ +- (?=alert: |record: )/m)
  .filter((rule) => rule.startsWith('alert: '))
  .map((rule) => ({ name: /^alert: (\S+)/.exec(rule)[1], rule }));

// As GitHub makes them from headings.
const anchors = new Set(
  [...read('docs/operations.md').matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-'),
  ),
);

const cases = readdirSync(join(repository, 'prometheus/tests'))
  .flatMap((file) => read(`prometheus/tests/${file}`).split(/^ +- eval_time: /m).slice(1))
  .map((text) => ({ name: /alertname: (\S+)/.exec(text)[1], fires: !/exp_alerts: \[\]/.test(text) }));

test('there are alerts, and cases', () => {
  assert.ok(alerts.length >= 15, `${alerts.length} alerts`);
  assert.ok(cases.length >= 2 * alerts.length, `${cases.length} cases`);
});

for (const { name, rule } of alerts) {
  test(`${name} says what it means, and where to look`, () => {
    assert.match(rule, /labels: \{severity: (critical|warning)\}/);
    assert.match(rule, /summary: "/);
    const runbook = /runbook: docs\/operations\.md#(\S+)/.exec(rule)?.[1];
    assert.ok(runbook && anchors.has(runbook), `docs/operations.md has no heading #${runbook}`);
    assert.match(rule, /page: ["']http:\/\/localhost:5555\/(queue|tasks|schedule|workers|system|submissions)\b/);
    for (const [, name] of rule.matchAll(/^ +page: .*\{\{ (.*?) \}\}/gm)) assert.match(name, /\| urlquery /, 'a name in an address');
  });

  test(`${name} is tried, firing and not firing`, () => {
    const own = cases.filter((each) => each.name === name);
    assert.ok(own.some(({ fires }) => fires), 'no case fires');
    assert.ok(own.some(({ fires }) => !fires), 'no case stays quiet');
  });
}
