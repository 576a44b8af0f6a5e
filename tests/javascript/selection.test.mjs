import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Selection } from '../../kishu_kernel/frontend/panel/static/timeline/model/selection.js';

test('the selection follows the head until a person selects', () => {
  const selection = new Selection();
  selection.headMoved('a');
  assert.equal(selection.selected, 'a');
  selection.select('b');
  selection.headMoved('c');
  assert.equal(selection.selected, 'b');
});

test('two states are picked one after the other', () => {
  const selection = new Selection();
  selection.toggleComparing();
  assert.equal(selection.pick('a'), null);
  assert.deepEqual([selection.first, selection.selected], ['a', 'a']);
  assert.deepEqual(selection.pick('b'), ['a', 'b']);
  assert.deepEqual([selection.comparing, selection.first, selection.selected], [false, null, 'b']);
});

test('a state is not compared with itself', () => {
  const selection = new Selection();
  selection.toggleComparing();
  selection.pick('a');
  assert.equal(selection.pick('a'), null);
  assert.equal(selection.comparing, true);
});

test('a comparison that is given up leaves nothing behind', () => {
  const selection = new Selection();
  selection.toggleComparing();
  selection.pick('a');
  selection.toggleComparing();
  assert.deepEqual([selection.comparing, selection.first], [false, null]);
  selection.toggleComparing();
  assert.equal(selection.pick('b'), null);
});
