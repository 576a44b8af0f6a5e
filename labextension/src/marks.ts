/**
 * Marks on cells that are not in this state: what they did was taken back.
 *
 * Law: a mark is drawn, never written: neither the document nor its file knows of it.
 */

import type { KernelLink } from './link';
import type { States } from './states';

const AHEAD = 'jp-kishu-ahead';
/** Milliseconds. */
const SOON = 20;
const TITLE = 'Not in this state: what this cell did was taken back. Re-run the cell, or redo.';

/** Draws them on one view of a notebook, from now on. */
export function markCells({ panel }: KernelLink, states: States): void {
  const { content } = panel;
  let drawing = 0;
  let isDrawn = false;
  const draw = () => {
    drawing = 0;
    if (!isDrawn && !states.anyAhead) {
      return;
    }
    isDrawn = states.anyAhead;
    for (const cell of content.widgets) {
      const isAhead = states.isAhead(cell.model);
      if (isAhead !== cell.hasClass(AHEAD)) {
        cell.toggleClass(AHEAD, isAhead);
        // One that is not on the screen has no prompt yet.
        void cell.ready.then(() => title(cell.inputArea?.promptNode, cell.hasClass(AHEAD)));
      }
    }
  };
  const soon = () => {
    drawing ||= window.setTimeout(draw, SOON); // many cells may change at once
  };
  states.changed.connect(soon);
  content.modelContentChanged.connect(soon);
  panel.disposed.connect(() => window.clearTimeout(drawing));
}

function title(prompt: HTMLElement | undefined, isAhead: boolean): void {
  if (prompt && isAhead) {
    prompt.title = TITLE;
  } else {
    prompt?.removeAttribute('title');
  }
}
