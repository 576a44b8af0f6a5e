/** One link and one set of marks for each open notebook, and which of them is the current one. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal, type ISignal } from '@lumino/signaling';

import { KernelLink } from './link';
import { Marks } from './marks';

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

  marksOf(link: KernelLink): Marks {
    const known = this._marks.get(link) ?? new Marks(link);
    this._marks.set(link, known);
    return known;
  }

  private _open(panel: NotebookPanel): KernelLink {
    const known = this._links.get(panel);
    if (known) {
      return known;
    }
    const link = new KernelLink(panel);
    this._links.set(panel, link);
    link.changed.connect(() => {
      if (link === this.current) {
        this._changed.emit();
      }
    });
    return link;
  }

  private _links = new WeakMap<NotebookPanel, KernelLink>();
  private _marks = new WeakMap<KernelLink, Marks>();
  private _currentChanged = new Signal<this, void>(this);
  private _changed = new Signal<this, void>(this);
}
