import assert from 'node:assert/strict';
import { test } from 'node:test';

import { contentOf, frameHeight, isDark } from '../../kishu_kernel/frontend/panel/static/timeline/model/outputs.js';

const data = (representations) => contentOf({ output_type: 'display_data', data: representations });

test('streams and errors are text', () => {
  const stream = (name) => contentOf({ output_type: 'stream', name, text: ['a\n', 'b'] });
  assert.deepEqual(stream('stdout'), { kind: 'text', text: 'a\nb', isError: false });
  assert.deepEqual(stream('stderr'), { kind: 'text', text: 'a\nb', isError: true });
  const error = { output_type: 'error', ename: 'KeyError', evalue: "'x'", traceback: ['one', 'two'] };
  assert.deepEqual(contentOf(error), { kind: 'text', text: 'one\ntwo', isError: true });
  assert.equal(contentOf({ ...error, traceback: [] }).text, "KeyError: 'x'");
});

test('a picture goes before a table, a table before text', () => {
  const everything = { 'text/plain': 'plain', 'text/html': '<b>', 'image/svg+xml': '<svg/>', 'image/png': ['iV\n', 'BO'] };
  assert.deepEqual(data(everything), { kind: 'image', source: 'data:image/png;base64,iVBO', alternative: 'plain' });
  delete everything['image/png'];
  assert.equal(data(everything).source, 'data:image/svg+xml;charset=utf-8,%3Csvg%2F%3E');
  delete everything['image/svg+xml'];
  assert.deepEqual(data(everything), { kind: 'html', html: '<b>', text: 'plain' });
  delete everything['text/html'];
  assert.deepEqual(data(everything), { kind: 'text', text: 'plain', isError: false });
});

test('a picture without a text has one for who does not see it', () => {
  assert.equal(data({ 'image/gif': 'R0' }).alternative, 'image that the cell displayed');
});

test('what has no text is data, or at least a type', () => {
  assert.equal(data({ 'application/json': { a: 1 } }).text, '{\n  "a": 1\n}');
  assert.deepEqual(data({ 'application/pdf': 'JVBE' }), { kind: 'unknown', types: ['application/pdf'] });
  assert.deepEqual(contentOf({ output_type: 'display_data' }), { kind: 'unknown', types: [] });
});

test('a frame is as high as what it shows, within bounds', () => {
  assert.equal(frameHeight(0, 'shown'), 56);
  assert.equal(frameHeight(6, 'a b c'), 166);
  assert.equal(frameHeight(6, 'x'.repeat(61)), 190);
  assert.equal(frameHeight(500, ''), 320);
});

test('dark and light colours', () => {
  assert.equal(isDark('rgb(17, 17, 17)'), true);
  assert.equal(isDark('rgba(255, 255, 255, 0.9)'), false);
  assert.equal(isDark('rgb(0, 0, 255)'), true);
  assert.equal(isDark('transparent'), false);
});
