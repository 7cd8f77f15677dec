// What in a list is meant by a few letters; pure.

/** How well `text` is meant by `typed`; 0: not at all. */
export function likeness(text: string, typed: string): number {
  const hay = text.toLowerCase();
  const needle = typed.toLowerCase().trim();
  if (needle === '') return 1;
  if (hay === needle) return 100;
  if (hay.startsWith(needle)) return 80 - Math.min(20, hay.length - needle.length) / 4;
  const at = hay.indexOf(needle);
  if (at >= 0) return (/[^a-z0-9]/.test(hay[at - 1] ?? '') ? 60 : 40) - Math.min(20, at) / 4;
  // The letters in their order, as in `rfs` for reddit.fetch_submission.
  let found = -1;
  for (const letter of needle) {
    found = hay.indexOf(letter, found + 1);
    if (found < 0) return 0;
  }
  return 10 - Math.min(9, (found - needle.length) / 8);
}

/** The `most` items that are meant, best first; those alike in their order. */
export function ranked<Item>(items: readonly Item[], typed: string, text: (item: Item) => string, most: number): Item[] {
  return items
    .map((item, index) => ({ item, index, score: likeness(text(item), typed) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, most)
    .map(({ item }) => item);
}
