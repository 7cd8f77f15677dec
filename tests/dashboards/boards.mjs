// The boards as files, and what their queries read.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const folder = join(repository, 'dashboards');

/** Every board: its file's name, its text, and what it says. */
export function boards() {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => {
      const text = readFileSync(join(folder, name), 'utf8');
      return { name, text, board: JSON.parse(text) };
    });
}

/** Every query of every panel. */
export function queries() {
  return boards().flatMap(({ name, board }) =>
    board.panels.flatMap((panel) =>
      (panel.targets ?? []).map((target) => ({ where: `${name}, ${panel.title} (${target.refId})`, panel, expr: target.expr })),
    ),
  );
}

/** Every family that the programs export, with its kind, from docs/metrics.md, which is the catalogue. */
export function families() {
  const metrics = readFileSync(join(repository, 'docs/metrics.md'), 'utf8');
  return new Map([...metrics.matchAll(/^\| `([a-z_]+)` \| (\w+) \|/gm)].map(([, name, kind]) => [name, kind]));
}

const WORDS = new Set(
  ('by on and or unless ignoring without group_left group_right offset bool sum max min avg count rate increase histogram_quantile time ' +
    'clamp_min clamp_max le').split(' '),
);

/** The series that an expression selects, as `name{matchers}`; words of the language and labels are none. */
export function selectors(expr) {
  const grouped = expr.replace(/\[[^\]]*\]/g, ' ').replace(/\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  const found = new Set();
  for (const [, name, matchers] of grouped.matchAll(/([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?/g)) {
    if (!WORDS.has(name) && (matchers || /[_:]|^up$|^ALERTS$/.test(name))) found.add(name + (matchers ?? ''));
  }
  return [...found];
}
