import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeEnded, offerOf } from '../../kishu_kernel/frontend/panel/static/timeline/model/ended.js';
import { line, wholeLog } from './samples.mjs';
import { History } from '../../kishu_kernel/frontend/panel/static/timeline/model/history.js';

const now = new Date('2024-03-05T12:02:00Z');
const ended = {
  session: 's', execution_count: 8, timestamp: '2024-03-05T12:00:00Z', variables: 12, bytes: 48e6, trusted: true, note: null,
};

test('where the session ended, when, and how much it left', () => {
  assert.deepEqual(describeEnded(ended, now), ['Your session ended at In [8], 2 min ago, 12 variables, 48.0 MB.']);
  const unknown = { ...ended, execution_count: null, variables: null, bytes: null };
  assert.deepEqual(describeEnded(unknown, now), ['Your session ended 2 min ago.']);
});

test('a session that has not ended is not called so', () => {
  const elsewhere = { ...ended, running: true };
  const [told] = describeEnded(elsewhere, now);
  assert.equal(told, 'This notebook runs in another kernel: at In [8], 2 min ago, 12 variables, 48.0 MB.');
  assert.deepEqual([offerOf(elsewhere), offerOf(ended)], ['Bring it here, too', 'Bring it back']);
});

test('what is missing, and what may not be brought back, is told', () => {
  const [, ...more] = describeEnded({ ...ended, note: 'df was not written.', trusted: false }, now);
  assert.equal(more[0], 'df was not written.');
  assert.match(more[1], /not brought back/);
});

test('what there is to bring back is asked for beside the states: each answer takes a while', async () => {
  const asked = [];
  const answers = { log: { ...wholeLog(line('b', 'a')), head: null, redo: null }, status: { head: null, ended } };
  const history = new History(async ({ operation }) => {
    asked.push(operation);
    await new Promise((resolve) => setImmediate(resolve));
    if (operation === 'log') assert.deepEqual(asked, ['status', 'log']);
    return structuredClone(answers[operation]);
  });
  await history.update(true); // the first time
  asked.length = 0;
  await history.update(true); // while there is something
  assert.equal(history.ended.variables, 12);
});

test('what there is to bring back is asked for before the first cell, and until there is nothing', async () => {
  const log = { ...wholeLog(line('b', 'a')), head: null, redo: null };
  const answers = { log, status: { head: null, ended } };
  const history = new History(async ({ operation }) => structuredClone(answers[operation]));
  await history.update(true);
  assert.equal(history.ended.variables, 12);
  answers.log = { ...log, head: 'b' };
  answers.status = { head: 'b', branch: 'main', ended: null, redo: null };
  await history.update(true);
  assert.equal(history.ended, null);
  assert.equal(history.isHere('b'), true);
  history.isLive = false;
  assert.equal(history.isHere('b'), false);
});
