// What the reader chose, remembered in this browser.
import type { Zone } from '../format/time';
import { RANGES, type Range } from './ranges';

export type Theme = 'system' | 'light' | 'dark';

const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
const ZONES: readonly Zone[] = ['utc', 'local'];

const RANGE_WORDS: readonly string[] = ['auto', ...RANGES.map(String)];

function asRange(word: string): Range | 'auto' {
  return RANGES.find((range) => String(range) === word) ?? 'auto';
}

// Storage may be refused (private windows, policies); a choice then lasts as long as the page.
function recall<T extends string>(key: string, allowed: readonly T[], otherwise: T): T {
  try {
    const value = localStorage.getItem(`umbel.${key}`);
    return allowed.find((choice) => choice === value) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`umbel.${key}`, value);
  } catch {
    return;
  }
}

class Prefs {
  theme = $state<Theme>(recall('theme', THEMES, 'system'));
  zone = $state<Zone>(recall('zone', ZONES, 'local'));
  /** The reader's choice; `auto` is the shortest. */
  range = $state<Range | 'auto'>(asRange(recall('range', RANGE_WORDS, 'auto')));

  constructor() {
    this.applyTheme();
  }

  cycleTheme(): void {
    const at = THEMES.indexOf(this.theme);
    this.theme = THEMES[(at + 1) % THEMES.length] ?? 'system';
    remember('theme', this.theme);
    this.applyTheme();
  }

  toggleZone(): void {
    this.zone = this.zone === 'utc' ? 'local' : 'utc';
    remember('zone', this.zone);
  }

  chooseRange(range: Range): void {
    this.range = range;
    remember('range', String(this.range));
  }

  private applyTheme(): void {
    if (this.theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
  }
}

export const prefs = new Prefs();
