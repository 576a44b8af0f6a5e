/** What a row of the list shows besides its checkpoint. Pure. */

import { formatAge } from './format.js';
import { graphWidth } from './graph.js';

/**
 * Everything that the look of a row depends on, but for the checkpoint itself.
 *
 * `view` is {history, selection, isComplete}; isComplete: no row is left out by a search.
 */
export function rowState(items, index, { history, selection, isComplete }, now = new Date()) {
  const { id, timestamp } = items[index].row.checkpoint;
  return {
    isHead: history.isHere(id),
    inLineage: history.lineage.has(id),
    isSelected: id === selection.selected,
    isFirstOfTwo: id === selection.first,
    beginsSession: isComplete && beginsSession(items, index),
    position: index + 1,
    count: isComplete ? Math.max(history.total, items.length) : items.length,
    indent: graphWidth(history.laneCount),
    branch: history.branch,
    age: formatAge(timestamp, now),
  };
}

/** Equal for two rows of one checkpoint that look the same. */
export const rowKey = ({ row, hint, text }, state) =>
  JSON.stringify([state, row.checkpoint.branches, row.checkpoint.tags, hint, text]);

/** Whether the row above is of another session. */
const beginsSession = (items, index) =>
  index > 0 && items[index - 1].row.checkpoint.session !== items[index].row.checkpoint.session;
