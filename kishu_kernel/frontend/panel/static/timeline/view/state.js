/** One state in full: its cell, what that displayed, its variables. */

import { cellLabel, changesOf, folded, headline } from '../model/checkpoint.js';
import { formatAge, formatBytes, formatDuration } from '../model/format.js';
import { changeChips, labels, lostChip } from './badges.js';
import { button, h } from './elements.js';
import { drawOutput } from './outputs.js';
import { highlighted, withCode } from './text.js';

/** Which state it is, and what can be done with it. `on` is {goTo, compare, makeBranch, makeTag}. */
export function drawHeading(checkpoint, { isHead, branch }, on) {
  const { status, error, message, take } = checkpoint;
  return h('header', {},
    h('h3', {}, take ? headline(checkpoint) : cellLabel(checkpoint), ' ', status !== 'ok' && h(`span.chip.${status}`, {}, error || status),
      labels(checkpoint, branch)),
    drawFacts(checkpoint),
    message && h('p.message', {}, message),
    h('div.actions', {},
      isHead
        ? h('span.here', { title: 'the state that you are in' }, 'here')
        : button('Go here', on.goTo, { primary: true, title: 'Bring the variables back as they were after this cell' }),
      !isHead && button('Compare', on.compare, { title: 'Compare with the state that you are in' }),
      button('Branch', on.makeBranch, { image: 'branch', title: 'Give the line that ends here, or begins here, a name' }),
      button('Tag', on.makeTag, { image: 'tag', title: 'Give this state a name' })));
}

function drawFacts({ id, timestamp, duration, payload_bytes: bytes }) {
  const facts = [formatAge(timestamp), duration && `took ${formatDuration(duration)}`, bytes && formatBytes(bytes)];
  return h('p.quiet', { title: new Date(timestamp).toLocaleString() }, facts.filter(Boolean).join(' · '), ' · ',
    h('code', { title: 'the id of this state' }, id.slice(0, 8)));
}

/**
 * What the kernel tells of a state.
 *
 * Args:
 *   reply: to the operation `show`.
 *   root: gives frames their colours.
 *   on: {search(name), bringBack(name), bringAs(name)}: a variable was clicked, or one of its buttons; `bringBack` may be
 *     false, where it is there anyhow.
 */
export function drawState({ checkpoint, outputs, outputs_note: note, variables }, root, on) {
  const changes = new Map(changesOf(checkpoint).map(([how, name]) => [name, how]));
  return h('div', {},
    !checkpoint.take && checkpoint.code.trim() && highlighted(checkpoint.code.trimEnd()),
    checkpoint.incomplete && h('p.quiet', {}, 'What this cell changed is stored with the next state.'),
    checkpoint.not_stored.map(({ names, reason }) =>
      h('p.note', {}, h('code', {}, names.join(', ')), ` not stored: ${reason}`)),
    changes.size > 0 && changeChips({ ...checkpoint, not_stored: [] }, '', 40),
    (note || outputs.length > 0) && h('h4', {}, 'Output'),
    note && h('p.note', {}, withCode(note)),
    outputs.length > 0 && h('div.outputs', {}, outputs.map((each) => drawOutput(each, root))),
    h('h4', {}, variables.length ? `Variables (${variables.length})` : 'No variables yet'),
    variables.length > 0 && drawVariables(variables, changes, on));
}

/** Variables that the cell changed come first, then others; modules and results of cells are folded away. */
function drawVariables(variables, changes, on) {
  const { shown, apart, counts } = folded(variables);
  const sorted = shown.sort((one, other) => Number(changes.has(other.name)) - Number(changes.has(one.name)));
  return h('div', {},
    shown.length > 0 && drawTable(sorted, changes, on),
    apart.length > 0 && h('details.folded', {}, h('summary', {}, counts), drawTable(apart, changes, on)));
}

function drawTable(variables, changes, on) {
  return h('table.variables', { 'aria-label': 'Variables: name, value, size, what brings them back' },
    h('colgroup', {}, h('col.name'), h('col'), h('col.bytes'), h('col.bring')),
    h('tbody', {}, variables.map((each) => drawVariable(each, changes.get(each.name), on))));
}

function drawVariable({ name, type, summary, stored, bytes }, how, on) {
  return h(how ? `tr.${how}` : 'tr', {},
    h('th', { scope: 'row' }, button(name, () => on.search(name), { title: `When did ${name} change?` })),
    h('td.value', { title: `${type}: ${summary}` }, drawType(type, summary), summary),
    h('td.size', {}, stored ? formatBytes(bytes) : lostChip('not stored')),
    h('td.bring', {},
      on.bringBack && bringButton(`Bring back only ${name}`, 'bring', () => on.bringBack(name)),
      bringButton(`Bring ${name} as …`, 'bringAs', () => on.bringAs(name))));
}

const bringButton = (label, image, onclick) => button(label, onclick, { image, iconOnly: true });

/** The type of a variable, where its summary does not begin with it. */
function drawType(type, summary) {
  const short = type.split('.').pop();
  return summary.startsWith(short) ? null : h('span.type', {}, short);
}
