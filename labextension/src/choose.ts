/** A dialog in which a state is chosen: by typing any target, or from the branches, tags and newest checkpoints. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { headline } from '../../kishu_kernel/frontend/panel/static/timeline/model/checkpoint.js';
import { cellName, type Checkpoint } from './protocol';

interface Choice {
  target: string;
  kind: 'branch' | 'tag' | 'cell';
  /** What is shown of it. */
  name: string;
  told: string;
}

/** The target that was chosen; null if none was. */
export async function chooseTarget(checkpoints: readonly Checkpoint[]): Promise<string | null> {
  const body = new Chooser(choices(checkpoints));
  const result = await showDialog({
    title: 'Go to a state',
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Go' })],
    focusNodeSelector: 'input'
  });
  return result.button.accept ? result.value || null : null;
}

function choices(checkpoints: readonly Checkpoint[]): Choice[] {
  const named: Choice[] = [];
  const cells: Choice[] = [];
  for (const each of checkpoints) {
    const told = [each.execution_count === null ? '' : cellName(each), each.message || headline(each)]
      .filter(Boolean)
      .join('  ');
    named.push(...each.branches.map(name => ({ target: name, kind: 'branch' as const, name, told })));
    named.push(...each.tags.map(name => ({ target: name, kind: 'tag' as const, name, told })));
    const name = each.execution_count === null ? each.id.slice(0, 8) : cellName(each);
    cells.push({ target: each.id, kind: 'cell', name, told: each.message || headline(each) });
  }
  return [...named, ...cells];
}

class Chooser extends Widget implements Dialog.IBodyWidget<string> {
  constructor(private readonly all: readonly Choice[]) {
    super();
    this.addClass('jp-kishu-chooser');
    this._input.className = 'jp-mod-styled';
    this._input.placeholder = 'Branch, tag, id, HEAD~2, In[7], or words of a cell';
    this._input.spellcheck = false;
    const list = this._list;
    list.id = 'jp-kishu-choices';
    list.setAttribute('role', 'listbox');
    list.setAttribute('aria-label', 'States of the notebook');
    for (const [name, value] of Object.entries({
      role: 'combobox',
      'aria-label': 'State to go to',
      'aria-expanded': 'true',
      'aria-controls': list.id
    })) {
      this._input.setAttribute(name, value);
    }
    this._input.addEventListener('input', () => this._filter());
    this._input.addEventListener('keydown', event => this._key(event));
    this.node.append(this._input, list);
    this._filter();
  }

  /** As in `Dialog.IBodyWidget`: what is chosen in the list, else what was typed. */
  getValue(): string {
    return this._shown[this._at]?.target ?? this._input.value.trim();
  }

  private _filter(): void {
    const words = this._input.value.toLowerCase().split(/\s+/).filter(Boolean);
    this._shown = this.all.filter(each => {
      const text = `${each.kind} ${each.name} ${each.told} ${each.target}`.toLowerCase();
      return words.every(word => text.includes(word));
    });
    this._list.replaceChildren(...this._shown.map((each, index) => this._row(each, index)));
    const typed = this._input.value.trim();
    // A name that is typed in full means itself, whatever else contains it; HEAD~2 means no row.
    this._choose(typed ? this._shown.findIndex(each => each.name === typed || each.target === typed) : -1);
    if (this._at < 0 && typed && this._shown.length && !/[~[\]]/.test(typed)) {
      this._choose(0);
    }
  }

  private _row(each: Choice, index: number): HTMLElement {
    const row = document.createElement('li');
    row.id = `jp-kishu-choice-${index}`;
    row.setAttribute('role', 'option');
    row.dataset.kind = each.kind;
    const name = document.createElement('b');
    name.textContent = each.kind === 'cell' ? each.name : `${each.kind} ${each.name}`;
    const told = document.createElement('span');
    told.textContent = each.told;
    row.append(name, told);
    row.addEventListener('mousedown', event => {
      event.preventDefault(); // the input keeps the focus
      this._choose(index);
    });
    return row;
  }

  private _key(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this._shown.length) {
      event.preventDefault();
      this._choose(Math.max(0, Math.min(this._shown.length - 1, this._at + step)));
    }
  }

  private _choose(index: number): void {
    this._at = index;
    [...this._list.children].forEach((row, at) => row.setAttribute('aria-selected', String(at === index)));
    const row = this._list.children[index];
    row?.scrollIntoView({ block: 'nearest' });
    if (row) {
      this._input.setAttribute('aria-activedescendant', row.id);
    } else {
      this._input.removeAttribute('aria-activedescendant');
    }
  }

  private _input = document.createElement('input');
  private _list = document.createElement('ul');
  private _shown: Choice[] = [];
  private _at = -1;
}
