/** Draws what `model/graph.js` has laid out. */

import { graphWidth, layoutGraph } from '../model/graph.js';
import { ROW_HEIGHT } from '../model/viewport.js';
import { svg } from './elements.js';

/** The graph beside the rows of a list. It says nothing that the rows do not say, so no screen reader hears it. */
export class Graph {
  constructor() {
    this.element = svg('svg', { class: 'kishu-graph', 'aria-hidden': 'true' });
  }

  /** Arguments as of `layoutGraph`. */
  draw(items, range, history, withLinks) {
    const { links, dots } = layoutGraph(items, range, history, withLinks);
    this.element.style.top = `${range.first * ROW_HEIGHT}px`;
    this.element.setAttribute('width', graphWidth(history.laneCount));
    this.element.setAttribute('height', Math.max(0, range.last - range.first + 1) * ROW_HEIGHT);
    this.element.replaceChildren(...links.map(drawLink), ...dots.flatMap(drawDot));
  }
}

const drawLink = ({ path, colour }) => svg('path', { d: path, class: `kishu-link kishu-lane-${colour}` });

function drawDot({ x, y, colour, isHead, isAside, isFailed }) {
  const circle = (r, kind) => svg('circle', { cx: x, cy: y, r, class: `${kind} kishu-lane-${colour}` });
  if (isHead) return [circle(8, 'kishu-ring'), circle(4, 'kishu-dot')];
  const dot = circle(4.5, 'kishu-dot');
  if (isAside) dot.classList.add('kishu-off');
  if (isFailed) dot.classList.add('kishu-failed');
  return [dot];
}
