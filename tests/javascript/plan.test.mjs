import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  boundsOf,
  goWithout,
  madeBy,
  withoutReruns,
  describeProgress,
  needsConsent,
  outcome,
} from '../../kishu_kernel/frontend/panel/static/timeline/model/plan.js';

const plan = (fields = {}) => ({ target: 'a', load: [], replay: [], delete: [], ambient: [], lost: [], ...fields });
const step = (seconds, fields = {}) => ({ seconds, side_effects: [], gives: ['model'], code: 'fit()', ...fields });

test('what is only loaded and deleted is done unasked', () => {
  assert.equal(needsConsent(plan()), false);
  assert.equal(needsConsent(plan({ load: [{ names: ['x'], bytes: 1e12 }], delete: ['y'] })), false);
});

test('cells are re-run unasked where that is quick and has no effect', () => {
  assert.equal(needsConsent(plan({ replay: [step(2), step(2.9)] })), false);
  assert.equal(needsConsent(plan({ replay: [step(2), step(3)] })), true);
  assert.equal(needsConsent(plan({ replay: [step(0), step(0, { side_effects: ['writes files'] })] })), true);
});

test('a loss is always asked about', () => {
  assert.equal(needsConsent(plan({ lost: [{ names: ['x'], reason: 'gone' }] })), true);
});

test('no more is allowed than the plan said', () => {
  const nothing = { target: 'a', replay: [] };
  const effects = step(1, { side_effects: ['writes files'], checkpoint: 'b' });
  assert.deepEqual(boundsOf(plan()), { replay: 'ask', allow_lost: false, shown: nothing });
  assert.deepEqual(boundsOf(plan({ lost: [{ names: [] }] })), { replay: 'ask', allow_lost: true, shown: nothing });
  assert.deepEqual(boundsOf(plan({ replay: [step(1, { checkpoint: 'b' })] })), {
    replay: 'ask',
    allow_lost: false,
    shown: { target: 'a', replay: ['b'] },
  });
  assert.equal(boundsOf(plan({ replay: [effects] })).replay, 'auto');
  assert.deepEqual(boundsOf(plan({ target: null })).shown, { target: null, replay: [] });
});

test('one can go on without what only a re-run gives', () => {
  const effects = plan({ replay: [step(1, { side_effects: ['writes files'], checkpoint: 'b' })] });
  assert.equal(withoutReruns(plan()), null);
  assert.deepEqual(withoutReruns(plan({ replay: [step(9)] })), { replay: 'never', allow_lost: true });
  const how = withoutReruns(effects);
  assert.deepEqual(how, { replay: 'harmless', allow_lost: true });
  const less = plan({ lost: [{ names: ['con', 'g'] }, { names: ['_3'] }] });
  assert.deepEqual(boundsOf(less, how), { replay: 'harmless', allow_lost: true, shown: { target: 'a', replay: [] } });
  assert.equal(goWithout(less), 'Go without con and g');
  assert.equal(madeBy({ execution_count: 9, gives: ['con', 'g', '_9'] }), 'In [9] makes con and g');
});

test('what was done is one sentence', () => {
  const done = plan({
    load: [{ names: ['df', '_2'], bytes: 1e6 }, { names: ['df', 'x'], bytes: 5e5 }],
    replay: [step(1)],
    delete: ['y', '_3'],
    ambient: ['random'],
    lost: [{ names: ['file'] }],
  });
  assert.equal(
    outcome(done, 0.05),
    'Brought back df, x (1.5 MB); re-ran 1 cell for model; removed y; set random; went without file, in 50 ms.'
  );
  assert.equal(outcome(plan({ delete: ['y'] }), 2), 'Removed y, in 2.0 s.');
  assert.equal(outcome(plan({ delete: ['_3'] }), 0), 'No variable had to change, in 1 ms.');
  assert.equal(outcome(plan({ lost: [{ names: ['_3'] }] }), 1), 'Went without other variables, in 1.0 s.');
});

test('progress is told in bytes, or in cells', () => {
  const loading = { what: 'loading', done_bytes: 5e6, total_bytes: 20e6, step: 0, steps: 0, seconds_left: 7.6 };
  assert.deepEqual(describeProgress(loading), { text: 'Bringing back 5.0 MB of 20.0 MB, about 8.0 s left', done: 0.25 });
  const replaying = { ...loading, what: 're-running', step: 1, steps: 2, seconds_left: null };
  assert.deepEqual(describeProgress(replaying), { text: 'Re-running cell 1 of 2', done: 0.25 });
  assert.equal(describeProgress({ ...loading, done_bytes: 0, total_bytes: 0 }).done, 0);
  assert.match(describeProgress({ ...loading, seconds_left: 0.1 }).text, /about 1.0 s left$/);
});
