// What the soak measures of a process, of files and of a series of samples. No state.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

// Of /proc/<pid>; nothing if it is gone. `own`: memory that is no file's; kilobytes.
export function processFigures(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? NaN);
    return {
      rss: field('VmRSS'),
      own: field('RssAnon'),
      threads: field('Threads'),
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
    };
  } catch {
    return undefined;
  }
}

export function childrenOf(pid) {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

export function commandOf(pid) {
  try {
    return { program: readlinkSync(`/proc/${pid}/exe`), words: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') };
  } catch {
    return undefined;
  }
}

// Bytes of a file, or of everything in a folder; 0 if it is not there.
export function sizeOf(path) {
  try {
    const facts = statSync(path);
    if (!facts.isDirectory()) return facts.size;
    return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
  } catch {
    return 0;
  }
}

// By how much the straight line through the points rises from the first to the last.
export function rise(points) {
  const n = points.length;
  if (n < 3) return 0;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  let covariance = 0;
  let variance = 0;
  for (const [x, y] of points) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  return variance === 0 ? 0 : (covariance / variance) * (points[n - 1][0] - points[0][0]);
}

// The least of each stretch of `width` of x: what stays when what comes and goes has gone.
export function floor(points, width) {
  const least = new Map();
  for (const [x, y] of points) {
    const stretch = Math.floor(x / width);
    if (!least.has(stretch) || y < least.get(stretch)[1]) least.set(stretch, [x, y]);
  }
  return [...least.values()];
}

// What a process has open, by kind and name, and how many of each; connections by their number alone.
export function openThings(pid) {
  const counted = new Map();
  try {
    for (const name of readdirSync(`/proc/${pid}/fd`)) {
      let target;
      try {
        target = readlinkSync(`/proc/${pid}/fd/${name}`).replace(/:\[\d+\]$/, '');
      } catch {
        continue; // closed meanwhile
      }
      counted.set(target, (counted.get(target) ?? 0) + 1);
    }
  } catch {
    // the process is gone
  }
  return counted;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? NaN : sorted[Math.floor(sorted.length / 2)];
}
