/** The list of states, newest first. However long it is, only the rows that are seen are drawn. */

import { listTarget, rowAction } from '../model/keys.js';
import { rowKey, rowState } from '../model/rows.js';
import { anchorAt, ROW_HEIGHT, rowsNeeded, rowsPerPage, scrollToAnchor, scrollToReveal, visibleRange } from '../model/viewport.js';
import { h } from './elements.js';
import { fitChips } from './fitting.js';
import { Graph } from './graph.js';
import { drawRow } from './row.js';

/** The id of the row where something happened. */
const idAt = (event) => event.target.closest('.kishu-row')?.dataset.id;

export class StateList {
  /**
   * Args:
   *   history, selection: what is shown.
   *   on: {click(id, isSecond), move(id), go(id), show(id), compare(id), menu(id, x, y), over(row, checkpoint), out(),
   *     missing(count), last()}: a row was clicked, a key moved the selection, a state is to be gone to, shown, compared, its
   *     menu is to be opened there, the pointer rests on a row or on none, so many rows are needed to fill what is seen,
   *     the last of all states is wanted.
   *   pictures: plots, shown in the rows while `showsPictures`.
   */
  constructor(history, selection, pictures, on) {
    this.history = history;
    this.selection = selection;
    this.pictures = pictures;
    this.showsPictures = false;
    this.on = on;
    this.items = []; // what `search` found
    this.isComplete = true; // nothing is left out, so that lines can be drawn
    this.positions = new Map(); // id -> index in items
    this.drawn = new Map(); // id -> {checkpoint, key, element}
    this.prefix = `kishu-${Math.random().toString(36).slice(2)}`;
    this.graph = new Graph();
    this.space = h('div.space', { role: 'presentation' }, this.graph.element);
    this.element = h('div.list', {
      role: 'listbox',
      tabindex: '0',
      'aria-label': 'States of the notebook, newest first',
      onscroll: () => (this.drawSoon(), on.out()),
      onclick: (event) => {
        const id = idAt(event);
        if (id) (event.ctrlKey || event.metaKey ? on.compare : on.click)(id);
      },
      ondblclick: (event) => {
        const id = idAt(event);
        if (id) on.go(id);
      },
      oncontextmenu: (event) => {
        const id = idAt(event);
        if (!id) return;
        on.menu(id, event.clientX, event.clientY);
        event.preventDefault();
        event.stopPropagation();
      },
      onpointerover: (event) => {
        const row = event.pointerType === 'mouse' && event.target.closest('.kishu-row');
        if (row) on.over(row, history.get(row.dataset.id));
      },
      onpointerleave: () => on.out(),
      onkeydown: (event) => this.key(event),
    }, this.space);
  }

  has(id) {
    return this.positions.has(id);
  }

  /** Shows these items; what is at the upper edge stays there. */
  show(items, isComplete) {
    const anchor = anchorAt(this.element.scrollTop);
    const anchorId = anchor && this.items[anchor.index]?.row.checkpoint.id;
    this.items = items;
    this.isComplete = isComplete;
    this.positions = new Map(items.map((item, index) => [item.row.checkpoint.id, index]));
    const count = isComplete ? Math.max(this.history.total, items.length) : items.length;
    this.space.style.height = `${count * ROW_HEIGHT}px`; // also of what was not read yet
    if (anchorId && this.has(anchorId)) {
      this.element.scrollTop = scrollToAnchor(this.positions.get(anchorId), anchor.offset);
    }
    this.draw();
  }

  /** Scrolls until the row is seen, if it is in the list. */
  reveal(id) {
    if (!this.has(id)) return;
    const { scrollTop, clientHeight } = this.element;
    const wanted = scrollToReveal(this.positions.get(id), scrollTop, clientHeight);
    if (wanted !== scrollTop) this.element.scrollTop = wanted;
    this.draw();
  }

  drawSoon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const range = visibleRange(scrollTop, clientHeight, this.items.length);
    const needed = Math.min(rowsNeeded(scrollTop, clientHeight), this.history.total);
    if (this.isComplete && needed > this.items.length && this.items.length) this.on.missing(needed);
    if (this.showsPictures) this.pictures.want(this.items.slice(range.first, range.last + 1).map(({ row }) => row.checkpoint.id));
    const drawn = new Map();
    for (let index = range.first; index <= range.last; index++) {
      drawn.set(this.items[index].row.checkpoint.id, this.drawAt(index));
    }
    for (const [id, { element }] of this.drawn) if (!drawn.has(id)) element.remove();
    this.drawn = drawn;
    this.fit();
    this.graph.draw(this.items, range, this.history, this.isComplete);
    const { selected } = this.selection;
    if (drawn.has(selected)) this.element.setAttribute('aria-activedescendant', this.domId(selected));
    else this.element.removeAttribute('aria-activedescendant');
  }

  /** Fits the chips of rows that are new, or that have another width. */
  fit() {
    const width = this.space.clientWidth;
    const rows = [...this.drawn.values()].filter((row) => row.width !== width);
    fitChips(rows.flatMap(({ element }) => [...element.querySelectorAll('.kishu-chips')]));
    for (const row of rows) row.width = width;
  }

  /** The row at this place: the element that is there already, where it would look the same. */
  drawAt(index) {
    const item = this.items[index];
    const { checkpoint } = item.row;
    const state = rowState(this.items, index, this);
    const picture = this.showsPictures ? this.pictures.get(checkpoint.id) : null;
    const key = rowKey(item, { ...state, hasPicture: Boolean(picture) });
    let row = this.drawn.get(checkpoint.id);
    if (row?.checkpoint !== checkpoint || row.key !== key) {
      const element = drawRow(item, state, this.domId(checkpoint.id), picture);
      if (row) row.element.replaceWith(element);
      else this.space.append(element);
      row = { checkpoint, key, element };
    }
    row.element.style.top = `${index * ROW_HEIGHT}px`;
    return row;
  }

  domId(id) {
    return `${this.prefix}-${id}`;
  }

  /** The menu of a row, where the row is. */
  openMenuOf(id) {
    this.reveal(id);
    const { left, bottom } = this.drawn.get(id).element.getBoundingClientRect();
    this.on.menu(id, left + 60, bottom - 4);
  }

  key(event) {
    this.on.out();
    const { selected } = this.selection;
    const target = listTarget(event, {
      selected: this.positions.get(selected) ?? -1,
      count: this.items.length,
      pageRows: rowsPerPage(this.element.clientHeight),
    });
    if (target !== null && event.key === 'End' && this.isComplete && this.items.length < this.history.total) this.on.last();
    else if (target !== null) {
      const { id } = this.items[target].row.checkpoint;
      this.on.move(id);
      this.reveal(id);
    } else if (!this.has(selected)) return;
    else {
      const action = rowAction(event);
      if (action === null) return;
      if (action === 'menu') this.openMenuOf(selected);
      else this.on[action](selected);
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
