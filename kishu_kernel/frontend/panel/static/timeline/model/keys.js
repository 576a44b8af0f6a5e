/** What a key means, in the list of states and in the whole panel. Pure: events come in as values, actions go out. */

/**
 * The index that a key moves the selection to, -1 being "nothing is selected yet". Null for other keys, for keys that are
 * held together with Ctrl, Alt or Cmd, and in an empty list.
 */
export function listTarget({ key, ctrlKey, metaKey, altKey }, { selected, count, pageRows }) {
  if (!count || ctrlKey || metaKey || altKey) return null;
  const targets = new Map([
    ['ArrowDown', selected + 1],
    ['ArrowUp', selected - 1],
    ['PageDown', selected + pageRows],
    ['PageUp', selected - pageRows],
    ['Home', 0],
    ['End', count - 1],
  ]);
  return targets.has(key) ? Math.min(count - 1, Math.max(0, targets.get(key))) : null;
}

/** What a key does with the state that is selected: "go", "show", "compare", "menu"; null for other keys. */
export function rowAction({ key, ctrlKey, metaKey, altKey, shiftKey }) {
  if (altKey) return null;
  if (ctrlKey || metaKey) return key === 'Enter' ? 'compare' : null;
  if (key === 'ContextMenu' || (key === 'F10' && shiftKey)) return 'menu';
  if (shiftKey) return null;
  return new Map([['Enter', 'go'], [' ', 'show']]).get(key) ?? null;
}

/**
 * What the panel does on a key that no part of it took; null for nothing. Escape ends one thing at a time: a comparison,
 * then the details, then a search.
 */
export function panelAction({ key }, { comparing, detailsShown, searching, inField }) {
  if (key === 'Escape') {
    if (comparing) return 'endComparing';
    if (detailsShown) return 'closeDetails';
    if (searching) return 'clearSearch';
  }
  return key === '/' && !inField ? 'focusSearch' : null;
}
