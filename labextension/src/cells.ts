/**
 * The cells of an open notebook: read as they are, and put in place as they were, as one step of the editor's own undo.
 *
 * Law: only the model is changed, never a file; what is not told of a cell (metadata, attachments) it keeps.
 */

import { isCodeCellModel, type ICellModel } from '@jupyterlab/cells';
import type { ICell } from '@jupyterlab/nbformat';
import type { INotebookModel, Notebook } from '@jupyterlab/notebook';
import { JSONExt } from '@lumino/coreutils';
import type { YNotebook } from '@jupyter/ydoc';

import { compareCells, type CellRow } from './difference.js';
import type { CellThen, ToldCell } from './protocol';

/** What a notebook has of a cell besides what is told. */
type Besides = Pick<ICell, 'metadata' | 'attachments'>;

/** What one notebook's cells had besides what is told, for those that are put back after they were deleted. */
export type Remembered = Map<string, Besides>;

export function toldCells(model: INotebookModel): ToldCell[] {
  return [...model.cells].map(cell => ({
    id: cell.id,
    type: cell.type as ToldCell['type'],
    source: cell.sharedModel.getSource()
  }));
}

export function remember(model: INotebookModel, remembered: Remembered): void {
  for (const cell of model.cells) {
    const { metadata, attachments } = besides(cell);
    if (attachments || Object.keys(metadata).length) {
      remembered.set(cell.id, { metadata, attachments });
    }
  }
}

/**
 * What going there does to the cells. The empty cell at the end stays: a person writes there, and it is mostly younger
 * than the run that the state is of.
 */
export function changes(now: readonly ToldCell[], then: readonly CellThen[]): CellRow<ToldCell, CellThen>[] {
  const last = now.at(-1);
  const isKept = isEmpty(last) && !isEmpty(then.at(-1)) && !then.some(each => each.id === last?.id);
  const kept = { outputs: [], execution_count: null, checkpoint: null };
  return compareCells(now, isKept ? [...then, { ...last!, ...kept }] : then);
}

/** Whether a person would write there. */
function isEmpty(cell: ToldCell | undefined): boolean {
  return cell?.type === 'code' && !cell.source.trim();
}

/**
 * Makes of the cells what they were.
 *
 * `outdated` tells of a cell that did not run in that state whether its outputs are of a run that is not in it.
 */
export function putBack(
  notebook: Notebook,
  then: readonly CellThen[],
  remembered: Remembered,
  outdated: (cell: ICellModel) => boolean
): void {
  const model = notebook.model!;
  const shared = model.sharedModel as YNotebook;
  const models = new Map([...model.cells].map(cell => [cell.id, cell]));
  const rows = changes(toldCells(model), then);
  const stays = ({ stays, then }: CellRow<ToldCell, CellThen>) =>
    stays && isAsThen(models.get(then!.id)!, then!, outdated);
  const staying = new Set(rows.filter(stays).map(row => row.then!.id));
  const had = new Map([...models].map(([id, cell]) => [id, besides(cell)])); // a cell that is deleted has nothing
  const all = rows.flatMap(row => row.then ?? []);
  const active = notebook.activeCell?.model.id;
  remember(model, remembered);
  shared.undoManager.stopCapturing(); // what was done just before is a step of its own
  shared.transact(() => {
    for (let index = model.cells.length - 1; index >= 0; index--) {
      if (!staying.has(model.cells.get(index).id)) {
        shared.deleteCell(index);
      }
    }
    all.forEach((each, index) => {
      if (!staying.has(each.id)) {
        shared.insertCell(index, made(each, had.get(each.id) ?? remembered.get(each.id)));
        return;
      }
      const cell = models.get(each.id)!;
      if (cell.sharedModel.getSource() !== each.source) {
        cell.sharedModel.setSource(each.source);
      }
      if (isCodeCellModel(cell) && each.checkpoint !== null) {
        cell.sharedModel.execution_count = each.execution_count;
      }
    });
  });
  shared.undoManager.stopCapturing();
  const place = all.findIndex(each => each.id === active);
  if (place >= 0) {
    notebook.activeCellIndex = place;
  }
}

/**
 * Whether a cell need not be made anew. A code cell with other outputs is: Lab does not follow where outputs of a cell are
 * replaced, by an undo either. What is drawn of outputs that are there already may have a state of its own, and stays.
 */
function isAsThen(cell: ICellModel, then: CellThen, outdated: (cell: ICellModel) => boolean): boolean {
  if (!isCodeCellModel(cell)) {
    return true;
  }
  const hasThese =
    then.checkpoint === null
      ? !outdated(cell)
      : cell.executionCount === then.execution_count || JSONExt.deepEqual(cell.sharedModel.getOutputs(), then.outputs);
  return hasThese && cell.sharedModel.getSource() === then.source;
}

/** A cell as a notebook's file has it. */
export function made(then: CellThen, besides: Besides | undefined) {
  const { id, type, source, outputs, execution_count } = then;
  // The kernel gives only outputs that the user's own cells made as they are: they are as trusted as when these ran.
  const { metadata, attachments } = besides ?? { metadata: type === 'code' ? { trusted: true } : {} };
  const cell = { id, cell_type: type, source, metadata, ...(attachments && { attachments }) };
  return type === 'code' ? { ...cell, outputs, execution_count } : cell;
}

function besides(cell: ICellModel): Besides {
  const attachments = (cell.sharedModel as { getAttachments?: () => Besides['attachments'] }).getAttachments?.();
  return { metadata: cell.sharedModel.getMetadata() as Besides['metadata'], attachments };
}
