import assert from 'node:assert/strict';
import { test } from 'node:test';

import { History } from '../../kishu_kernel/frontend/panel/static/timeline/model/history.js';
import { checkpoint, fork, historyOf, line, wholeLog } from './samples.mjs';

/** A kernel that answers by what is asked; `asked` has the requests. */
function kernel(answers) {
  const asked = [];
  const request = async (content) => {
    if (content.offers) return { ended: null }; // tests/javascript/ended.test.mjs asks for that
    asked.push('since' in content ? 'since' : content.operation);
    const answer = answers[asked.at(-1)];
    if (answer instanceof Error) throw answer;
    return structuredClone(answer);
  };
  return { asked, history: new History(request), answers };
}

const ids = (history) => history.rows.map((row) => row.checkpoint.id);

test('the first time everything is read, with its graph', async () => {
  const { asked, history } = kernel({ log: fork() });
  await history.update(false);
  assert.deepEqual(asked, ['log']);
  assert.deepEqual(ids(history), ['c', 'b', 'a']);
  assert.deepEqual(history.rows.map((row) => row.lane), [0, 1, 0]);
  assert.equal(history.laneCount, 2);
  assert.equal(history.branch, 'main');
});

test('the lineage leads from the head to the root', async () => {
  const history = await historyOf(fork());
  assert.deepEqual([...history.lineage], ['c', 'a']);
  assert.equal(history.get('b').code, 'frame.drop()');
  assert.equal(history.get('nowhere'), undefined);
  assert.deepEqual([history.has('b'), history.has('nowhere')], [true, false]);
});

test('before the first cell there is a history and no head', async () => {
  const history = await historyOf({ ...wholeLog(line('b', 'a')), head: null });
  assert.equal(history.lineage.size, 0);
  assert.equal(history.get(history.head), undefined);
});

test('a history that is cut off, or in a circle, still ends', async () => {
  const cut = await historyOf(wholeLog([checkpoint('b', { parent: 'forgotten' })]));
  assert.deepEqual([...cut.lineage], ['b', 'forgotten']);
  const circle = await historyOf(wholeLog([checkpoint('b', { parent: 'a' }), checkpoint('a', { parent: 'b' })]));
  assert.deepEqual([...circle.lineage], ['b', 'a']);
});

test('of two the older comes first', async () => {
  const history = await historyOf(wholeLog(line('c', 'b', 'a')));
  assert.deepEqual(history.inOrder('a', 'c'), ['a', 'c']);
  assert.deepEqual(history.inOrder('c', 'a'), ['a', 'c']);
});

test('where nothing has changed, only the status is asked for', async () => {
  const { asked, history, answers } = kernel({ log: wholeLog(line('b', 'a')) });
  await history.update(true);
  answers.status = { head: 'b', branch: 'main', latest: 'b' };
  await history.update(false);
  assert.deepEqual(asked, ['log', 'status']);
});

test('cells that ran since are added above', async () => {
  const { asked, history, answers } = kernel({ log: wholeLog([checkpoint('a', { branches: ['main', 'old'] })]) });
  await history.update(true);
  const fresh = [checkpoint('c', { parent: 'b', branches: ['main'] }), checkpoint('b', { parent: 'a' })];
  answers.status = { head: 'c', branch: 'main', latest: 'c' };
  answers.since = { head: 'c', branch: 'main', checkpoints: fresh };
  await history.update(false);
  assert.deepEqual(asked, ['log', 'status', 'since']);
  assert.deepEqual(ids(history), ['c', 'b', 'a']);
  assert.deepEqual([...history.lineage], ['c', 'b', 'a']);
  assert.deepEqual(history.get('a').branches, ['old']); // main has moved on
  assert.deepEqual(history.rows[0].links, [[0, 0]]);
});

