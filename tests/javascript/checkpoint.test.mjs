import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  cellLabel,
  changesOf,
  firstLine,
  headline,
  isResult,
  sessionLabel,
  placeLabel,
  spokenLabel,
  unstoredNames,
} from '../../kishu_kernel/frontend/panel/static/timeline/model/checkpoint.js';
import { checkpoint } from './samples.mjs';

test('a cell is called as the notebook numbers it', () => {
  assert.equal(cellLabel(checkpoint('a', { execution_count: 7 })), 'In [7]');
  assert.equal(cellLabel(checkpoint('a', { execution_count: 0 })), 'In [0]');
  assert.equal(cellLabel(checkpoint('a', { execution_count: null })), 'cell');
  assert.equal(cellLabel(checkpoint('a', { execution_count: null, code: '' })), 'state');
});

test('the headline is the first line that says something', () => {
  assert.equal(firstLine('\n# load\n  # more\n  x = 1\ny = 2'), 'x = 1');
  assert.equal(firstLine('# %%\n\nx = 1'), 'x = 1');
  assert.equal(firstLine('# %%\n# only a comment\n'), '# only a comment');
  assert.equal(firstLine('# %%'), '# %%');
  assert.equal(headline(checkpoint('a', { code: '\n# load\n  x = 1' })), 'x = 1');
});

test('a state that took variables is no cell', () => {
  const take = { names: ['df', 'col'], target: 'In[3]', as: { col: 'col_old' } };
  const each = checkpoint('a', { execution_count: null, code: '%kishu take df@In[3]', take });
  assert.equal(cellLabel(each), 'taken');
  assert.equal(headline(each), 'took df, col as col_old from In [3]');
  assert.equal(placeLabel(each), 'the take of df, col as col_old from In [3]');
  assert.equal(placeLabel(checkpoint('a')), 'In [1]');
});

test('a session is called by the time at which it began', () => {
  const began = new Date('2024-03-05T12:00:07Z').toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  assert.match(sessionLabel('20240305T120007Z-4e20b1'), new RegExp(`^session of .*5.*, ${began}$`));
  assert.equal(sessionLabel('here'), 'another session');
});

test('a state without a cell says how it came about', () => {
  assert.equal(headline(checkpoint('a', { code: ' \n', message: 'before the talk' })), 'kept by hand');
  assert.equal(headline(checkpoint('a', { code: '' })), 'changed between two cells');
});

test('results of cells are not among the changes', () => {
  const each = checkpoint('a', {
    created: ['x', '_12'],
    modified: ['y', '_'],
    deleted: ['_3', 'z'],
    not_stored: [{ names: ['_4', 'file'] }, { names: ['socket'] }],
  });
  assert.deepEqual(changesOf(each), [['created', 'x'], ['modified', 'y'], ['modified', '_'], ['deleted', 'z']]);
  assert.deepEqual(unstoredNames(each), ['file', 'socket']);
  assert.deepEqual(['_1', '_i1', '__', '_1x', 'x_1'].map(isResult), [true, false, false, false, false]);
});

test('a screen reader says all that the row shows', () => {
  const each = checkpoint('a', {
    code: 'x = 1',
    execution_count: 4,
    status: 'error',
    created: ['x', '_4'],
    deleted: ['y'],
    branches: ['main'],
    tags: ['good'],
    message: 'before the talk',
  });
  assert.equal(
    spokenLabel(each, { isHead: true, inLineage: true, age: '2 min ago' }),
    'In [4], x = 1, you are here, error, created x, deleted y, branch main, tag good, before the talk, 2 min ago'
  );
  assert.match(spokenLabel(each, { isHead: false, inLineage: false, age: '' }), /, not in this state, /);
  assert.doesNotMatch(spokenLabel(each, { isHead: false, inLineage: true, age: '' }), /here|not part/);
});
