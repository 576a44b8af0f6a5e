import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Pictures } from '../../kishu_kernel/frontend/panel/static/timeline/model/pictures.js';

test('what a kernel that was away did not tell is asked for again; what it refused is not', async () => {
  const refused = Object.assign(new Error('there is no checkpoint b'), { reply: { status: 'error' } });
  const answers = { a: new Error('the kernel is restarting'), b: refused };
  const asked = [];
  const outputsOf = async (id) => {
    asked.push(id);
    if (answers[id] instanceof Error) throw answers[id];
    return answers[id];
  };
  const pictures = new Pictures(outputsOf, () => {});
  await pictures.want(['a', 'b']);
  assert.deepEqual([asked, pictures.get('a')], [['a'], undefined]);
  answers.a = [{ output_type: 'display_data', data: { 'image/png': 'AAAA' }, metadata: {} }];
  await pictures.want(['a', 'b']);
  await pictures.want(['a', 'b']);
  assert.deepEqual(asked, ['a', 'a', 'b']);
  assert.match(pictures.get('a'), /^data:image\/png/);
  assert.equal(pictures.get('b'), null);
});
