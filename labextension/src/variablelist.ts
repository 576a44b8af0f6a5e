/** The list of variables. However many there are, only the rows that are seen are drawn. */

import { formatAge, formatBytes } from '../../kishu_kernel/frontend/panel/static/timeline/model/format.js';
import { listTarget } from '../../kishu_kernel/frontend/panel/static/timeline/model/keys.js';
import {
  ROW_HEIGHT,
  rowsPerPage,
  scrollToReveal,
  visibleRange
} from '../../kishu_kernel/frontend/panel/static/timeline/model/viewport.js';
import { h } from '../../kishu_kernel/frontend/panel/static/timeline/view/elements.js';
import { groupOf, shapeText, shortType, valueText, type Variable } from './variable';

type Group = 'modules' | 'results';
type Item = { key: string; variable: Variable; level: number } | { key: string; group: Group; count: number };

/** A row on the page, and all that its look depends on. */
interface Drawn {
  item: Item;
  isSelected: boolean;
  element: HTMLElement;
}

export interface ListEvents {
  /** A variable was chosen: its history is wanted. */
  open(name: string): void;
  /** One rests under the pointer, or is the one that the keys stand on; null: none. */
  rest(variable: Variable | null, row: HTMLElement | null): void;
}

let lists = 0;

export class VariableList {
  constructor(private readonly on: ListEvents) {
    this.element.addEventListener('scroll', () => {
      on.rest(null, null);
      this._frame ||= requestAnimationFrame(() => this.draw());
    });
    this.element.addEventListener('click', event => this._activate(this._at(event)));
    this.element.addEventListener('pointermove', event => this._point(this._at(event)));
    this.element.addEventListener('pointerleave', () => this._point(-1));
    this.element.addEventListener('keydown', event => this._key(event));
    this.element.addEventListener('blur', () => on.rest(null, null));
  }

  readonly element: HTMLElement = h('div.list.var-list', { role: 'tree', tabindex: '0', 'aria-label': 'Variables' });

  /** How many are shown that are no modules and no results. */
  get found(): number {
    return this._items.filter(each => 'variable' in each).length;
  }

  show(variables: readonly Variable[], filter: string): void {
    this._variables = variables;
    this._filter = filter;
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (each: Variable) => {
      const text = `${each.name} ${each.type} ${each.summary}`.toLowerCase();
      return words.every(word => text.includes(word));
    };
    const found = { variables: [] as Variable[], modules: [] as Variable[], results: [] as Variable[] };
    for (const each of variables) {
      if (fits(each)) {
        found[groupOf(each)].push(each);
      }
    }
    const items: Item[] = found.variables.map(variable => ({ key: variable.name, variable, level: 1 }));
    for (const group of ['modules', 'results'] as const) {
      if (found[group].length) {
        items.push({ key: `(${group})`, group, count: found[group].length });
        if (this._isOpen(group)) {
          items.push(...found[group].map(variable => ({ key: variable.name, variable, level: 2 })));
        }
      }
    }
    this._items = items;
    this._pointed = -1;
    this._space.style.height = `${items.length * ROW_HEIGHT}px`;
    if (!this._space.parentElement) {
      this.element.append(this._space);
    }
    this.draw();
  }

  /** Draws the rows that are seen, and nothing else. */
  draw(): void {
    cancelAnimationFrame(this._frame);
    this._frame = 0;
    const { scrollTop, clientHeight } = this.element;
    const { first, last } = visibleRange(scrollTop, clientHeight, this._items.length);
    const drawn = new Map<number, Drawn>();
    for (let index = first; index <= last; index++) {
      const item = this._items[index]!;
      const isSelected = item.key === this._selected;
      const known = this._drawn.get(index);
      const stays = known?.item === item && known.isSelected === isSelected;
      drawn.set(index, stays ? known : { item, isSelected, element: this._row(item, index) });
    }
    for (const [index, { element }] of this._drawn) {
      if (drawn.get(index)?.element !== element) {
        element.remove();
      }
    }
    const fresh = [...drawn.values()].map(each => each.element).filter(each => !each.isConnected);
    this._space.append(...fresh);
    this._drawn = drawn;
    const selected = this._items.findIndex(each => each.key === this._selected);
    if (selected >= first && selected <= last) {
      this.element.setAttribute('aria-activedescendant', this._idOf(selected));
    } else {
      this.element.removeAttribute('aria-activedescendant');
    }
  }

