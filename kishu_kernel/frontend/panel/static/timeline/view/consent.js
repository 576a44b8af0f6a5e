/** A plan, as far as a person must know it before it is carried out. */

import { firstLine } from '../model/checkpoint.js';
import { countOf, formatDuration } from '../model/format.js';
import { madeBy, replaySeconds } from '../model/plan.js';
import { h } from './elements.js';

/** The cells that must be re-run, and what cannot be brought back. */
export function drawConsequences(plan) {
  const { replay, lost } = plan;
  const duration = formatDuration(replaySeconds(plan));
  return h('div', {},
    replay.length > 0 && [
      h('p', {}, `${countOf(replay.length, 'cell')} must be re-run (${duration} when first run):`),
      h('ul', {}, replay.map(drawStep)),
    ],
    lost.length > 0 && [h('p', {}, 'These cannot be brought back:'), h('ul', {}, lost.map(drawLoss))]);
}

function drawStep(step) {
  return h('li', {},
    h('strong', {}, madeBy(step)), ': ',
    h('code', {}, firstLine(step.code)), ' ',
    step.side_effects.map((effect) => h('span.chip.lost', {}, effect)));
}

const drawLoss = ({ names, reason }) => h('li', {}, h('code', {}, names.join(', ') || 'other variables'), `: ${reason}`);
