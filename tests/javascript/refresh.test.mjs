import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Refresher } from '../../kishu_kernel/frontend/panel/static/timeline/model/refresh.js';

/** A refresher whose readings end when the test says so; `readings` has what each was asked for. */
function slow() {
  const readings = [];
  const ends = [];
  const refresher = new Refresher((everything) => {
    readings.push(everything);
    return new Promise((resolve) => ends.push(resolve));
  });
  const endReading = async () => {
    ends.shift()();
    await new Promise(setImmediate);
  };
  return { readings, refresher, endReading };
}

test('what changes during a reading is seen by one more', async () => {
  const { readings, refresher, endReading } = slow();
  const done = refresher.refresh();
  for (let times = 0; times < 5; times++) refresher.changed();
  assert.deepEqual(readings, [false]);
  await endReading();
  assert.deepEqual(readings, [false, false]);
  await endReading();
  await done;
  assert.deepEqual(readings, [false, false]);
});

test('everything is read once, if anybody asked for it meanwhile', async () => {
  const { readings, refresher, endReading } = slow();
  refresher.refresh();
  refresher.changed(true);
  refresher.changed(false);
  await endReading();
  refresher.changed();
  await endReading();
  assert.deepEqual(readings, [false, true, false]);
});

test('who is not seen waits until they are', async () => {
  const { readings, refresher, endReading } = slow();
  refresher.setVisible(false);
  refresher.changed();
  refresher.changed(true);
  refresher.changed();
  assert.deepEqual(readings, []);
  refresher.setVisible(true);
  assert.deepEqual(readings, [true]);
  await endReading();
  refresher.setVisible(false);
  refresher.setVisible(true);
  assert.deepEqual(readings, [true]); // nothing was missed
});

test('a person who asks is answered, seen or not', () => {
  const { readings, refresher } = slow();
  refresher.setVisible(false);
  refresher.refresh(true);
  assert.deepEqual(readings, [true]);
});

test('when it has been stopped nothing more is read', async () => {
  const { readings, refresher, endReading } = slow();
  const done = refresher.refresh();
  refresher.changed();
  refresher.stop();
  await endReading();
  await done;
  assert.deepEqual(readings, [false]);
});

test('after a reading that failed there can be another', async () => {
  let times = 0;
  const refresher = new Refresher(async () => {
    if (!times++) throw new Error('gone');
  });
  await assert.rejects(refresher.refresh(), /gone/);
  await refresher.refresh();
  assert.equal(times, 2);
});

test('what came with a notice is handed on, unless something else is being read', async () => {
  const read = [];
  const ends = [];
  const refresher = new Refresher((everything, news) => {
    read.push([everything, news]);
    return new Promise((resolve) => ends.push(resolve));
  });
  refresher.changed(false, 'one');
  refresher.changed(false, 'two');
  ends.shift()();
  await new Promise(setImmediate);
  assert.deepEqual(read, [[false, 'one'], [false, null]]);
});

test('who was not told of changes while unseen asks when seen', () => {
  const { readings, refresher } = slow();
  refresher.setVisible(false);
  refresher.setVisible(true, true);
  assert.deepEqual(readings, [false]);
});
