// What the reader chose, remembered in this browser.
import type { Zone } from '../format/time';

export type Theme = 'system' | 'light' | 'dark';
export const RANGES = [60, 300, 900] as const;
export type Range = (typeof RANGES)[number];

const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
const ZONES: readonly Zone[] = ['utc', 'local'];

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
  range = $state<Range>(
    (Number(recall('range', RANGES.map(String) as readonly string[], '900')) as Range) ?? 900,
  );

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

  setRange(range: Range): void {
    this.range = range;
    remember('range', String(range));
  }

  private applyTheme(): void {
    if (this.theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
  }
}

export const prefs = new Prefs();
