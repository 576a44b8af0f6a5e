/** Menus: under a button, and at any place of the page. */

import { button, h } from './elements.js';
import { float, moveTo } from './floating.js';

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
    if (this.opened) this.close(false);
    else this.open();
  }

  open() {
    this.opened = drawMenu(this.label, this.entries(), (isLeft) => this.close(isLeft), this.button);
    this.button.setAttribute('aria-expanded', 'true');
    this.button.parentElement.append(this.opened);
    this.opened.firstChild.focus();
  }

  close(isLeft) {
    const menu = this.opened;
    this.opened = null; // first: to remove it takes its focus
    menu?.remove();
    this.button.setAttribute('aria-expanded', 'false');
    if (isLeft) this.button.focus();
  }
}

/** Opens a menu at a place of the window. The focus is then where it was. */
export function openMenuAt(root, label, entries, x, y) {
  const before = /** @type {HTMLElement} */ (document.activeElement);
  let isOpen = true;
  const close = (isLeft) => {
    if (!isOpen) return;
    isOpen = false; // first: to remove it takes its focus
    place.remove();
    if (isLeft) before.focus();
  };
  const menu = drawMenu(label, entries, close);
  const place = float(root, menu);
  moveTo(place, x, y);
  menu.firstChild.focus();
}

/**
 * The element of a menu.
 *
 * Args:
 *   entries: pairs [label, function]; null is a line between them.
 *   close(isLeft): closes it; isLeft: nothing was chosen, and the focus is to go back.
 *   opener: what may have the focus without closing it.
 */
function drawMenu(label, entries, close, opener = null) {
  const items = () => [...menu.querySelectorAll('button')];
  const menu = h('div.menu', {
    role: 'menu', 'aria-label': label,
    oncontextmenu: (event) => event.preventDefault(),
    onkeydown: (event) => {
      if (pressed(event, items())) return;
      if (event.key === 'Escape' || event.key === 'Tab') {
        close(true);
        event.preventDefault();
        event.stopPropagation();
      }
    },
    onfocusout: ({ relatedTarget }) => {
      if (relatedTarget !== opener && !menu.contains(relatedTarget)) close(false);
    },
  }, entries.map((entry) => (entry ? drawItem(entry, close) : h('div.divider', { role: 'separator' }))));
  return menu;
}

const drawItem = ([label, act], close) =>
  h('button.item', { type: 'button', role: 'menuitem', onclick: () => (close(true), act()) }, label);

/** Moves the focus among the items; whether the key was one that does. */
function pressed(event, items) {
  const at = items.indexOf(document.activeElement);
  const targets = new Map([['ArrowDown', at + 1], ['ArrowUp', at - 1 + items.length], ['Home', 0], ['End', items.length - 1]]);
  if (!targets.has(event.key)) return false;
  items[targets.get(event.key) % items.length].focus();
  event.preventDefault();
  return true;
}
