/** Variables that are brought back alone: the request, and what is said before and after it. Pure. */

import { isResult, placeLabel } from './checkpoint.js';
import { asSentence, joinNames } from './format.js';

/**
 * The request that brings one variable of a state; with `as`, a copy under that name.
 *
 * @param {string} name
 * @param {string} target
 * @param {string | null} as
 */
export const takeRequest = (name, target, as = null) => ({
  operation: 'take', names: [name], target, ...(as ? { as: { [name]: as } } : {}),
});

/** Why a variable cannot be had at all, as a sentence; null where it can. */
export function lostSentence(name, plan) {
  const lost = plan.lost.find((each) => each.names.includes(name));
  return lost ? asSentence(`There is no way to bring back ${name}: ${lost.reason}`) : null;
}

/** What must be known before: {title, told, yes}; null where the variable comes alone. `alongToo` is of the reply to a dry run. */
export function alongQuestion(name, alongToo) {
  const along = alongToo.filter((each) => !isResult(each));
  if (!along.length) return null;
  const [share, are] = along.length === 1 ? ['shares', 'is'] : ['share', 'are'];
  return {
    title: `Bringing back ${name} brings ${joinNames(along)}, too`,
    told: `${joinNames(along)} ${share} objects with ${name} in that state, and ${are} replaced by what ${are === 'is' ? 'it was' : 'they were'} then.`,
    yes: along.length === 1 ? 'Bring both' : `Bring all ${along.length + 1}`,
  };
}

/** What was done, in sentences: [first, ...]. `reply` is to `take`, `from` the checkpoint of the state. */
export function takenSentences({ taken, along: alongToo, applied, as: copies, plan }, from) {
  const along = alongToo.filter((each) => !isResult(each));
  const [name] = taken;
  const place = placeLabel(from);
  if (!taken.length) return [`${joinNames(plan.lost.flatMap((each) => each.names))} cannot be brought back: nothing has changed.`];
  if (!applied) return [`${name} is as it was in ${place} already: nothing has changed.`];
  const first = copies[name] ? `Brought ${name} of ${place} as ${copies[name]}.` : `Brought back ${name} from ${place}.`;
  if (!along.length) return [first];
  return [first, `${joinNames(along)} came along: ${along.length === 1 ? 'it shares' : 'they share'} objects with ${name}.`];
}
