/** A plan of the kernel, in words: what must be asked first, what was done, how far it is. Pure. */

import { isResult } from './checkpoint.js';
import { capitalize, countOf, formatBytes, formatDuration, joinNames, listNames } from './format.js';

const QUICK = 5; // seconds of cells without side effects that are re-run unasked

export const replaySeconds = (plan) => plan.replay.reduce((sum, step) => sum + step.seconds, 0);

const hasEffects = (plan) => plan.replay.some((step) => step.side_effects.length > 0);

/** Whether a person must know of the plan before it is carried out. */
export const needsConsent = (plan) => plan.lost.length > 0 || hasEffects(plan) || replaySeconds(plan) >= QUICK;

/** Parameters of a request that goes without what only those re-runs give that must be asked about; null where there are none. */
export function withoutReruns(plan) {
  return plan.replay.length ? { replay: hasEffects(plan) ? 'harmless' : 'never', allow_lost: true } : null;
}

/** Parameters of a request that may do what the plan says, and no more, whatever has happened meanwhile. */
export const boundsOf = (plan, how = {}) => ({
  replay: hasEffects(plan) ? 'auto' : 'ask',
  allow_lost: plan.lost.length > 0,
  shown: { target: plan.target, replay: plan.replay.map((step) => step.checkpoint) },
  ...how,
});

/** "Go without con and g": what the answer is called that goes on without what the plan loses. */
export const goWithout = (plan) => `Go without ${listNames(namesOf(plan.lost, 'names'), 3) || 'them'}`;

/** "In [9] makes con and g". */
export function madeBy({ execution_count: count, gives }) {
  const names = gives.filter((name) => !isResult(name));
  const cell = typeof count === 'number' ? `In [${count}]` : 'A cell';
  return `${cell} makes ${listNames(names.length ? names : gives) || 'what others need'}`;
}

/** One sentence about a plan that was carried out. */
export function outcome(plan, seconds) {
  const loaded = namesOf(plan.load, 'names');
  const deleted = plan.delete.filter((name) => !isResult(name));
  const bytes = plan.load.reduce((sum, step) => sum + step.bytes, 0);
  const parts = [
    loaded.length && `Brought back ${joinNames(loaded)} (${formatBytes(bytes)})`,
    plan.replay.length && `re-ran ${countOf(plan.replay.length, 'cell')} for ${joinNames(namesOf(plan.replay, 'gives'))}`,
    deleted.length && `removed ${joinNames(deleted)}`,
    plan.ambient.length && `set ${joinNames(plan.ambient)}`,
    plan.lost.length && `went without ${joinNames(namesOf(plan.lost, 'names')) || 'other variables'}`,
  ].filter(Boolean);
  return `${capitalize(parts.length ? parts.join('; ') : 'no variable had to change')}, in ${formatDuration(seconds)}.`;
}

/** What is under way: {text, done}, `done` from 0 to 1. */
export function describeProgress(progress) {
  const replays = progress.what === 're-running';
  const { step, steps, done_bytes: bytes, total_bytes: total, seconds_left: left } = progress;
  const text = replays
    ? `Re-running cell ${step} of ${steps}`
    : `Bringing back ${formatBytes(bytes)} of ${formatBytes(total)}`;
  return {
    text: left === null ? text : `${text}, about ${formatDuration(Math.max(1, Math.round(left)))} left`,
    done: replays ? (step - 0.5) / steps : bytes / Math.max(1, total),
  };
}

/** Each name once, results of cells left out. */
const namesOf = (steps, key) => [...new Set(steps.flatMap((step) => step[key]))].filter((name) => !isResult(name));
