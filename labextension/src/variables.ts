/**
 * The variables of now, of the notebook that is current: a list, and the history of the one that was chosen.
 *
 * Law: the kernel is asked while somebody looks, over the channel that answers beside a running cell, and never made to
 * run anything.
 */

import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { countOf } from '../../kishu_kernel/frontend/panel/static/timeline/model/format.js';
import { Refresher } from '../../kishu_kernel/frontend/panel/static/timeline/model/refresh.js';
import { h, icon } from '../../kishu_kernel/frontend/panel/static/timeline/view/elements.js';
import { Filmstrip } from './filmstrip';
import type { KernelLink } from './link';
import type { Links } from './links';
import { granted } from './protocol';
import { take, takeAs } from './take';
import type { Options } from './travel';
import { type Inspected, type Variable } from './variable';
import { VariableCard } from './variablecard';
import { VariableList } from './variablelist';

const MOST = 5000; // variables that are listed
const AGES_EVERY = 30000;

export class Variables extends Widget {
  constructor(
    private readonly links: Links,
    private readonly options: (link: KernelLink) => Options
  ) {
    super();
    this.id = 'kishu-variables';
    this.addClass('jp-kishu-variables');
    links.changed.connect(this._follow, this);
    this._timer = window.setInterval(() => this.isVisible && this._view?.drawAges(), AGES_EVERY);
  }

  override dispose(): void {
    window.clearInterval(this._timer);
    this._view?.dispose();
    super.dispose();
  }

  protected override onAfterShow(_: Message): void {
    this._follow();
    this._view?.seen(true);
  }

  protected override onAfterHide(_: Message): void {
    this._view?.seen(false);
  }

  protected override onAfterAttach(_: Message): void {
    this._follow();
  }

  protected override onResize(_: Message): void {
    this._view?.drawAges();
  }

  protected override onActivateRequest(_: Message): void {
    this._view?.focus();
  }

  private _follow(): void {
    const link = this.links.current;
    const shown = link?.supported ? link : null;
    if (!this.isVisible || (shown === this._shown && (shown?.id ?? '') === this._id)) {
      return;
    }
    this._view?.dispose();
    this._shown = shown;
    this._id = shown?.id ?? '';
    this._view = shown && new View(shown, () => this.options(shown));
    this.node.replaceChildren(...(this._view ? [this._view.element] : []));
    this._view?.seen(true);
  }

  private _view: View | null = null;
  private _shown: KernelLink | null = null;
  private _id = '';
  private _timer = 0;
}

/** Of one kernel. */
class View {
  constructor(
    private readonly link: KernelLink,
    options: () => Options
  ) {
    this._card = new VariableCard(link);
    this._list = new VariableList({
      open: name => this._open(name),
      rest: (variable, row) => this._card.rest(variable, row)
    });
    this._film = new Filmstrip(link, {
      close: () => this._close(),
      bringBack: (name, from) => void take(name, from, null, options()),
      bringAs: (name, from) => void takeAs(name, from, options())
    });
    this._filter.addEventListener('input', () => {
      this._card.hide();
      this._draw();
    });
    this._filter.addEventListener('keydown', event => this._filterKey(event));
    link.moved.connect(this._moved, this);
    this._all.append(this._list.element);
    this.element = h('div.timeline.fill', { 'data-lm-suppress-shortcuts': 'true' }, this._all, this._film.element);
    this._film.element.hidden = true;
  }

  readonly element: HTMLElement;

  dispose(): void {
    this.link.moved.disconnect(this._moved, this);
    this._refresher.stop();
    this._card.hide();
  }

  seen(isSeen: boolean): void {
    this._refresher.setVisible(isSeen, isSeen && !this._isRead);
    this._card.hide();
  }

  focus(): void {
    (this._name === null ? this._filter : this._film.element.querySelector<HTMLElement>('li, button'))?.focus();
  }

  drawAges(): void {
    if (this._isRead && this._name === null) {
      this._draw();
    }
  }

  private _moved(): void {
    this._refresher.changed();
  }

  private async _read(): Promise<void> {
    try {
      const request = { operation: 'inspect', preview: false, limit: MOST };
      this._reply = await granted<Inspected>(this.link.request(request));
      this._isRead = true;
      this._draw();
    } catch (error) {
      this._told.textContent = (error as Error).message;
    }
    if (this._name !== null) {
      await this._film.show(this._name);
    }
  }

  private _draw(): void {
    const { variables, total, truncated, now } = this._reply ?? { variables: [] as Variable[], total: 0, truncated: false, now: true };
    const filter = this._filter.value.trim();
    this._list.element.hidden = !variables.length;
    this._list.show(variables, filter);
    const found = filter ? `${this._list.found} of ` : '';
    const rest = truncated ? `, the first ${variables.length.toLocaleString('en')} are shown` : '';
    this._told.textContent = variables.length ? `${found}${countOf(total, 'variable')}${rest}` : 'No variables yet. Run a cell.';
    this._running.hidden = now;
  }

  private _filterKey(event: KeyboardEvent): void {
    if (event.key === 'ArrowDown' || event.key === 'Enter') {
      this._list.element.focus();
    } else if (event.key === 'Escape' && this._filter.value) {
      this._filter.value = '';
      this._draw();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private _open(name: string): void {
    this._name = name;
    this._all.hidden = true;
    this._film.element.hidden = false;
    void this._film.show(name);
  }

  private _close(): void {
    this._name = null;
    this._film.element.hidden = true;
    this._all.hidden = false;
    this._list.draw();
    this._list.element.focus();
  }

  private _refresher = new Refresher(() => this._read());
  private _card: VariableCard;
  private _list: VariableList;
  private _film: Filmstrip;
  private _filter: HTMLInputElement = h('input.search', {
    type: 'search', placeholder: 'Filter by name, type, value', 'aria-label': 'Filter variables', spellcheck: 'false'
  });
  private _told: HTMLElement = h('span.quiet', { role: 'status' });
  private _running: HTMLElement = h('span.quiet', { hidden: true }, 'a cell runs: as before it');
  private _all: HTMLElement = h('div.var-all', {},
    h('div.toolbar', {}, h('label.finder', {}, icon('search'), this._filter)),
    h('div.where', {}, this._told, this._running));
  private _name: string | null = null;
  private _reply: Inspected | null = null;
  private _isRead = false;
}
