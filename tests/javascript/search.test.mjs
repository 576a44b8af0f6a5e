import assert from 'node:assert/strict';
import { test } from 'node:test';

import { matchedLine, search, splitAtMatch } from '../../kishu_kernel/frontend/panel/static/timeline/model/search.js';
import { checkpoint, fork, historyOf } from './samples.mjs';

const found = (items) => items.map((item) => item.row.checkpoint.id);

test('without a text everything is there', async () => {
  assert.deepEqual(found(search(await historyOf(fork()), '', false)), ['c', 'b', 'a']);
});

test('the lineage alone leaves other branches out', async () => {
  const history = await historyOf(fork());
  assert.deepEqual(found(search(history, '', true)), ['c', 'a']);
  assert.deepEqual(found(search(history, 'frame', true)), ['a']);
});

test('capital letters do not matter', async () => {
  const history = await historyOf(fork());
  assert.deepEqual(found(search(history, 'total', false)), ['c']);
  assert.deepEqual(found(search(history, 'IDEA', false)), ['b']);
  assert.deepEqual(found(search(history, 'in [2]', false)), ['b']);
  assert.deepEqual(search(history, 'nowhere', false), []);
});

test('variable:NAME finds who changed exactly that one', async () => {
  const history = await historyOf(fork());
  const items = search(history, 'variable:frame', false);
  assert.deepEqual(found(items), ['b', 'a']);
  assert.deepEqual([...new Set(items.map((item) => item.text))], ['frame']);
  assert.deepEqual(search(history, 'variable:fram', false), []);
  assert.deepEqual(search(history, 'variable:_3', false), []); // results of cells are not seen
});

test('a line of code is told where the row does not show it', () => {
  const each = checkpoint('a', { code: 'import os\n  os.remove(path)', tags: ['clean'], created: ['path', 'seen'] });
  assert.equal(matchedLine(each, 'import'), '');
  assert.equal(matchedLine(each, 'clean'), '');
  assert.equal(matchedLine(each, 'remove'), 'os.remove(path)');
  assert.equal(matchedLine(each, 'seen'), '');
  assert.equal(matchedLine(each, 'nowhere'), null);
  assert.equal(matchedLine({ ...each, message: 'before the talk' }, 'talk'), '');
});

test('a line falls apart at the first match', () => {
  assert.deepEqual(splitAtMatch('Frame.frame', 'FRAME'), ['', 'Frame', '.frame']);
  assert.deepEqual(splitAtMatch('x = 1', 'y'), ['x = 1']);
  assert.deepEqual(splitAtMatch('x = 1', ''), ['x = 1']);
  assert.deepEqual(splitAtMatch('x = 1', undefined), ['x = 1']);
});
