// The tab's icon and title follow the truth, so that a glance at the tab bar is enough.
import type { TruthLevel } from '../live/types';

// Middle tones: a tab bar may be light or dark, whatever the page's theme is.
const COLOURS: Readonly<Record<TruthLevel, string>> = {
  ok: '#2f9c60',
  warn: '#d08a12',
  bad: '#db4a40',
  unknown: '#7e8a84',
};
const TITLES: Readonly<Record<TruthLevel, string>> = {
  ok: 'All well',
  warn: 'Needs a look',
  bad: 'Trouble',
  unknown: 'Not known',
};
const UPRIGHT = {
  rays: 'M16 30V19M16 20Q8 18 5.2 13.7M16 20Q11 15 9.6 9M16 20V7M16 20Q21 15 22.4 9M16 20Q24 18 26.8 13.7',
  florets: [[5.2, 13], [9.6, 8.2], [16, 6], [22.4, 8.2], [26.8, 13]],
};
// In trouble the umbel hangs its head: the shape tells it as well as the colour.
const DROOPING = {
  rays: 'M16 30V10M16 10Q6 8 4.8 19M16 10Q10 9 10.2 20M16 10V8M16 10Q22 9 21.8 20M16 10Q26 8 27.2 19',
  florets: [[4.8, 20.5], [10.3, 21.5], [16, 6.5], [21.7, 21.5], [27.2, 20.5]],
};

export function iconFor(level: TruthLevel): string {
  const colour = COLOURS[level];
  const shape = level === 'bad' ? DROOPING : UPRIGHT;
  const filled = level === 'ok' || level === 'bad';
  const florets = shape.florets
    .map(([x, y]) => `<circle cx="${x}" cy="${y}" r="${filled ? 3.1 : 2.3}"/>`)
    .join('');
  const paint = filled
    ? `fill="${colour}" stroke="none"`
    : `fill="none" stroke="${colour}" stroke-width="1.6"`;
  return `data:image/svg+xml,${encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke="${colour}" stroke-width="2" stroke-linecap="round"><path d="${shape.rays}"/><g ${paint}>${florets}</g></svg>`,
  )}`;
}

export function showInTab(level: TruthLevel, connected: boolean, view: string): void {
  const shown = connected ? level : 'unknown';
  document.title = `${connected ? TITLES[level] : 'Disconnected'} · ${view} · Umbel`;
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (link !== null) link.href = iconFor(shown);
}
