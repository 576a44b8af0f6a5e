/**
 * Marks on cells that are not in this state: what they did was taken back.
 *
 * Law: a mark is drawn, never written: neither the document nor its file knows of it.
 */

import type { Cell, ICodeCellModel } from '@jupyterlab/cells';
import { DisposableSet, DisposableDelegate, type IDisposable } from '@lumino/disposable';

import type { KernelLink } from './link';
import { granted, type Ahead, type Checkpoint } from './protocol';

const AHEAD = 'jp-kishu-ahead';
const TITLE = 'Not in this state: what this cell did was taken back. Re-run the cell, or redo.';

export class Marks implements IDisposable {
  constructor(private readonly link: KernelLink) {
    const { content, sessionContext } = link.panel;
    const draw = () => this.draw();
    const forget = () => this.clear();
    const recheck = () => void this._recheck();
    // A cell that runs loses its number at once, and its mark with it.
    const running = () => window.setTimeout(draw);
    content.modelChanged.connect(draw);
    content.model?.cells.changed.connect(draw);
    sessionContext.iopubMessage.connect(running);
    sessionContext.kernelChanged.connect(forget);
    link.moved.connect(recheck);
    this._ends.add(
      new DisposableDelegate(() => {
        content.modelChanged.disconnect(draw);
        content.model?.cells.changed.disconnect(draw);
        sessionContext.iopubMessage.disconnect(running);
        sessionContext.kernelChanged.disconnect(forget);
        link.moved.disconnect(recheck);
      })
    );
    link.panel.disposed.connect(() => this.dispose());
  }

  get isDisposed(): boolean {
    return this._ends.isDisposed;
  }

  get any(): boolean {
    return this._ahead.size > 0;
  }

  dispose(): void {
    this._ends.dispose();
  }

  /** Those of the cells that stand in the notebook, unmarked. */
  fitting(ahead: readonly Ahead[]): Ahead[] {
    const cells = [...this._cells()];
    return ahead.filter(each => !this._ahead.has(each.checkpoint) && cells.some(([, model]) => fits(model, each)));
  }

  mark(ahead: readonly Ahead[]): void {
    for (const each of ahead) {
      this._ahead.set(each.checkpoint, each);
    }
    this.draw();
  }

  clear(): void {
    this._ahead.clear();
    this.draw();
  }

  draw(): void {
    if (this.isDisposed || (!this._ahead.size && !this._drawn)) {
      return;
    }
    this._drawn = this._ahead.size > 0;
    for (const [cell, model] of this._cells()) {
      const isAhead = [...this._ahead.values()].some(each => fits(model, each));
      cell.toggleClass(AHEAD, isAhead);
      const prompt = cell.inputArea?.promptNode;
      if (prompt && isAhead) {
        prompt.title = TITLE;
      } else if (prompt?.title === TITLE) {
        prompt.removeAttribute('title');
      }
      if (isAhead && !prompt) {
        void cell.ready.then(() => this.draw()); // it is not on the screen yet
      }
    }
  }

  /** Cells on the path to HEAD are in this state again. */
  private async _recheck(): Promise<void> {
    if (!this._ahead.size) {
      return;
    }
    const log = await granted<{ checkpoints: Checkpoint[] }>(this.link.request({ operation: 'log', limit: 0 })).catch(
      () => null
    );
    for (const each of log?.checkpoints ?? []) {
      this._ahead.delete(each.id);
    }
    this.draw();
  }

  private *_cells(): Iterable<[Cell, ICodeCellModel]> {
    for (const cell of this.link.panel.content.widgets) {
      if (cell.model?.type === 'code') {
        yield [cell, cell.model as ICodeCellModel];
      }
    }
  }

  private _ahead = new Map<string, Ahead>();
  private _drawn = false;
  private _ends = new DisposableSet();
}

/** Whether it is the cell that was run: numbers begin anew with each kernel, so its code must be the same, or edited since. */
function fits(model: ICodeCellModel, ahead: Ahead): boolean {
  if (ahead.execution_count === null || model.executionCount !== ahead.execution_count) {
    return false;
  }
  return model.isDirty || model.sharedModel.getSource().trim() === ahead.code.trim();
}
