import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  anchorAt,
  ROW_HEIGHT,
  rowsPerPage,
  scrollToAnchor,
  scrollToReveal,
  visibleRange,
} from '../../kishu_kernel/frontend/panel/static/timeline/model/viewport.js';

test('only rows that are seen are drawn, and a few around them', () => {
  assert.deepEqual(visibleRange(0, 10 * ROW_HEIGHT, 1000), { first: 0, last: 16 });
  assert.deepEqual(visibleRange(500 * ROW_HEIGHT, 10 * ROW_HEIGHT, 1000), { first: 494, last: 516 });
  assert.deepEqual(visibleRange(990 * ROW_HEIGHT, 10 * ROW_HEIGHT, 1000), { first: 984, last: 999 });
});

test('a row that is seen in part is drawn', () => {
  assert.deepEqual(visibleRange(20.5 * ROW_HEIGHT, ROW_HEIGHT, 1000), { first: 14, last: 28 });
});

test('a short list is drawn whole, and of an empty one nothing', () => {
  assert.deepEqual(visibleRange(0, 10 * ROW_HEIGHT, 3), { first: 0, last: 2 });
  assert.deepEqual(visibleRange(0, 10 * ROW_HEIGHT, 0), { first: 0, last: -1 });
});

test('a row is revealed by as little scrolling as is needed', () => {
  const height = 5 * ROW_HEIGHT;
  assert.equal(scrollToReveal(3, 0, height), 0); // seen already
  assert.equal(scrollToReveal(5, 0, height), ROW_HEIGHT); // at the lower edge
  assert.equal(scrollToReveal(2, 4 * ROW_HEIGHT, height), 2 * ROW_HEIGHT); // at the upper edge
  assert.equal(scrollToReveal(4, 4.5 * ROW_HEIGHT, height), 4 * ROW_HEIGHT); // was cut off
});

test('what is at the upper edge comes back to it', () => {
  assert.equal(anchorAt(0), null);
  const { index, offset } = anchorAt(7 * ROW_HEIGHT + 5);
  assert.deepEqual({ index, offset }, { index: 7, offset: 5 });
  assert.equal(scrollToAnchor(index + 2, offset), 9 * ROW_HEIGHT + 5); // two rows came in above it
});

test('a page keeps one row of the last one', () => {
  assert.equal(rowsPerPage(5 * ROW_HEIGHT), 4);
  assert.equal(rowsPerPage(10), 1);
});
