import assert from 'node:assert/strict';
import { test } from 'node:test';

import { graphWidth, laneColour, layoutGraph } from '../../kishu_kernel/frontend/panel/static/timeline/model/graph.js';
import { search } from '../../kishu_kernel/frontend/panel/static/timeline/model/search.js';
import { checkpoint, fork, historyOf, line, wholeLog } from './samples.mjs';

const all = (history) => search(history, '', false);

test('a fork: the branch that was left runs beside, and joins where it began', async () => {
  const history = await historyOf(fork());
  const { links, dots } = layoutGraph(all(history), { first: 0, last: 2 }, history, true);
  assert.deepEqual(dots.map(({ x, y }) => [x, y]), [[16, 24], [30, 72], [16, 120]]);
  assert.deepEqual(dots.map((dot) => dot.colour), ['way', '1', 'way']);
  assert.deepEqual(dots.map((dot) => dot.isHead), [true, false, false]);
  assert.deepEqual(dots.map((dot) => dot.isAside), [false, true, false]);
  assert.deepEqual(links, [
    { path: 'M16 24 L16 72', colour: 'way' },
    { path: 'M16 72 L16 120', colour: 'way' },
    { path: 'M30 72 C30 104 16 88 16 120', colour: '1' },
  ]);
});

test('a cell that failed is marked', async () => {
  const history = await historyOf(wholeLog([checkpoint('b', { parent: 'a', status: 'error' }), checkpoint('a')]));
  const { dots } = layoutGraph(all(history), { first: 0, last: 1 }, history, true);
  assert.deepEqual(dots.map((dot) => dot.isFailed), [true, false]);
});

test('heights count from the first row that is drawn, and lines come down from the one above', async () => {
  const history = await historyOf(wholeLog(line('d', 'c', 'b', 'a')));
  const { links, dots } = layoutGraph(all(history), { first: 2, last: 3 }, history, true);
  assert.deepEqual(dots.map((dot) => dot.y), [24, 72]);
  assert.deepEqual(links.map((link) => link.path), ['M16 -24 L16 24', 'M16 24 L16 72']);
});

test('where rows are left out there are dots and no lines', async () => {
  const history = await historyOf(fork());
  const { links, dots } = layoutGraph(search(history, 'frame', false), { first: 0, last: 1 }, history, false);
  assert.deepEqual(links, []);
  assert.deepEqual(dots.map((dot) => dot.x), [30, 16]);
});

test('of an empty list nothing is drawn', async () => {
  const history = await historyOf(wholeLog([]));
  assert.deepEqual(layoutGraph([], { first: 0, last: -1 }, history, true), { links: [], dots: [] });
});

test('lanes move together where there are many', () => {
  assert.deepEqual([1, 2, 8].map(graphWidth), [30, 44, 128]);
  assert.deepEqual([9, 20, 200].map(graphWidth).map(Math.round), [134, 134, 134]);
});

test('the first lane is the way to the head, if there is one; other colours come again', () => {
  assert.equal(laneColour(0, true), 'way');
  assert.equal(laneColour(0, false), '0');
  assert.deepEqual([1, 5, 6, 7].map((lane) => laneColour(lane, true)), ['1', '5', '0', '1']);
});
