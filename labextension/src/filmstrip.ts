/** The history of one variable: a frame for each state that changed it, newest first. */

import { formatAge, formatBytes } from '../../kishu_kernel/frontend/panel/static/timeline/model/format.js';
import { headline, placeLabel } from '../../kishu_kernel/frontend/panel/static/timeline/model/checkpoint.js';
import { button, h } from '../../kishu_kernel/frontend/panel/static/timeline/view/elements.js';
import type { KernelLink } from './link';
import { granted } from './protocol';
import { isFigure, shapeText, shortType, valueText, whatChanged, type Change, type Changes, type Value } from './variable';
import { pictureOf } from './variablecard';

const MOST = 100; // frames that are read at first

export interface FilmstripEvents {
  close(): void;
  bringBack(name: string, from: Change): void;
  bringAs(name: string, from: Change): void;
}

export class Filmstrip {
  constructor(
    private readonly link: KernelLink,
    private readonly on: FilmstripEvents
  ) {
    this._frames.addEventListener('keydown', event => this._key(event));
    this.element.addEventListener('keydown', event => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        on.close();
      }
    });
  }

  readonly element: HTMLElement = h('section.var-film', { 'aria-label': 'History of a variable' });

  /** Shows a variable, or once more the same one, since its history has changed. */
  async show(name: string, limit?: number): Promise<void> {
    const isNew = name !== this._name;
    this._limit = limit ?? (isNew ? MOST : this._limit);
    this._name = name;
    if (isNew) {
      this._fill(h('p.quiet', {}, 'Looking …'));
      this._back.focus();
    }
    let reply: Changes;
    try {
      reply = await granted<Changes>(this.link.request({ operation: 'variable', name, limit: this._limit }));
    } catch (error) {
      if (name === this._name) {
        this._fill(h('p.quiet', {}, (error as Error).message));
      }
      return;
    }
    if (name !== this._name) {
      return;
    }
    this._draw(reply);
    if (isNew) {
      this._frames.querySelector<HTMLElement>('li')?.focus();
    }
  }

  private _draw({ checkpoints, values, truncated }: Changes): void {
    const focused = [...this._frames.children].find(each => each.contains(document.activeElement));
    const at = (focused as HTMLElement | undefined)?.dataset.id;
    const { scrollTop } = this._frames;
    this._frames.setAttribute('aria-label', `States that changed ${this._name}, newest first`);
    this._frames.replaceChildren(...checkpoints.map((each, index) => this._frame(each, index, values)));
    if (truncated) {
      this._frames.append(h('li', {}, button('Show older ones', () => void this.show(this._name, 0))));
    }
    this._fill(this._frames);
    this._frames.scrollTop = scrollTop;
    const again = [...this._frames.children].find(each => (each as HTMLElement).dataset.id === at) as HTMLElement | undefined;
    if (at) {
      again?.focus();
    }
  }

  private _frame(change: Change, index: number, values: (Value | null)[]): HTMLElement {
    const name = this._name;
    const value = values[index] ?? null;
    const isFirst = index + 1 === values.length;
    const changed = whatChanged(values[index + 1] ?? null, value);
    const how = value ? (change.created.includes(name) ? 'created' : 'modified') : 'deleted';
    const place = change.take ? headline(change) : placeLabel(change);
    const told = value ? [shortType(value.type), shapeText(value), valueText(value)].filter(Boolean) : [];
    const frame = h(`li.var-frame.${how}`, {
      tabindex: index ? '-1' : '0',
      'data-id': change.id,
      'aria-label': [place, changed, ...told, formatAge(change.timestamp), index || !value ? '' : 'as it is now'].filter(Boolean).join(', ')
    },
      h('div.line', {},
        h('strong', {}, place),
        !index && value && h('span.here', {}, 'now'),
        h('span.when', { title: new Date(change.timestamp).toLocaleString() }, formatAge(change.timestamp))),
      h(`span.chip.${how}`, { title: changed }, isFirst && value && !change.take ? 'made' : changed),
      value && h('div.line', {},
        h('span.var-type', {}, shortType(value.type)),
        h('span.var-shape', {}, shapeText(value)),
        h('span.when', {}, value.stored ? formatBytes(value.bytes) : 'not stored')),
      value && valueText(value) && h('p.var-value', {}, valueText(value)),
      !change.take && change.code.trim() && h('code.var-code', { title: change.code }, lineWith(name, change)),
      value && h('div.actions', {},
        index > 0 && button('Bring back only this', () => this.on.bringBack(name, change)),
        button('Bring as …', () => this.on.bringAs(name, change))));
    if (value && isFigure(value)) {
      void pictureOf(this.link, change.id).then(picture => picture && frame.querySelector('.kishu-actions')?.before(picture));
    }
    return frame;
  }

  private _fill(content: HTMLElement): void {
    this._title.textContent = this._name;
    if (this.element.lastChild !== content) {
      this.element.replaceChildren(this._head, content);
    }
  }

  /** Up and down move from frame to frame. */
  private _key(event: KeyboardEvent): void {
    const frames = [...this._frames.querySelectorAll<HTMLElement>('li[data-id]')];
    const at = frames.findIndex(each => each.contains(document.activeElement));
    const targets: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: frames.length - 1 };
    const target = targets[event.key];
    if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    frames[Math.max(0, Math.min(frames.length - 1, target))]?.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  private _back = button('All variables', () => this.on.close(), { image: 'back' });
  private _title: HTMLElement = h('h3', {});
  private _head: HTMLElement = h('header.var-head', {}, this._back, this._title);
  private _frames: HTMLElement = h('ol.var-frames', {});
  private _name = '';
  private _limit = MOST;
}

/** The line of a cell that speaks of a variable, else the one by which the cell is known. */
function lineWith(name: string, change: Change): string {
  const words = (line: string) => line.split(/[^\p{L}\p{N}_]+/u);
  return change.code.split('\n').find(line => words(line).includes(name))?.trim() ?? headline(change);
}
