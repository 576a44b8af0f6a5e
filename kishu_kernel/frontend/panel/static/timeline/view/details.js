/** The part that shows one state in full, or the difference of two. */

import { placeLabel } from '../model/checkpoint.js';
import { drawDifference } from './difference.js';
import { button, h } from './elements.js';
import { drawHeading, drawState } from './state.js';

export class Details {
  /** `panel` is the whole: its history, what asks the kernel, and what the buttons do. */
  constructor(panel) {
    this.panel = panel;
    this.shown = null; // an id, or "a..b"
    this.body = null; // what is below its heading
    this.given = null; // the reply to a `show` that came unasked
    this.element = h('section.details', { 'aria-label': 'Details', hidden: true, tabindex: '-1', onkeydown: (event) => {
      if (event.key === 'Escape') (event.stopPropagation(), panel.choosing.closeDetails());
    } });
  }

  close() {
    this.shown = null;
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  /** Shows a state, and again if what is told of it is not what it was. */
  update(id = this.shown) {
    if (this.panel.history.has(id) && (id !== this.shown || this.look !== this.lookOf(id))) this.show(id);
  }

  /** Shows a state: at once what is known of it, then what the kernel tells. */
  async show(id) {
    const known = this.panel.history.get(id);
    if (!known) return this.close();
    this.look = this.lookOf(id);
    this.fill(id, this.heading(known), this.shown === id ? this.body : h('div'));
    const { given } = this;
    this.given = null; // later it may no longer be what the kernel would tell
    const isThis = given?.status === 'ok' && given.checkpoint.id === id;
    const reply = isThis ? given : await this.panel.ask({ operation: 'show', target: id }, () => this.shown === id);
    if (!reply || this.shown !== id) return;
    const checkpoint = { ...known, ...reply.checkpoint };
    const { history, taking } = this.panel;
    const state = drawState(reply, this.panel.root, {
      search: (name) => this.panel.search(`variable:${name}`),
      bringBack: id !== history.head && ((name) => taking.bringBack(name, checkpoint)),
      bringAs: (name) => taking.bringAs(name, checkpoint),
    });
    this.fill(id, this.heading(checkpoint), state);
  }

  /** What is different in the second of two states. First the names, then, when the kernel is free, the values. */
  async compare(before, after) {
    const key = `${before}..${after}`;
    this.fill(key, this.comparisonHeading(before, after), h('p.quiet', {}, 'Comparing …'));
    for (const values of [false, true]) {
      const request = { operation: 'diff', base: before, target: after, values };
      const reply = await this.panel.ask(request, () => this.shown === key);
      if (!reply || this.shown !== key) return;
      this.fill(key, this.comparisonHeading(before, after), drawDifference(reply, values));
      if (!reply.modified.length) return;
    }
  }

  heading(checkpoint) {
    const { panel } = this;
    const { history } = panel;
    return drawHeading(checkpoint, { isHead: history.isHere(checkpoint.id), branch: history.branch }, {
      goTo: () => panel.actions.goTo(checkpoint),
      compare: () => panel.choosing.compareWith(checkpoint.id),
      makeBranch: () => panel.actions.nameState('branch', checkpoint),
      makeTag: () => panel.actions.nameState('tag', checkpoint),
    });
  }

  comparisonHeading(before, after) {
    const { history } = this.panel;
    const title = (id) => [placeLabel(history.get(id)), history.isHere(id) ? ' (here)' : ''];
    const swap = button('Swap', () => this.panel.choosing.compare(after, before), { image: 'swap' });
    return h('header', {}, h('h3', {}, 'From ', title(before), ' to ', title(after)), h('div.actions', {}, swap));
  }

  /** Puts a content in; if it is of the same state or pair as before, the place and the focus stay where they are. */
  fill(key, ...content) {
    const scrollTop = this.shown === key ? this.element.scrollTop : 0;
    const focused = this.element.contains(document.activeElement) ? document.activeElement.textContent : null;
    this.shown = key;
    this.body = content.at(-1);
    this.element.hidden = false;
    const close = button('Close details', () => this.panel.choosing.closeDetails(), { image: 'close', iconOnly: true });
    this.element.replaceChildren(close, ...content);
    this.element.scrollTop = scrollTop;
    if (focused === null) return;
    const same = [...this.element.querySelectorAll('button')].find((each) => each.textContent === focused);
    (same ?? this.element).focus();
  }

  /** Of what is shown of a state, all that may change. */
  lookOf(id) {
    const { history } = this.panel;
    const { branches, tags, message, written_bytes: written } = history.get(id);
    return JSON.stringify([history.isHere(id), history.branch, branches, tags, message, written]);
  }
}
