/** Which rows of a long list are on the screen, and where it is scrolled to. All rows are equally high. Pure. */

export const ROW_HEIGHT = 48; // pixels; timeline.css has the same
const OVERSCAN = 6; // rows drawn above and below what is seen

/** The first and the last index to draw; last < first where there is nothing. */
export function visibleRange(scrollTop, clientHeight, count) {
  return {
    first: Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - OVERSCAN),
    last: Math.min(count - 1, Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + OVERSCAN),
  };
}

/** How many rows must be there, so that none is missing where it is scrolled to. */
export const rowsNeeded = (scrollTop, clientHeight) =>
  Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + OVERSCAN;

/** What is at the upper edge: the index of the row, and how much of it is hidden. Null at the top of the list. */
export function anchorAt(scrollTop) {
  if (scrollTop <= 0) return null;
  return { index: Math.floor(scrollTop / ROW_HEIGHT), offset: scrollTop % ROW_HEIGHT };
}

/** Where to scroll, so that a row is at the upper edge again as `anchorAt` found it. */
export const scrollToAnchor = (index, offset) => index * ROW_HEIGHT + offset;

/** Where to scroll, no further than is needed, so that the whole row is seen. */
export function scrollToReveal(index, scrollTop, clientHeight) {
  const [top, bottom] = [index * ROW_HEIGHT, (index + 1) * ROW_HEIGHT];
  if (top < scrollTop) return top;
  if (bottom > scrollTop + clientHeight) return bottom - clientHeight;
  return scrollTop;
}

/** How far PageUp and PageDown go: one row of the old page stays on the screen. */
export const rowsPerPage = (clientHeight) => Math.max(1, Math.floor(clientHeight / ROW_HEIGHT) - 1);
