// When a key press is meant for the page, and not for what is being typed or a dialog.

/** Whether the event goes into a field. */
export function typing(event: KeyboardEvent): boolean {
  return event.target instanceof Element && event.target.closest('input, textarea, select, [contenteditable]') !== null;
}

/** A plain key for a view: no field, no modifier, no dialog open. */
export function forView(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return false;
  return !typing(event) && document.querySelector('dialog[open]') === null;
}