const notGrown = {
  'a cell continues another checkpoint': {
    head: 'c', branch: 'main', checkpoints: [checkpoint('c', { parent: 'a' })],
  },
  'the session has travelled': { head: 'a', branch: 'main', checkpoints: [] },
  'the newest is not where it stands': { head: 'b', branch: 'main', checkpoints: [checkpoint('c', { parent: 'b' })] },
  'another store': new Error('there is no checkpoint b'),
};
for (const [why, since] of Object.entries(notGrown)) {
  test(`everything is read again: ${why}`, async () => {
    const { asked, history, answers } = kernel({ log: wholeLog(line('b', 'a')) });
    await history.update(true);
    Object.assign(answers, { status: { head: 'elsewhere', branch: 'main' }, since, log: wholeLog(line('z')) });
    await history.update(false);
    assert.deepEqual(asked, ['log', 'status', 'since', 'log']);
    assert.deepEqual(ids(history), ['z']);
  });
}

test('behind the newest checkpoint nothing is asked about growth', async () => {
  const { asked, history, answers } = kernel({ log: { ...wholeLog(line('b', 'a')), head: 'a' } });
  await history.update(true);
  answers.status = { head: 'a', branch: 'other', latest: 'b' };
  await history.update(false);
  assert.deepEqual(asked, ['log', 'status', 'log']);
});

test('a log that came unasked is taken where it continues what is here', async () => {
  const { asked, history, answers } = kernel({ log: wholeLog(line('b', 'a'), { total: 2 }) });
  await history.update(true);
  const fresh = [checkpoint('c', { parent: 'b', branches: ['main'] })];
  await history.update(false, { head: 'c', branch: 'main', since: 'b', total: 3, truncated: false, checkpoints: fresh });
  assert.deepEqual(asked, ['log']);
  assert.deepEqual(ids(history), ['c', 'b', 'a']);
  assert.deepEqual([history.head, history.total, history.isWhole], ['c', 3, true]);

  Object.assign(answers, { status: { head: 'c', branch: 'main', latest: 'c' } });
  const elsewhere = { head: 'e', branch: 'main', since: 'd', checkpoints: [checkpoint('e', { parent: 'd' })] };
  await history.update(false, elsewhere);
  assert.deepEqual(asked, ['log', 'status']);
  const cut = { head: 'z', branch: 'main', since: 'c', truncated: true, checkpoints: [checkpoint('z', { parent: 'c' })] };
  await history.update(false, cut);
  assert.deepEqual(asked, ['log', 'status', 'status']);
});

/** A kernel with a history in one line, of which it tells as much as is asked for. */
function long(count, head = count) {
  const all = line(...Array.from({ length: count }, (_, index) => String(count - index)));
  const limits = [];
  const request = async ({ limit, offers }) => {
    if (offers) return { ended: null };
    limits.push(limit);
    const shown = limit ? all.slice(0, limit) : all;
    return structuredClone(wholeLog(shown, { head: String(head), total: count, truncated: shown.length < count }));
  };
  return { limits, history: new History(request) };
}

test('of a long history the newest are read, then four times as many, then all', async () => {
  const { limits, history } = long(1000);
  await history.update(true);
  assert.deepEqual([history.rows.length, history.total, history.isWhole], [100, 1000, false]);
  assert.equal(history.want(80), false); // they are there
  assert.equal(history.want(120), true);
  assert.equal(history.want(130), false); // they are on their way
  await history.update(true);
  assert.equal(history.rows.length, 400);
  assert.equal(history.want(0), true);
  assert.equal(history.want(0), false);
  await history.update(true);
  assert.deepEqual([history.rows.length, history.isWhole, history.want(0)], [1000, true, false]);
  await history.update(true);
  assert.deepEqual(limits, [100, 400, 0, 0]);
});

test('where the session stands far back, all is read', async () => {
  const { limits, history } = long(500, 3);
  await history.update(true);
  assert.deepEqual(limits, [100, 0]);
  assert.equal(history.get(history.head).id, '3');
});

test('a kernel that does not say how many there are is asked for all', async () => {
  const all = line('c', 'b', 'a');
  const asked = [];
  const history = new History(async ({ limit, offers }) => {
    if (offers) return { ended: null };
    asked.push(limit);
    return structuredClone(limit ? wholeLog(all.slice(0, 2), { truncated: true }) : wholeLog(all));
  });
  await history.update(true);
  assert.deepEqual(asked, [100, 0]);
  assert.deepEqual([ids(history), history.isWhole], [['c', 'b', 'a'], true]);
});
