import assert from 'node:assert/strict';
import test from 'node:test';

import { compareCells, compareLines } from '../../labextension/src/difference.js';

const cells = (...told) => told.map(([id, source, type = 'code']) => ({ id, source, type }));
const kinds = (rows) => rows.map(({ kind, now, then }) => `${kind} ${(then ?? now).id}`);
const lines = (rows) => rows.map(({ kind, now, then }) => (kind === 'same' ? ` ${now}` : `${now}|${then}`));

test('cells are known by their ids', () => {
  const now = cells(['a', 'x = 1'], ['b', 'x = 2'], ['c', 'x = 3'], ['d', 'x = 4']);
  const then = cells(['a', 'x = 1'], ['new', 'y = 1'], ['c', 'x = 33']);
  assert.deepEqual(kinds(compareCells(now, then)), ['same a', 'added new', 'removed b', 'edited c', 'removed d']);
});

test('as few cells as can be are moved', () => {
  const now = cells(['a', ''], ['b', ''], ['c', ''], ['d', '']);
  const then = cells(['d', ''], ['a', ''], ['b', ''], ['c', '']);
  assert.deepEqual(kinds(compareCells(now, then)), ['moved d', 'same a', 'same b', 'same c']);
  assert.deepEqual(kinds(compareCells(then, then)), ['same d', 'same a', 'same b', 'same c']);
});

test('a cell of another type is another cell', () => {
  const rows = compareCells(cells(['a', 'text', 'markdown']), cells(['a', 'text']));
  assert.deepEqual(kinds(rows), ['added a', 'removed a']);
});

test('from nothing, and to nothing', () => {
  assert.deepEqual(kinds(compareCells([], cells(['a', '']))), ['added a']);
  assert.deepEqual(kinds(compareCells(cells(['a', '']), [])), ['removed a']);
});

test('lines that stay stand beside each other', () => {
  assert.deepEqual(lines(compareLines('a\nb\nc\nd', 'a\nB\nB2\nc\nd')), [' a', 'b|B', 'null|B2', ' c', ' d']);
  assert.deepEqual(lines(compareLines('a\nb\nc', 'c')), ['a|null', 'b|null', ' c']);
  assert.deepEqual(lines(compareLines('a\nx\nb\ny\nc', 'A\nx\nB\ny\nC')), ['a|A', ' x', 'b|B', ' y', 'c|C']);
  assert.deepEqual(lines(compareLines('same', 'same')), [' same']);
});

test('very long cells are replaced as a whole', () => {
  const long = (letter) => Array.from({ length: 3000 }, (_, number) => `${letter}${number}`).join('\n');
  assert.equal(compareLines(long('a'), long('b')).length, 3000);
});
