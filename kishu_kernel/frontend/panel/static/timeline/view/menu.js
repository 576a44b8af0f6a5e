/** A button that opens a menu. */

import { button, h } from './elements.js';

export class Menu {
  /** `entries()` gives pairs [label, function] whenever the menu is opened. */
  constructor(label, entries) {
    this.label = label;
    this.entries = entries;
    this.opened = null; // the element of the menu, while it is open
    this.button = button(label, () => this.toggle(), {
      image: 'more', iconOnly: true, 'aria-haspopup': 'menu', 'aria-expanded': 'false',
    });
  }

  toggle() {
    if (this.opened) this.close();
    else this.open();
  }

  open() {
    this.opened = h('div.menu', {
      role: 'menu', 'aria-label': this.label,
      onkeydown: (event) => this.key(event),
      onfocusout: ({ relatedTarget }) => {
        if (this.opened && relatedTarget !== this.button && !this.opened.contains(relatedTarget)) this.close();
      },
    }, this.entries().map(([label, act]) =>
      h('button.item', { type: 'button', role: 'menuitem', onclick: () => (this.close(), act()) }, label)));
    this.button.setAttribute('aria-expanded', 'true');
    this.button.parentElement.append(this.opened);
    this.opened.firstChild.focus();
  }

  close() {
    const menu = this.opened;
    this.opened = null; // first: to remove it takes its focus
    menu?.remove();
    this.button.setAttribute('aria-expanded', 'false');
  }

  key(event) {
    if (event.key === 'Escape') (event.stopPropagation(), this.close(), this.button.focus());
    else if (event.key === 'ArrowDown') this.move(event, 1);
    else if (event.key === 'ArrowUp') this.move(event, -1);
  }

  move(event, step) {
    const all = [...this.opened.children];
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
    event.preventDefault();
  }
}
