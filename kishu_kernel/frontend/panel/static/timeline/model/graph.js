/** Where the dots and lines of the graph lie, as values. The kernel says which lane a checkpoint is in. Pure. */

import { ROW_HEIGHT } from './viewport.js';

const MARGIN = 16; // to the middle of the first lane
const LANE = 14; // from one lane to the next, where there is room
const ROOM = 104; // for all lanes together
const COLOURS = 6;

const laneGap = (laneCount) => (laneCount < 2 ? LANE : Math.min(LANE, ROOM / (laneCount - 1)));

/** The space to the left of the rows. */
export const graphWidth = (laneCount) => 30 + (laneCount - 1) * laneGap(laneCount);

/** "way" for the lane of the present state, which is the first, else the number of a colour. */
export const laneColour = (lane, hasHead) => (hasHead && lane === 0 ? 'way' : String(lane % COLOURS));

/**
 * What to draw beside the rows `first` to `last`, with y = 0 at the top of the first of them.
 *
 * Lines are drawn only with `withLinks`: where rows are left out by a search, they would join what does not belong together.
 * Returns {links: [{path, colour}], dots: [{x, y, colour, isHead, isAside, isFailed}]}.
 */
export function layoutGraph(items, { first, last }, { head, isLive, lineage, laneCount }, withLinks) {
  const gap = laneGap(laneCount);
  const x = (lane) => MARGIN + lane * gap;
  const y = (index) => (index - first) * ROW_HEIGHT + ROW_HEIGHT / 2;
  const colour = (lane) => laneColour(lane, head !== null);
  const links = [];
  // Lines go down from a row: one from above may still be seen.
  for (let index = Math.max(0, first - 1); withLinks && index <= last; index++) {
    for (const [from, to] of items[index].row.links) {
      links.push({ path: linkPath(x(from), x(to), y(index)), colour: colour(from) });
    }
  }
  const dots = [];
  for (let index = first; index <= last; index++) {
    const { checkpoint, lane } = items[index].row;
    dots.push({
      x: x(lane),
      y: y(index),
      colour: colour(lane),
      isHead: isLive && checkpoint.id === head,
      isAside: !lineage.has(checkpoint.id),
      isFailed: checkpoint.status !== 'ok',
    });
  }
  return { links, dots };
}

/** From a dot to the height of the next one, bent where it changes the lane. */
function linkPath(from, to, top) {
  const [middle, bottom] = [top + ROW_HEIGHT / 2, top + ROW_HEIGHT];
  if (from === to) return `M${from} ${top} L${to} ${bottom}`;
  return `M${from} ${top} C${from} ${middle + 8} ${to} ${middle - 8} ${to} ${bottom}`;
}
