/** Finds checkpoints by what a person typed. Pure. */

import { cellLabel, changesOf, headline } from './checkpoint.js';

/**
 * The rows of a history that are left, newest first: all of them where the text is empty. `variable:NAME` finds the cells
 * that changed that variable.
 *
 * Each is {row, text, hint}: the text to be marked in it, and the line of code in which it was found, '' or undefined
 * where the row shows the place anyhow.
 */
export function search(history, text, onlyLineage) {
  const rows = history.rows.filter((row) => !onlyLineage || history.lineage.has(row.checkpoint.id));
  const variable = text.match(/^variable:(\S+)$/)?.[1];
  if (variable) {
    const isChanged = (row) => changesOf(row.checkpoint).some(([, name]) => name === variable);
    return rows.filter(isChanged).map((row) => ({ row, text: variable }));
  }
  const wanted = text.toLowerCase();
  return rows
    .map((row) => ({ row, text, hint: wanted && matchedLine(row.checkpoint, wanted) }))
    .filter((item) => item.hint !== null);
}

/** Where a text in small letters occurs: a line of code, '' where the row shows it anyhow, null if nowhere. */
export function matchedLine(checkpoint, wanted) {
  const has = (text) => text.toLowerCase().includes(wanted);
  const { branches, tags, message } = checkpoint;
  if ([headline(checkpoint), cellLabel(checkpoint), ...branches, ...tags, message ?? ''].some(has)) return '';
  const line = checkpoint.code.split('\n').find(has);
  if (line) return line.trim();
  return changesOf(checkpoint).some(([, name]) => has(name)) ? '' : null;
}

/** [before, match, after]; [line] where the text does not occur in it. */
export function splitAtMatch(line, text) {
  const at = text ? line.toLowerCase().indexOf(text.toLowerCase()) : -1;
  if (at < 0) return [line];
  return [line.slice(0, at), line.slice(at, at + text.length), line.slice(at + text.length)];
}
