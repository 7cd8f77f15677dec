// Brings what has just been opened into view, if it opened below the edge.
export function slide(node: HTMLElement): void {
  node.scrollIntoView({ block: 'nearest' });
}
