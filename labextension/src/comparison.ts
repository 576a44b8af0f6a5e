/** What would change in the notebook, as a person sees it before: now on the left, then on the right. */

import { Widget } from '@lumino/widgets';

import { compareLines, type CellRow, type LineRow } from './difference.js';
import { firstLine, type CellThen, type ToldCell } from './protocol';

type Row = CellRow<ToldCell, CellThen>;

/** Lines that are drawn at most; a person does not read more. */
const MOST = 1500;
/** Lines that stay around those that change. */
const AROUND = 2;

const TOLD = { edited: 'edited', moved: 'moved', removed: 'goes', added: 'comes back' };

export class Comparison extends Widget {
  /** `neverRun`: cells whose text is in no state. */
  constructor(rows: readonly Row[], then: string, neverRun: readonly ToldCell[]) {
    super();
    this.addClass('jp-kishu-comparison');
    if (neverRun.length) {
      this.node.append(warning(neverRun));
    }
    const heading = box('jp-kishu-sides', text('b', 'Now'), text('b', then));
    const list = box('jp-kishu-changes');
    list.tabIndex = 0;
    list.setAttribute('role', 'region');
    list.setAttribute('aria-label', 'What changes in the cells');
    this.node.append(heading, list);
    this._fill(list, rows);
  }

  private _fill(list: HTMLElement, rows: readonly Row[]): void {
    let same = 0;
    let more = 0;
    const tell = () => {
      if (same) {
        list.append(text('p', same === 1 ? 'One cell stays' : `${same} cells stay`));
        same = 0;
      }
    };
    for (const row of rows) {
      if (row.kind === 'same') {
        same += 1;
      } else if (!row.now?.source && !row.then?.source) {
        continue; // an empty cell comes or goes
      } else if (this._left > 0) {
        tell();
        list.append(this._cell(row));
      } else {
        more += 1;
      }
    }
    tell();
    if (more) {
      list.append(text('p', more === 1 ? 'One more cell changes' : `${more} more cells change`));
    }
  }

  private _cell({ kind, now, then }: Row): HTMLElement {
    const article = document.createElement('article');
    const { type } = (then ?? now)!;
    const name = type === 'code' ? 'Cell' : `${type === 'raw' ? 'Raw' : 'Markdown'} cell`;
    article.append(text('h4', `${name}: ${TOLD[kind as keyof typeof TOLD]}`));
    const lines = now && then ? compareLines(now.source, then.source) : alone(now, then);
    article.append(...folded(lines).map(each => (typeof each === 'number' ? fold(each) : line(each))));
    this._left -= lines.length;
    return article;
  }

  private _left = MOST;
}

function warning(cells: readonly ToldCell[]): HTMLElement {
  const list = document.createElement('ul');
  for (const each of cells.slice(0, 5)) {
    const item = document.createElement('li');
    item.append(text('code', firstLine(each.source)));
    list.append(item);
  }
  if (cells.length > 5) {
    list.append(text('li', `${cells.length - 5} more`));
  }
  const one = cells.length === 1;
  const told = `${one ? 'This cell was' : 'These cells were'} changed and not run since: no state has ${one ? 'it' : 'them'}. `;
  return box('jp-kishu-never-run', text('p', `${told}Only Edit > Undo Cell Operation brings ${one ? 'it' : 'them'} back.`), list);
}

/** Of a cell that is on one side only. */
function alone(now: ToldCell | null, then: CellThen | null): LineRow[] {
  const lines = (now ?? then)!.source.split('\n');
  return lines.map(each => ({ kind: 'changed', now: now && each, then: then && each }));
}

/** Lines, and for those that stay far from a change their number. */
function folded(lines: readonly LineRow[]): (LineRow | number)[] {
  const near = new Set(lines.flatMap(({ kind }, at) => (kind === 'same' ? [] : around(at))));
  if (!near.size) {
    return lines.slice(0, AROUND + 1); // the cell is moved
  }
  const found: (LineRow | number)[] = [];
  lines.forEach((each, at) => {
    const last = found.at(-1);
    if (near.has(at)) {
      found.push(each);
    } else if (typeof last === 'number') {
      found[found.length - 1] = last + 1;
    } else {
      found.push(1);
    }
  });
  return found;
}

function around(at: number): number[] {
  return Array.from({ length: 2 * AROUND + 1 }, (_, index) => at - AROUND + index);
}

function line({ kind, now, then }: LineRow): HTMLElement {
  const side = (content: string | null, sign: string, name: string, role: string) => {
    const element = text('pre', content ?? '');
    if (kind === 'changed' && content !== null) {
      element.className = name;
      element.dataset.sign = sign;
      element.setAttribute('role', role);
    }
    return element;
  };
  return box('jp-kishu-sides', side(now, '−', 'jp-kishu-removed', 'deletion'), side(then, '+', 'jp-kishu-added', 'insertion'));
}

function fold(lines: number): HTMLElement {
  return text('p', lines === 1 ? 'One line stays' : `${lines} lines stay`);
}

function box(name: string, ...children: HTMLElement[]): HTMLElement {
  const element = document.createElement('div');
  element.className = name;
  element.append(...children);
  return element;
}

function text(tag: string, content: string): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = content;
  return element;
}
