import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tokens } from '../../kishu_kernel/frontend/panel/static/timeline/model/syntax.js';

const coloured = (code) => tokens(code).filter(([kind]) => kind);

test('the pieces together are the code', () => {
  const code = 'def f(x):\n    """Doc # no comment"""\n    return x + 1.5e3  # why\n\nprint(f"{x}", rb\'\\\'\')';
  assert.equal(tokens(code).map(([, text]) => text).join(''), code);
  assert.deepEqual(tokens(''), []);
});

test('keywords are whole words', () => {
  assert.deepEqual(coloured('for format in information'), [['keyword', 'for'], ['keyword', 'in']]);
});

test('a number in a name is none', () => {
  assert.deepEqual(coloured('x1 = 0x1F + 2_000'), [['number', '0x1F'], ['number', '2_000']]);
});

test('comments and strings hide each other', () => {
  assert.deepEqual(coloured("x = '#' # 'y'"), [['string', "'#'"], ['comment', "# 'y'"]]);
  assert.deepEqual(coloured("r'\\d' 'it\\'s'"), [['string', "r'\\d'"], ['string', "'it\\'s'"]]);
});

test('a string that is not closed ends with its line, or with the code', () => {
  assert.deepEqual(coloured("'open\nif"), [['string', "'open"], ['keyword', 'if']]);
  assert.deepEqual(coloured("'''open\nif"), [['string', "'''open\nif"]]);
});
