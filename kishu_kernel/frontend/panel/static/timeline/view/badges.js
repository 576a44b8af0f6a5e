/** The small marks of a checkpoint, in its row and in its details: branches, tags, changed variables. */

import { changesOf, SIGNS, unstoredNames } from '../model/checkpoint.js';
import { joinNames } from '../model/format.js';
import { h, icon } from './elements.js';
import { marked } from './text.js';

/** Its branches and tags; `branch` is the one that the session is on. */
export function labels(checkpoint, branch) {
  const branchLabel = (name) =>
    h(`span.label.branch${name === branch ? '.current' : ''}`, { title: `branch ${name}` }, icon('branch'), name);
  const tagLabel = (name) => h('span.label.tag', { title: `tag ${name}` }, icon('tag'), name);
  return [...checkpoint.branches.map(branchLabel), ...checkpoint.tags.map(tagLabel)];
}

/** The variables that its cell changed, as many as there is room for; `text` is marked in them. */
export function changeChips(checkpoint, text, most = 6) {
  const changes = changesOf(checkpoint);
  const unstored = unstoredNames(checkpoint);
  const isUnchanged = !changes.length && checkpoint.status === 'ok';
  return h('span.chips', {},
    isUnchanged && h('span.quiet', {}, checkpoint.incomplete ? 'stored with the next state' : 'no variable changed'),
    changes.slice(0, most).map(([how, name]) => changeChip(how, marked(name, text), { title: `${how}: ${name}` })),
    drawMore(changes.slice(most).length),
    unstored.length > 0 && lostChip(`not stored: ${joinNames(unstored, 3)}`));
}

/** How many chips there is no room for; `fitChips` counts those of a line. */
const drawMore = (count) => h('span.more.quiet', { 'data-more': count || null, hidden: !count }, `+${count} more`);

/** How one variable was changed: "created", "modified" or "deleted". */
export const changeChip = (how, name, attributes = {}) =>
  h(`span.chip.of-name.${how}`, attributes, h('b', {}, SIGNS[how]), name);

export const lostChip = (text) => h('span.chip.lost', { title: 'comes back by re-running its cell' }, text);
