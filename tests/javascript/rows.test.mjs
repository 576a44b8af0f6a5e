import assert from 'node:assert/strict';
import { test } from 'node:test';

import { rowKey, rowState } from '../../kishu_kernel/frontend/panel/static/timeline/model/rows.js';
import { search } from '../../kishu_kernel/frontend/panel/static/timeline/model/search.js';
import { Selection } from '../../kishu_kernel/frontend/panel/static/timeline/model/selection.js';
import { checkpoint, fork, historyOf, wholeLog } from './samples.mjs';

const NOW = new Date('2024-03-05T12:10:00Z');

async function shown(log, isComplete = true) {
  const history = await historyOf(log);
  const view = { history, selection: new Selection(), isComplete };
  return { view, items: search(history, '', false) };
}

test('a row knows where it stands', async () => {
  const { view, items } = await shown(fork());
  view.selection.select('b');
  const states = items.map((_, index) => rowState(items, index, view, NOW));
  assert.deepEqual(states.map((each) => each.isHead), [true, false, false]);
  assert.deepEqual(states.map((each) => each.inLineage), [true, false, true]);
  assert.deepEqual(states.map((each) => each.isSelected), [false, true, false]);
  assert.deepEqual(states.map((each) => `${each.position} of ${each.count}`), ['1 of 3', '2 of 3', '3 of 3']);
  assert.deepEqual(states.map((each) => each.age), Array(3).fill('10 min ago'));
  assert.deepEqual([...new Set(states.map((each) => each.indent))], [44]);
});

test('another session is told at its newest row, where no row is left out', async () => {
  const log = wholeLog([checkpoint('c', { session: 2 }), checkpoint('b'), checkpoint('a')]);
  const begins = ({ view, items }) => items.map((_, index) => rowState(items, index, view, NOW).beginsSession);
  assert.deepEqual(begins(await shown(log)), [false, true, false]);
  assert.deepEqual(begins(await shown(log, false)), [false, false, false]);
});

test('a row is drawn again when its look changes, and not else', async () => {
  const { view, items } = await shown(fork());
  const key = (now = NOW) => rowKey(items[1], rowState(items, 1, view, now));
  const before = key();
  assert.equal(key(new Date(NOW.getTime() + 5000)), before);
  assert.notEqual(key(new Date(NOW.getTime() + 60000)), before); // its age
  view.selection.select('b');
  assert.notEqual(key(), before);
  view.selection.select('a');
  assert.equal(key(), before);
  items[1].row.checkpoint.tags.push('good');
  assert.notEqual(key(), before);
});
