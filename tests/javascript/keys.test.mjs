import assert from 'node:assert/strict';
import { test } from 'node:test';

import { listTarget, panelAction, rowAction } from '../../kishu_kernel/frontend/panel/static/timeline/model/keys.js';

const inList = (key, selected, rest = {}) => listTarget({ key, ...rest }, { selected, count: 100, pageRows: 9 });

test('arrows and pages move the selection', () => {
  assert.equal(inList('ArrowDown', 5), 6);
  assert.equal(inList('ArrowUp', 5), 4);
  assert.equal(inList('PageDown', 5), 14);
  assert.equal(inList('PageUp', 15), 6);
  assert.equal(inList('Home', 50), 0);
  assert.equal(inList('End', 50), 99);
});

test('the selection stays in the list', () => {
  assert.equal(inList('ArrowUp', 0), 0);
  assert.equal(inList('ArrowDown', 99), 99);
  assert.equal(inList('PageUp', 3), 0);
  assert.equal(inList('PageDown', 95), 99);
});

test('where nothing is selected, any key begins at the top', () => {
  assert.equal(inList('ArrowDown', -1), 0);
  assert.equal(inList('ArrowUp', -1), 0);
  assert.equal(inList('PageDown', -1), 8);
});

test('other keys are left to others', () => {
  for (const key of ['Enter', 'a', ' ', 'ArrowLeft', 'toString']) assert.equal(inList(key, 5), null);
  for (const held of ['ctrlKey', 'metaKey', 'altKey']) assert.equal(inList('ArrowDown', 5, { [held]: true }), null);
  assert.equal(inList('ArrowDown', 5, { shiftKey: true }), 6);
  assert.equal(listTarget({ key: 'End' }, { selected: -1, count: 0, pageRows: 9 }), null);
});

test('keys do with the selected state what the pointer does', () => {
  assert.equal(rowAction({ key: 'Enter' }), 'go');
  assert.equal(rowAction({ key: ' ' }), 'show');
  assert.equal(rowAction({ key: 'Enter', ctrlKey: true }), 'compare');
  assert.equal(rowAction({ key: 'Enter', metaKey: true }), 'compare');
  assert.equal(rowAction({ key: 'ContextMenu' }), 'menu');
  assert.equal(rowAction({ key: 'F10', shiftKey: true }), 'menu');
  for (const key of ['F10', 'a', 'toString']) assert.equal(rowAction({ key }), null);
  assert.equal(rowAction({ key: 'Enter', altKey: true }), null);
  assert.equal(rowAction({ key: ' ', ctrlKey: true }), null);
});

test('Escape ends one thing at a time', () => {
  const state = { comparing: true, detailsShown: true, searching: true, inField: false };
  const pressed = (fields) => panelAction({ key: 'Escape' }, { ...state, ...fields });
  assert.equal(pressed({}), 'endComparing');
  assert.equal(pressed({ comparing: false }), 'closeDetails');
  assert.equal(pressed({ comparing: false, detailsShown: false }), 'clearSearch');
  assert.equal(pressed({ comparing: false, detailsShown: false, searching: false }), null);
});

test('a slash begins a search, but in a field it is a slash', () => {
  const state = { comparing: true, detailsShown: true, searching: true };
  assert.equal(panelAction({ key: '/' }, { ...state, inField: false }), 'focusSearch');
  assert.equal(panelAction({ key: '/' }, { ...state, inField: true }), null);
});
