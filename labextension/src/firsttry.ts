/** First use: makes a slip in the open notebook, takes it back, and shows that it is taken back. */

import { NotebookActions } from '@jupyterlab/notebook';

import type { KernelLink } from './link';

/** Milliseconds for which the slip is seen. */
const PAUSE = 900;

/** Adds cells to the notebook and runs them, with an undo between. `undo` takes the last cell back. */
export async function tryOut(link: KernelLink, undo: () => Promise<void>): Promise<void> {
  const done = await run(link, 'rain = [3.1, 7.4, 5.2]', 'rain.clear()  # a slip: the numbers are gone\nrain');
  if (done) {
    await new Promise(resolve => window.setTimeout(resolve, PAUSE));
    await undo();
    await run(link, 'rain  # after Undo: they are back. These three cells can be deleted');
  }
}

/** Adds cells at the end, before an empty one if there is one, and runs them. Whether they ended well. */
async function run({ panel }: KernelLink, ...sources: string[]): Promise<boolean> {
  const { content, sessionContext } = panel;
  const document = content.model?.sharedModel;
  if (!document) {
    return false;
  }
  const last = document.cells.at(-1);
  const at = document.cells.length - (last?.cell_type === 'code' && !last.getSource().trim() ? 1 : 0);
  document.insertCells(
    at,
    sources.map(source => ({ cell_type: 'code', source }))
  );
  const cells = content.widgets.slice(at, at + sources.length);
  content.activeCellIndex = at + sources.length - 1;
  return NotebookActions.runCells(content, cells, sessionContext);
}