  private _row(item: Item, index: number): HTMLElement {
    const isSelected = item.key === this._selected;
    const common = {
      role: 'treeitem',
      id: this._idOf(index),
      'data-index': String(index),
      'aria-selected': String(isSelected),
      'aria-setsize': String(this._items.length),
      'aria-posinset': String(index + 1),
      style: `top:${index * ROW_HEIGHT}px`
    };
    const selected = isSelected ? '.selected' : '';
    if ('group' in item) {
      const isOpen = this._isOpen(item.group);
      const label = item.group === 'modules' ? `Modules (${item.count})` : `Results of cells (${item.count})`;
      const attributes = { ...common, 'aria-level': '1', 'aria-expanded': String(isOpen) };
      return h(`div.row.var-group${selected}`, attributes, h('span.quiet', { 'aria-hidden': 'true' }, isOpen ? '▾ ' : '▸ '), label);
    }
    const { variable } = item;
    const attributes = { ...common, 'aria-level': String(item.level), 'aria-label': spoken(variable) };
    return h(`div.row.var-row${selected}`, attributes, ...lines(variable));
  }

  private _key(event: KeyboardEvent): void {
    const selected = this._items.findIndex(each => each.key === this._selected);
    const { clientHeight } = this.element;
    const target = listTarget(event, { selected, count: this._items.length, pageRows: rowsPerPage(clientHeight) });
    const item = this._items[selected];
    if (target !== null) {
      this._selected = this._items[target]!.key;
      this.element.scrollTop = scrollToReveal(target, this.element.scrollTop, clientHeight);
      this.draw();
      this._rest(target);
    } else if (event.key === 'Enter' && item) {
      this._activate(selected);
    } else if (item && 'group' in item && { ArrowRight: false, ArrowLeft: true }[event.key] === this._isOpen(item.group)) {
      this._activate(selected);
    } else if (event.key === 'Escape') {
      this.on.rest(null, null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** The index of the row on which something happened; -1: of none. */
  private _at(event: Event): number {
    const row = (event.target as HTMLElement).closest<HTMLElement>('[data-index]');
    return row ? Number(row.dataset.index) : -1;
  }

  private _activate(index: number): void {
    const item = this._items[index];
    if (!item) {
      return;
    }
    this._selected = item.key;
    if ('group' in item) {
      this._toggled.has(item.group) ? this._toggled.delete(item.group) : this._toggled.add(item.group);
      this.show(this._variables, this._filter);
      return;
    }
    this.draw();
    this.on.rest(null, null);
    this.on.open(item.variable.name);
  }

  private _point(index: number): void {
    if (index !== this._pointed) {
      this._pointed = index;
      this._rest(index);
    }
  }

  private _rest(index: number): void {
    const item = this._items[index];
    const row = this._space.querySelector<HTMLElement>(`[data-index="${index}"]`);
    this.on.rest(item && 'variable' in item ? item.variable : null, row);
  }

  /** Where something is searched for, all that is found is shown. */
  private _isOpen(group: Group): boolean {
    return this._toggled.has(group) !== Boolean(this._filter);
  }

  private _idOf(index: number): string {
    return `${this._prefix}-${index}`;
  }

  private _space: HTMLElement = h('div.space', { role: 'none' });
  private _prefix = `kishu-variables-${++lists}`;
  private _variables: readonly Variable[] = [];
  private _filter = '';
  private _items: Item[] = [];
  private _drawn = new Map<number, Drawn>();
  private _toggled = new Set<Group>();
  private _selected = '';
  private _pointed = -1;
  private _frame = 0;
}

function lines(variable: Variable): HTMLElement[] {
  const { name, type, changed_in: cell, changed_at: at, bytes, stored } = variable;
  const since = [cell === null ? '' : `In [${cell}]`, at ? formatAge(at) : ''].filter(Boolean).join(' · ');
  return [
    h('div.line', {},
      h('span.var-name', { title: name }, name),
      h('span.var-type', { title: type }, shortType(type)),
      h('span.var-shape', {}, shapeText(variable)),
      h('span.when', {}, stored ? formatBytes(bytes) : 'not stored')),
    h('div.line', {},
      h('span.var-value', {}, valueText(variable)),
      h('span.when', { title: at ? new Date(at).toLocaleString() : '' }, since))
  ];
}

/** As a screen reader says it. */
function spoken(variable: Variable): string {
  const { name, type, changed_in: cell, changed_at: at, bytes, stored } = variable;
  return [
    name,
    shortType(type),
    shapeText(variable),
    valueText(variable),
    stored ? formatBytes(bytes) : 'not stored',
    cell === null ? '' : `changed by In [${cell}]`,
    at ? formatAge(at) : ''
  ].filter(Boolean).join(', ');
}
