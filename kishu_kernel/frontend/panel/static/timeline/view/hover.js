/** What is shown beside a row while the pointer rests on it: the code of its cell, and the plot that this displayed. */

import { h } from './elements.js';
import { float, moveTo } from './floating.js';
import { highlighted } from './text.js';

const AFTER = 500; // milliseconds
const LINES = 16;
const GAP = 8; // pixels

export class Hover {
  /** `root` gives colours; `pictures` reads plots. */
  constructor(root, pictures) {
    this.root = root;
    this.pictures = pictures;
    this.element = null;
  }

  /** The pointer is on a row. */
  over(row, checkpoint) {
    if (this.row === row) return;
    this.out();
    this.row = row;
    this.timer = setTimeout(() => this.show(row, checkpoint), AFTER);
  }

  out() {
    clearTimeout(this.timer);
    this.element?.remove();
    this.row = this.element = null;
  }

  async show(row, checkpoint) {
    const lines = checkpoint.code.trimEnd().split('\n');
    const more = lines.length > LINES && h('p.quiet', {}, `and ${lines.length - LINES} more lines`);
    const image = h('img', { alt: '', hidden: true });
    const element = float(this.root, h('div.preview', { 'aria-hidden': 'true' },
      lines[0] && highlighted(lines.slice(0, LINES).join('\n')), more, image));
    this.element = element;
    if (lines[0]) this.place(row);
    else element.hidden = true;
    const source = await this.pictures.read(checkpoint.id);
    if (this.element !== element || !source) return;
    image.onload = () => this.place(row);
    image.src = source;
    image.hidden = element.hidden = false;
  }

  /** Beside the list, where there is room for it; else under the row. */
  place(row) {
    if (!this.element) return;
    const { right, top, bottom, left } = row.getBoundingClientRect();
    const { width } = this.element.getBoundingClientRect();
    const hasRoom = right + GAP + width < window.innerWidth;
    if (hasRoom) moveTo(this.element, right + GAP, top);
    else moveTo(this.element, left + 60, bottom + 2);
  }
}
