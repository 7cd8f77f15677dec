// Runs the unit tests with Node's own test runner.
//
// Node 18 and 20 do not read TypeScript, so esbuild (which Vite brings) bundles each test first.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = mkdtempSync(join(tmpdir(), 'umbel-page-test-'));
try {
  const tests = readdirSync(join(root, 'test')).filter((name) => name.endsWith('.test.ts'));
  if (tests.length === 0) throw new Error('no tests found below test/');
  await build({
    entryPoints: tests.map((name) => join(root, 'test', name)),
    outdir: out,
    bundle: true,
    platform: 'node',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    // Views are named by routes.ts and never loaded here.
    external: ['*.svelte'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  const files = readdirSync(out)
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => join(out, name));
  const run = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], {
    stdio: 'inherit',
  });
  process.exitCode = run.status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
