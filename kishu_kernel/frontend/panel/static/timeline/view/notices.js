/** One place for what is said and asked: messages, questions, progress, and what a screen reader hears. */

import { describeProgress } from '../model/plan.js';
import { button, h } from './elements.js';

export class Notices {
  constructor() {
    this.live = h('div.unseen', { role: 'status', 'aria-live': 'polite' });
    this.bar = h('div.bar', {}, h('div.filled'));
    this.cancel = button('Cancel', () => this.onCancel?.());
    this.working = h('div.working', { hidden: true, role: 'presentation' }, h('span', {}), this.cancel, this.bar);
    this.onCancel = null; // gives up what waits, where that is possible
    this.place = h('div');
    this.lasting = h('div', { role: 'status' });
    this.warnings = h('div');
    this.element = h('div.notices', {}, this.lasting, this.working, this.warnings, this.place);
    this.endQuestion = () => {};
  }

  /** What stays, whatever else is said: a sentence, with more lines and pairs [label, function]; null for nothing. */
  keep(title, lines = [], actions = []) {
    const told = JSON.stringify([title, lines]);
    if (told === this.kept) return; // a button that has the focus keeps it
    this.kept = told;
    const body = () => h('div.told', {}, h('p', {}, h('strong', {}, title)), lines.map((line) => h('p', {}, line)));
    const buttons = () => actions.map(([label, act]) => button(label, act, { primary: true }));
    this.lasting.replaceChildren(...(title ? [h('div.notice.lasting', {}, body(), buttons())] : []));
  }

  /** For the ear only. */
  say(text) {
    this.live.textContent = text;
  }

  /** Nothing is said any more; a question that is open is answered with null. */
  clear() {
    this.endQuestion();
    this.place.replaceChildren();
  }

  /** Takes back a sentence of this kind, if it is what was said last. */
  withdraw(kind) {
    if (this.place.firstChild?.classList.contains(`kishu-${kind}`)) this.clear();
  }

  /** A sentence, with more lines, and pairs [label, function]: what can be done about it. Kinds: "done", "info", "error". */
  tell(kind, title, lines = [], actions = []) {
    this.clear();
    const close = button('Dismiss', () => this.clear(), { image: 'close', iconOnly: true });
    const body = h('div.told', {}, h('p', {}, h('strong', {}, title)), lines.map((line) => h('p', {}, line)));
    this.place.append(h(`div.notice.${kind}`, kind === 'error' ? { role: 'alert' } : {}, body,
      actions.map(([label, act]) => button(label, () => (this.clear(), act()))), close));
    if (kind !== 'error') this.say([title, ...lines].join(' '));
  }

  /** Warnings of the kernel, each until it is dismissed: nothing else takes their place. */
  warn(sentences) {
    for (const sentence of sentences) {
      const close = button('Dismiss', () => shown.remove(), { image: 'close', iconOnly: true });
      const shown = h('div.notice.warning', { role: 'alert' }, h('div.told', {}, sentence), close);
      this.warnings.append(shown);
    }
  }

  /** Asks, with choices as pairs [label, what gives the value]. Resolves with a value, or null where nothing was chosen. */
  ask(title, body, choices, role = 'alertdialog') {
    this.clear();
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    return new Promise((resolve) => {
      this.endQuestion = () => {
        this.endQuestion = () => {};
        this.place.replaceChildren();
        if (before?.isConnected) before.focus();
        resolve(null);
      };
      const choose = (value) => {
        const end = this.endQuestion;
        resolve(value); // first: what comes second changes nothing
        end();
      };
      this.showQuestion(title, body, choices, role, choose);
    });
  }

  showQuestion(title, body, choices, role, choose) {
    const cancel = button('Cancel', () => choose(null));
    const buttons = choices.map(([label, value], index) => button(label, () => choose(value()), { primary: !index }));
    const onkeydown = (event) => {
      if (event.key === 'Escape') choose(null);
      else if (event.key === 'Enter' && event.target.localName === 'input') choose(choices[0][1]());
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    const box = h('div.notice.question', { role, 'aria-label': title, onkeydown },
      h('div.told', {}, h('p', {}, h('strong', {}, title)), body),
      h('div.choices', {}, buttons, cancel));
    this.place.append(box);
    (box.querySelector('input') ?? cancel).focus();
  }

  /** Asks for a word; null where none was given. */
  askName(title, label, value = '') {
    const input = h('input.field', { type: 'text', 'aria-label': label, placeholder: label, value, spellcheck: 'false' });
    return this.ask(title, input, [['OK', () => input.value.trim() || null]], 'dialog');
  }

  /** What is under way, and how far it is if that is known; null: nothing is. */
  work(text, progress) {
    this.working.hidden = text === null;
    this.cancel.hidden = !this.onCancel;
    if (text === null) return;
    const told = progress ? describeProgress(progress) : { text, done: null };
    this.working.firstChild.textContent = told.text;
    this.bar.classList.toggle('kishu-endless', told.done === null);
    this.bar.firstChild.style.width = told.done === null ? '' : `${Math.round(told.done * 100)}%`;
  }
}
