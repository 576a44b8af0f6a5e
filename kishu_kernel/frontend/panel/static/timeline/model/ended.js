/** The session that has ended and can be brought back, in words. Pure. */

import { cellLabel } from './checkpoint.js';
import { countOf, formatAge, formatBytes } from './format.js';

/** `ended` is that of the kernel's `status`. One sentence, and more of them where there is more to know. */
export function describeEnded(ended, now = new Date()) {
  const { execution_count: count, variables, bytes, trusted, note } = ended;
  const where = count === null ? [] : [`at ${cellLabel(ended)}`];
  const amount = variables === null ? [] : [countOf(variables, 'variable'), formatBytes(bytes)];
  const begun = ended.running ? 'This notebook runs in another kernel:' : 'Your session ended';
  const told = `${begun} ${[...where, formatAge(ended.timestamp, now), ...amount].join(', ')}.`;
  const doubt = trusted ? [] : ['Nothing shows that you wrote this history: it can be read, not brought back.'];
  return [told, ...(note ? [note] : []), ...doubt];
}

/** What the button says that asks for it. */
export function offerOf(ended) {
  return ended.running ? 'Bring it here, too' : 'Bring it back';
}
