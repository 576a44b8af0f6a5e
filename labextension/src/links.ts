/** What belongs to each open notebook: a link, its states, its marks, its documents; and which of them is the current one. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal, type ISignal } from '@lumino/signaling';

import { Documents } from './documents';
import { KernelLink } from './link';
import { markCells } from './marks';
import { States } from './states';

export class Links {
  constructor(private readonly tracker: INotebookTracker) {
    tracker.forEach(panel => this._open(panel));
    tracker.widgetAdded.connect((_, panel) => this._open(panel));
    tracker.currentChanged.connect(() => {
      this._currentChanged.emit();
      this._changed.emit();
    });
  }

  /** Another notebook is the current one, or none. */
  get currentChanged(): ISignal<this, void> {
    return this._currentChanged;
  }

  /** What the current notebook's kernel can do, or where it stands, or which notebook is current. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get current(): KernelLink | null {
    const panel = this.tracker.currentWidget;
    return panel ? this.of(panel) : null;
  }

  of(panel: NotebookPanel): KernelLink {
    return this._open(panel);
  }

  statesOf(link: KernelLink): States {
    return this._states.get(link)!;
  }

  /** Two views of one notebook have the same. */
  documentsOf(link: KernelLink): Documents {
    const { context } = link.panel;
    const known = this._documents.get(context) ?? new Documents(context);
    this._documents.set(context, known);
    return known;
  }

  private _open(panel: NotebookPanel): KernelLink {
    const known = this._links.get(panel);
    if (known) {
      return known;
    }
    const link = new KernelLink(panel);
    const states = new States(link);
    this._links.set(panel, link);
    this._states.set(link, states);
    this.documentsOf(link).over(link);
    markCells(link, states);
    link.changed.connect(() => {
      if (link === this.current) {
        this._changed.emit();
      }
    });
    return link;
  }

  private _links = new WeakMap<NotebookPanel, KernelLink>();
  private _states = new WeakMap<KernelLink, States>();
  private _documents = new WeakMap<NotebookPanel['context'], Documents>();
  private _currentChanged = new Signal<this, void>(this);
  private _changed = new Signal<this, void>(this);
}
