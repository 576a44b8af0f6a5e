/** What is selected, shown and compared, by the pointer and by keys. */

import { placeLabel } from '../model/checkpoint.js';
import { openMenuAt } from './menu.js';
import { stateEntries } from './statemenu.js';

const DETAILS_AFTER = 120; // milliseconds, so that a key that is held down asks the kernel once
const CLICKS_WITHIN = 220; // milliseconds between the two of a double click

export class Choosing {
  constructor(panel, selection) {
    this.panel = panel;
    this.selection = selection;
  }

  /** A row was clicked. */
  choose(id) {
    this.panel.hover.out();
    this.selection.followsHead = false;
    if (this.selection.comparing) return this.pick(id);
    this.select(id);
    // Details that come up under the list must not get the second click of two.
    const wait = this.panel.details.shown || this.panel.isWide() ? 0 : CLICKS_WITHIN;
    this.detailsTimer = setTimeout(() => this.selection.selected === id && this.panel.details.show(id), wait);
  }

  /** A key moved the selection: details that are shown follow it, once it rests. */
  moveTo(id) {
    this.select(id);
    if (!this.panel.details.shown) return;
    this.detailsTimer = setTimeout(() => this.selection.selected === id && this.panel.details.show(id), DETAILS_AFTER);
  }

  /** A row was clicked twice, or Enter was pressed on it. */
  go(id) {
    this.panel.hover.out();
    if (this.selection.comparing) return this.pick(id);
    this.select(id);
    if (id === this.panel.history.head) this.panel.details.show(id);
    else this.panel.actions.goTo(this.panel.history.get(id));
  }

  showDetails(id) {
    if (this.selection.comparing) return this.pick(id);
    this.select(id);
    this.panel.details.show(id);
  }

  openMenu(id, x, y) {
    this.panel.hover.out();
    this.select(id);
    const checkpoint = this.panel.history.get(id);
    this.panel.list.element.focus();
    openMenuAt(this.panel.root, `What can be done with ${placeLabel(checkpoint)}`, stateEntries(this.panel, checkpoint), x, y);
  }

  select(id) {
    clearTimeout(this.detailsTimer);
    this.selection.select(id);
    this.panel.list.draw();
  }

  /** Where the session has travelled to. */
  showHead(id) {
    this.selection.selected = id;
    if (this.panel.details.shown || this.panel.isWide()) this.panel.details.show(id);
    this.panel.list.reveal(id);
  }

  pickFirst() {
    const [first] = this.panel.list.items;
    if (first && !this.panel.list.has(this.selection.selected)) this.moveTo(first.row.checkpoint.id);
  }

  closeDetails() {
    clearTimeout(this.detailsTimer);
    this.panel.details.close();
    this.panel.list.element.focus();
  }

  // -- comparing

  toggleComparing() {
    this.selection.toggleComparing();
    this.showComparing();
    if (this.selection.comparing) this.tellComparing('Choose the first of two states to compare.');
    else this.panel.notices.clear();
  }

  /** One of the two states that are to be compared. */
  pick(id) {
    clearTimeout(this.detailsTimer);
    const pair = this.selection.pick(id);
    if (pair) {
      this.showComparing();
      this.panel.notices.clear();
      this.compare(...this.panel.history.inOrder(...pair));
    } else {
      this.tellComparing(`Comparing ${placeLabel(this.panel.history.get(id))}: choose the second state.`);
      this.panel.list.draw();
    }
  }

  /** Compares with the state that is selected; where that is the same one, with the present one. */
  compareWith(id) {
    const { selected, comparing } = this.selection;
    const other = selected && selected !== id ? selected : this.panel.history.head;
    if (comparing) return this.pick(id);
    if (!other || other === id) return this.choose(id);
    this.compare(...this.panel.history.inOrder(id, other));
  }

  compare(before, after) {
    this.selection.followsHead = false;
    return this.panel.details.compare(before, after);
  }

  showComparing() {
    const { comparing } = this.selection;
    this.panel.compareButton.setAttribute('aria-pressed', String(comparing));
    this.panel.root.classList.toggle('kishu-comparing', comparing);
    this.panel.list.draw();
  }

  tellComparing(text) {
    this.panel.notices.tell('info', text, [], [['Cancel', () => this.toggleComparing()]]);
  }
}
