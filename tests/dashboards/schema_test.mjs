// The boards against Grafana's published types, and against what a board of ours has to have.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { boards, families, repository, selectors } from './boards.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** What the compiler says of texts that each claim to be a board; names to complaints. */
function complaints(texts) {
  const options = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: [],
  };
  const sources = new Map(
    Object.entries(texts).map(([name, text]) => [
      join(here, `${name}.ts`),
      `import type { Board } from './board.js';\nexport const board: Board = ${text};\n`,
    ]),
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => sources.has(file) || fileExists.call(host, file);
  host.readFile = (file) => sources.get(file) ?? readFile.call(host, file);
  host.getSourceFile = (file, ...rest) =>
    sources.has(file) ? ts.createSourceFile(file, sources.get(file), ...rest) : getSourceFile.call(host, file, ...rest);
  const program = ts.createProgram([...sources.keys()], options, host);
  const said = new Map(Object.keys(texts).map((name) => [name, []]));
  for (const each of ts.getPreEmitDiagnostics(program)) {
    const name = each.file && Object.keys(texts).find((known) => each.file.fileName.endsWith(`/${known}.ts`));
    const line = each.file ? each.file.getLineAndCharacterOfPosition(each.start).line : 0;
    const text = `line ${line}: ${ts.flattenDiagnosticMessageText(each.messageText, '\n')}`;
    if (!name) throw new Error(`${each.file?.fileName}: ${text}`);
    said.get(name).push(text);
  }
  return said;
}

test('every board is what the schema of Grafana says', () => {
  const said = complaints(Object.fromEntries(boards().map(({ name, text }) => [name, text])));
  for (const [name, list] of said) assert.deepEqual(list, [], name);
});

test('what the schema does not know is noticed, wherever it stands', () => {
  const { text } = boards().find(({ name }) => name === 'tasks.json');
  const change = (edit) => {
    const board = JSON.parse(text);
    edit(board, (type) => board.panels.find((panel) => panel.type === type));
    return JSON.stringify(board, null, 1);
  };
  const wrong = {
    board: change((board) => (board.graphToltip = 1)),
    panel: change((_, first) => (first('stat').descripton = 'x')),
    kind: change((_, first) => (first('stat').type = 'statt')),
    stat: change((_, first) => (first('stat').options.colorMode = 'loud')),
    graph: change((_, first) => (first('timeseries').options.legend.placment = 'bottom')),
    custom: change((_, first) => (first('timeseries').fieldConfig.defaults.custom.fillOpacty = 3)),
    unit: change((_, first) => (first('timeseries').fieldConfig.defaults.unit = 5)),
    heatmap: change((_, first) => delete first('heatmap').options.color.scheme),
    table: change((_, first) => (first('table').options.cellHeight = 'tiny')),
    target: change((_, first) => (first('table').targets[0].formatt = 'table')),
    variable: change((board) => (board.templating.list[0].hide = 'no')),
  };
  for (const [name, list] of complaints(wrong)) assert.notEqual(list.length, 0, `a wrong ${name} was not noticed`);
});

const known = () => {
  const rules = readFileSync(join(repository, 'prometheus/rules/umbel.yml'), 'utf8');
  const names = new Set(['up', 'ALERTS', 'scrape_samples_scraped']);
  for (const [, name] of rules.matchAll(/record: (\S+)/g)) names.add(name);
  for (const [name, kind] of families()) {
    names.add(name);
    if (kind === 'histogram') for (const part of ['bucket', 'sum', 'count']) names.add(`${name}_${part}`);
  }
  return names;
};

for (const { name, board } of boards()) {
  test(`${name} can be found, read and left`, () => {
    assert.equal(board.uid, `umbel-${name.replace('.json', '')}`);
    assert.match(board.title, /^Umbel: /);
    assert.ok(board.tags.includes('umbel'));
    assert.ok(board.description.length > 10);
    assert.ok(board.links.some(({ type, url }) => type === 'link' && url.startsWith('${page}/')), 'no link to the page');
    const ids = board.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, 'panels share an id');
    const variables = new Set(board.templating.list.map((each) => each.name));
    const used = [...JSON.stringify(board.panels).matchAll(/\$\{?([a-z]+)\b(?![._])/g)].map(([, each]) => each);
    for (const each of used) assert.ok(variables.has(each), `$${each} is no variable of the board`);
    for (const each of variables) assert.ok(each === 'datasource' || used.includes(each) || each === 'page', `$${each} is not used`);
  });

  test(`${name}: panels have a title, a unit and a place of their own`, () => {
    const taken = new Map();
    for (const panel of board.panels) {
      const { x, y, w, h } = panel.gridPos;
      assert.ok(x >= 0 && x + w <= 24, `${panel.title} is wider than the board`);
      for (let column = x; column < x + w; ++column) {
        for (let line = y; line < y + h; ++line) {
          const key = `${column},${line}`;
          assert.ok(!taken.has(key), `${panel.title} lies on ${taken.get(key)}`);
          taken.set(key, panel.title);
        }
      }
      assert.ok(panel.title, `panel ${panel.id} has no title`);
      if (panel.type === 'stat' || panel.type === 'timeseries') assert.ok(panel.fieldConfig.defaults.unit, `${panel.title} has no unit`);
      if (panel.type === 'heatmap') assert.ok(panel.options.yAxis.unit, `${panel.title} has no unit`);
      if (panel.type === 'stat') assert.ok(panel.fieldConfig.defaults.noValue, `${panel.title} does not say what nothing means`);
    }
  });

  test(`${name}: queries read what there is, and invent nothing`, () => {
    const names = known();
    for (const panel of board.panels) {
      for (const { expr } of panel.targets ?? []) {
        assert.doesNotMatch(expr, /vector\(|absent/, `${panel.title}: nothing is no zero`);
        const read = selectors(expr);
        assert.ok(read.length > 0, `${panel.title}: ${expr} reads nothing`);
        for (const each of read) assert.ok(names.has(each.replace(/\{.*/, '')), `${panel.title}: ${each} is neither in docs/metrics.md nor a rule`);
      }
    }
  });
}

test('the page has every address that a board leads to', () => {
  const addresses = ['', 'tasks', 'name', 'names', 'workers', 'worker', 'queues', 'queue', 'schedule', 'errors', 'submissions', 'system'];
  for (const { name, text } of boards()) {
    for (const [, path] of text.matchAll(/\$\{page\}\/([a-z]*)/g)) assert.ok(addresses.includes(path), `${name}: /${path}`);
  }
});

test('boards can be changed in Grafana, and find their data source by its id', () => {
  const provider = readFileSync(join(repository, 'dashboards/provisioning/dashboards/umbel.yml'), 'utf8');
  assert.match(provider, /^ +allowUiUpdates: true$/m);
  const source = readFileSync(join(repository, 'dashboards/provisioning/datasources/prometheus.yml'), 'utf8');
  assert.match(source, /^ +uid: prometheus$/m);
  for (const { name, board } of boards()) {
    const chosen = board.templating.list.find((each) => each.name === 'datasource');
    assert.equal(chosen.current.value, 'prometheus', name);
  }
});
