// Fails when the built page has more JavaScript than it may: node scripts/size.mjs DIST
//
// On a slow line every kilobyte of script is time before the first figure shows.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const MOST = 150_000;

const dist = process.argv[2] ?? 'dist';
const scripts = readdirSync(join(dist, 'assets')).filter((name) => name.endsWith('.js'));
if (scripts.length === 0) throw new Error(`${dist}/assets: no scripts`);
const sizes = scripts
  .map((name) => ({ name, size: gzipSync(readFileSync(join(dist, 'assets', name)), { level: 9 }).length }))
  .sort((a, b) => b.size - a.size);
const total = sizes.reduce((sum, { size }) => sum + size, 0);
console.log(`${total} bytes of compressed JavaScript, of ${MOST}`);
if (total > MOST) {
  for (const { name, size } of sizes) console.log(`${String(size).padStart(8)}  ${name}`);
  console.log('The page has grown beyond what it may: leave something out, or make it smaller.');
  process.exitCode = 1;
}
