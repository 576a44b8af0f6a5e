/** Texts with something marked in them: code with colours, what was searched for, commands. */

import { splitAtMatch } from '../model/search.js';
import { tokens } from '../model/syntax.js';
import { h } from './elements.js';

/** Python with a little colour. */
export function highlighted(code) {
  const parts = tokens(code).map(([kind, text]) => (kind ? h(`span.${kind}`, {}, text) : text));
  return h('pre.code', { tabindex: '0', 'aria-label': 'Code' }, h('code', {}, parts));
}

/** A line, with the text that was searched for marked. */
export function marked(line, text) {
  const [before, match, after] = splitAtMatch(line, text);
  return match === undefined ? [before] : [before, h('mark', {}, match), after];
}

/** A sentence in which commands stand between backticks. */
export const withCode = (text) => text.split('`').map((part, index) => (index % 2 ? h('code', {}, part) : part));
