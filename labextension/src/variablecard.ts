/**
 * What a variable holds, in a card beside its row: the first rows of a table, the corner of an array, the picture of a figure.
 *
 * Law: nothing but text is made of what the kernel tells, and pictures are shown as pictures, in which no script runs.
 */

import { contentOf } from '../../kishu_kernel/frontend/panel/static/timeline/model/outputs.js';
import { isResult } from '../../kishu_kernel/frontend/panel/static/timeline/model/checkpoint.js';
import { joinNames } from '../../kishu_kernel/frontend/panel/static/timeline/model/format.js';
import { h } from '../../kishu_kernel/frontend/panel/static/timeline/view/elements.js';
import type { KernelLink } from './link';
import { granted } from './protocol';
import { isFigure, shapeText, type Inspected, type Variable } from './variable';

const AFTER = 350; // milliseconds that somebody rests on a row
const COLUMNS = 6; // there is no room for more
const ID = 'kishu-variable-card';

export class VariableCard {
  constructor(private readonly link: KernelLink) {}

  /** Shows a variable beside a row, if somebody rests there; null: shows nothing. */
  rest(variable: Variable | null, row: HTMLElement | null): void {
    window.clearTimeout(this._timer);
    this.hide();
    const list = row?.closest<HTMLElement>('.kishu-list');
    if (variable && row && list) {
      const { top } = row.getBoundingClientRect(); // now: it may be drawn anew meanwhile
      this._timer = window.setTimeout(() => void this._show(variable.name, top, list), AFTER);
    }
  }

  hide(): void {
    window.clearTimeout(this._timer);
    this._wanted = null;
    this._card?.remove();
    this._card = null;
    this._owner?.removeAttribute('aria-describedby');
  }

  private async _show(name: string, top: number, owner: HTMLElement): Promise<void> {
    const wanted = (this._wanted = Symbol(name));
    const request = { operation: 'inspect', names: [name], preview: true };
    const reply = await granted<Inspected>(this.link.request(request)).catch(() => null);
    const variable = reply?.variables[0];
    const picture = variable && isFigure(variable) ? await pictureOf(this.link, variable.changed_by) : null;
    if (!variable || this._wanted !== wanted || !owner.isConnected) {
      return;
    }
    this._card = draw(variable, picture);
    document.body.append(this._card);
    this._owner = owner;
    owner.setAttribute('aria-describedby', ID);
    const list = owner.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this._card;
    const isRight = list.right + width + 12 <= window.innerWidth;
    this._card.style.left = `${isRight ? list.right + 6 : Math.max(4, list.left - width - 6)}px`;
    this._card.style.top = `${Math.max(4, Math.min(top, window.innerHeight - height - 8))}px`;
  }

  private _card: HTMLElement | null = null;
  private _owner: HTMLElement | null = null;
  private _wanted: symbol | null = null;
  private _timer = 0;
}

function draw(variable: Variable, picture: HTMLElement | null): HTMLElement {
  const { name, type, along, stored } = variable;
  const shared = along.filter(each => !isResult(each));
  const facts = [type, shapeText(variable)].filter(Boolean).join(' · ');
  return h('div.timeline.var-card', { role: 'tooltip', id: ID },
    h('div.line', {}, h('span.var-name', {}, name), h('span.quiet', {}, facts)),
    picture ?? content(variable),
    shared.length > 0 && h('p.quiet', {}, `shares objects with ${joinNames(shared)}`),
    !stored && h('p.quiet', {}, 'not stored: it comes back by re-running its cell'));
}

function content({ head, preview, shape }: Variable): HTMLElement {
  if (!head?.rows[0]) {
    return h('pre.var-preview', {}, preview ?? '');
  }
  const more = (shape?.[0] ?? 0) > head.rows.length;
  const wide = shape?.length === 2 && (shape[1] ?? 0) > Math.min(COLUMNS, head.rows[0].length);
  const cells = (row: string[]) => [...row.slice(0, COLUMNS).map(each => h('td', {}, each)), wide && h('td', {}, '…')];
  return h('div.var-table', {},
    h('table', {},
      head.columns && h('thead', {}, h('tr', {}, head.columns.slice(0, COLUMNS).map(each => h('th', { scope: 'col' }, each)), wide && h('th', {}, '…'))),
      h('tbody', {}, head.rows.map(row => h('tr', {}, cells(row))), more && h('tr', {}, cells(head.rows[0].map(() => '…'))))));
}

/** The first picture that the cell of a state displayed; null where there is none. */
export async function pictureOf(link: KernelLink, id: string | null): Promise<HTMLElement | null> {
  const reply = id && (await granted<{ outputs: unknown[] }>(link.request({ operation: 'show', target: id })).catch(() => null));
  for (const output of reply ? reply.outputs : []) {
    const shown = contentOf(output);
    if (shown.kind === 'image') {
      return h('img.var-picture', { src: shown.source, alt: shown.alternative });
    }
  }
  return null;
}
