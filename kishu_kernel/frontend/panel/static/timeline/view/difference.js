/** What is different between two states: a variable at a time, before and after. */

import { folded } from '../model/checkpoint.js';
import { changeChip } from './badges.js';
import { h } from './elements.js';

/** A reply to the operation `diff`; `hasValues`: it was asked for with values, so nothing more will come. */
export function drawDifference(reply, hasValues) {
  const kinds = new Map(['created', 'modified', 'deleted'].flatMap((how) => reply[how].map((name) => [name, how])));
  const { shown, apart, counts } = folded(reply.details);
  const draw = (each) => drawVariable(each, kinds.get(each.name), hasValues);
  return h('div', {},
    !shown.length && h('p.quiet', {}, 'No variable differs.'),
    shown.map(draw),
    apart.length > 0 && h('details.folded', {}, h('summary', {}, counts), apart.map(draw)));
}

function drawVariable({ name, before, after, change }, how, hasValues) {
  const isAwaited = how === 'modified' && !hasValues;
  return h('article.difference', {},
    h('h4', {}, changeChip(how, name), ' ', h('span.quiet', {}, how)),
    h('div.sides', {},
      before !== null && h('div.side.before', { title: 'before' }, before),
      after !== null && h('div.side.after', { title: 'after' }, after)),
    change ? drawChange(change) : isAwaited && h('p.quiet', {}, 'Loading the values …'));
}

function drawChange({ aspects, cells, note }) {
  const aspectRows = aspects.map((each) => [each.aspect, each.before, each.after]);
  const cellRows = cells.map((each) => [each.row, each.column, each.before, each.after]);
  return [
    aspects.length > 0 && drawTable(['', 'before', 'after'], aspectRows),
    cells.length > 0 && drawTable(['row', 'column', 'before', 'after'], cellRows),
    note && h('p.note', {}, note),
  ];
}

/** A table whose first column has the headings of the rows. */
function drawTable(headings, rows) {
  const cell = (text, index) => (index ? h('td', {}, text) : h('th', { scope: 'row' }, text));
  return h('table.change', {},
    h('thead', {}, h('tr', {}, headings.map((each) => h('th', { scope: 'col' }, each)))),
    h('tbody', {}, rows.map((row) => h('tr', {}, row.map(cell)))));
}
