import assert from 'node:assert/strict';
import { test } from 'node:test';

import { alongQuestion, lostSentence, takenSentences, takeRequest } from '../../kishu_kernel/frontend/panel/static/timeline/model/taking.js';
import { checkpoint } from './samples.mjs';

const from = checkpoint('a', { execution_count: 3 });
const reply = (fields) => ({ taken: ['df'], along: [], as: {}, applied: true, plan: { lost: [] }, ...fields });

test('a copy is asked for by its new name', () => {
  assert.deepEqual(takeRequest('df', 'a1'), { operation: 'take', names: ['df'], target: 'a1' });
  assert.deepEqual(takeRequest('df', 'a1', 'old').as, { df: 'old' });
});

test('what comes along is told before', () => {
  assert.equal(alongQuestion('df', []), null);
  assert.deepEqual(alongQuestion('df', ['col']), {
    title: 'Bringing back df brings col, too',
    told: 'col shares objects with df in that state, and is replaced by what it was then.',
    yes: 'Bring both',
  });
  assert.equal(alongQuestion('df', ['_3']), null);
  assert.equal(alongQuestion('df', ['a', 'b']).yes, 'Bring all 3');
});

test('what cannot be had is told at once', () => {
  const plan = { lost: [{ names: ['a', 'df'], reason: 'it is of another user' }] };
  assert.equal(lostSentence('df', plan), 'There is no way to bring back df: it is of another user.');
  assert.equal(lostSentence('b', plan), null);
});

test('what was done is told', () => {
  assert.deepEqual(takenSentences(reply({}), from), ['Brought back df from In [3].']);
  assert.deepEqual(takenSentences(reply({ as: { df: 'old' } }), from), ['Brought df of In [3] as old.']);
  assert.deepEqual(takenSentences(reply({ along: ['a', 'b'] }), from)[1], 'a, b came along: they share objects with df.');
  assert.match(takenSentences(reply({ applied: false }), from)[0], /^df is as it was in In \[3\] already/);
  const lost = reply({ taken: [], applied: false, plan: { lost: [{ names: ['df'], reason: 'it is gone' }] } });
  assert.deepEqual(takenSentences(lost, from), ['df cannot be brought back: nothing has changed.']);
});
