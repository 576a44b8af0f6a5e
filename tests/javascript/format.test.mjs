import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  asSentence,
  countOf,
  formatAge,
  formatBytes,
  formatDuration,
  joinNames,
  truncate,
  withoutColours,
} from '../../kishu_kernel/frontend/panel/static/timeline/model/format.js';

test('sizes have three digits at most', () => {
  const said = [0, 1, 999, 1000, 1536000, 99.9e6, 120e6, 2.5e9, 3e12].map(formatBytes);
  assert.deepEqual(said, ['0 B', '1 B', '999 B', '1.0 kB', '1.5 MB', '99.9 MB', '120 MB', '2.5 GB', '3000 GB']);
});

test('durations, from a millisecond to hours', () => {
  const said = [0, 0.0004, 0.0994, 0.0995, 1.25, 9.94, 9.95, 59, 60, 61, 125, 3600, 7500].map(formatDuration);
  assert.deepEqual(said, [
    ...['1 ms', '1 ms', '99 ms', '0.1 s', '1.3 s', '9.9 s', '10 s', '59 s'],
    ...['1 min 0 s', '1 min 1 s', '2 min 5 s', '1 h 0 min', '2 h 5 min'],
  ]);
});

test('ages are relative for eight hours', () => {
  const now = new Date('2024-03-05T12:00:00Z');
  const before = (seconds) => formatAge(new Date(now.getTime() - seconds * 1000).toISOString(), now);
  assert.equal(before(0), 'just now');
  assert.equal(before(44), 'just now');
  assert.equal(before(45), '1 min ago');
  assert.equal(before(90), '2 min ago');
  assert.equal(before(3599), '60 min ago');
  assert.equal(before(3600), '1 h ago');
  assert.equal(before(7.9 * 3600), '8 h ago');
});

test('ages are a clock time on the same day, and a date on another', () => {
  const now = new Date(2024, 2, 5, 20, 0); // local time, as a person reads it
  const morning = new Date(2024, 2, 5, 8, 5);
  const eve = new Date(2024, 2, 4, 8, 5);
  const clock = morning.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  assert.equal(formatAge(morning.toISOString(), now), clock);
  assert.equal(formatAge(eve.toISOString(), now), `${eve.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${clock}`);
});

test('counts agree with their noun', () => {
  assert.deepEqual([0, 1, 2, 1001].map((number) => countOf(number, 'state')), ['0 states', '1 state', '2 states', '1,001 states']);
});

test('long lists of names end in a number', () => {
  assert.equal(joinNames([]), '');
  assert.equal(joinNames(['a', 'b']), 'a, b');
  assert.equal(joinNames(['a', 'b', 'c', 'd'], 3), 'a, b, c and 1 more');
});

test('errors are whole sentences', () => {
  assert.equal(asSentence('there is no branch x'), 'There is no branch x.');
  assert.equal(asSentence('Really?'), 'Really?');
  assert.equal(asSentence(''), '.');
});

test('outputs lose the colours of a terminal, and what is too long', () => {
  assert.equal(withoutColours('\u001b[0;31mError\u001b[0m: no'), 'Error: no');
  assert.equal(truncate('abc', 3), 'abc');
  assert.equal(truncate('abcde', 3), 'abc\n… and 2 more characters');
  assert.equal(truncate('x'.repeat(20001)).length, 20000 + '\n… and 1 more character'.length);
});
