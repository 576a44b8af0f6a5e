/** What lies over the page at some place of it: it is not cut where the timeline ends. */

import { h } from './elements.js';

const LOOKS = ['paper', 'ground', 'ink', 'quiet', 'line', 'accent', 'created', 'modified', 'deleted', 'sans', 'mono'];
const MARGIN = 6; // pixels from the edge of the window

/** Puts an element on the page, with the colours and fonts of `root`. */
export function float(root, ...content) {
  const style = getComputedStyle(root);
  const looks = LOOKS.map((name) => `--kishu-${name}:${style.getPropertyValue(`--kishu-${name}`)}`);
  const element = h('div.floating', { 'data-lm-suppress-shortcuts': 'true', style: looks.join(';') }, ...content);
  const place = root.getRootNode();
  (place.body ?? place).append(element);
  return element;
}

/** Moves it so that it begins at this place of the window, or where all of it is seen. */
export function moveTo(element, x, y) {
  const { width, height } = element.getBoundingClientRect();
  element.style.left = `${Math.max(MARGIN, Math.min(x, window.innerWidth - width - MARGIN))}px`;
  element.style.top = `${Math.max(MARGIN, Math.min(y, window.innerHeight - height - MARGIN))}px`;
}
