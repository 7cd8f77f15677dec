// Turns the built page into C++: node scripts/embed.mjs DIST OUT.cpp
//
// Every file becomes an Asset (collector/src/assets.hpp): its path, type, ETag, and its bytes plain and compressed.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import { gzipSync } from 'node:zlib';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
};

const [dist, out] = process.argv.slice(2);
if (!dist || !out) {
  console.error('usage: node embed.mjs DIST OUT.cpp');
  process.exit(2);
}

function filesBelow(folder) {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? filesBelow(path) : [path];
    });
}

/** A C++ expression for the bytes: adjacent literals, so that no line is endless and no escape runs on. */
function literal(bytes) {
  if (bytes.length === 0) return '{}';
  const lines = [];
  for (let at = 0; at < bytes.length; at += 2048) {
    let line = '';
    for (const byte of bytes.subarray(at, at + 2048)) {
      const plain = byte >= 32 && byte < 127 && byte !== 34 && byte !== 92 && byte !== 63;
      line += plain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`;
    }
    lines.push(`"${line}"`);
  }
  return `{${lines.join('\n')}, ${bytes.length}}`;
}

const assets = filesBelow(dist).map((file) => {
  const path = `/${relative(dist, file).split(sep).join('/')}`;
  const type = TYPES[extname(file)];
  if (!type) throw new Error(`${path}: no content type is known for ${extname(file)}; add it to embed.mjs`);
  const plain = readFileSync(file);
  const gzip = gzipSync(plain, { level: 9 });
  const smaller = gzip.length < plain.length * 0.95 ? gzip : Buffer.alloc(0);
  const etag = createHash('sha256').update(plain).digest('hex').slice(0, 32);
  return { path, type, etag, plain, gzip: smaller };
});
if (!assets.some((asset) => asset.path === '/index.html')) throw new Error(`${dist}: no index.html`);

const rows = assets.map(
  (a) => `    {"${a.path}", "${a.type}", "\\"${a.etag}\\"",\n     ${literal(a.plain)},\n     ${literal(a.gzip)}},`,
);
writeFileSync(
  out,
  `// Made by collector/web/scripts/embed.mjs from the built page.
#include "assets.hpp"

namespace umbel::collector {
namespace {

constexpr Asset kAssets[] = {
${rows.join('\n')}
};

}  // namespace

std::span<const Asset> embedded_assets() { return kAssets; }

}  // namespace umbel::collector
`,
);
const bytes = (key) => assets.reduce((sum, asset) => sum + asset[key].length, 0);
console.log(`${assets.length} files, ${bytes('plain')} bytes, ${bytes('gzip')} compressed`);
