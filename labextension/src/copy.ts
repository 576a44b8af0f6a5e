/**
 * *Open a copy from here*: a new notebook with the code of a state, and a kernel that begins in it.
 *
 * Law: the notebook at hand stays as it is, and so does its kernel; what the copy does is kept in the same history, on a
 * branch of its own. The copy is the only file that is ever written, since a person asks for it.
 */

import type { ICell } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Contents } from '@jupyterlab/services';
import type { CommandRegistry } from '@lumino/commands';

import { made } from './cells';
import type { KernelLink } from './link';
import type { Links } from './links';
import { acting } from './notices';
import { cellName, granted, type CellThen, type Checkpoint } from './protocol';

/** Seconds that the copy's kernel has to start. */
const STARTING = 60;

/** Opens it, and tells. Never rejects: what goes wrong is told, too. */
export async function openCopy(
  target: string,
  link: KernelLink,
  links: Links,
  contents: Contents.IManager,
  commands: CommandRegistry
): Promise<void> {
  await acting(link, 'The copy', async notice => {
    const { checkpoint, document } = await granted<{ checkpoint: Checkpoint; document: CellThen[] | null }>(
      link.request({ operation: 'show', target })
    );
    const { store } = await granted<{ store: { path: string | null } }>(link.request({ operation: 'status' }));
    if (store.path === null) {
      throw new Error('This history is kept in memory only: no other kernel can begin in a state of it.');
    }
    await granted(link.request({ operation: 'hibernate', timeout: STARTING }));
    const cells = document?.map(each => made(each, undefined)) ?? (await path(checkpoint, link));
    const name = await written(cells as ICell[], link.panel, contents);
    const copy = await commands.execute('docmanager:open', { path: name, factory: 'Notebook' });
    await begun(links.of(copy as NotebookPanel), `${store.path}@${checkpoint.id}`);
    notice.done(`${name} begins in ${cellName(checkpoint)}. ${link.panel.context.path} stays as it is.`);
  });
}

/** The cells that led to a state, where nobody has told what the notebook was. */
async function path({ id }: Checkpoint, link: KernelLink): Promise<unknown[]> {
  const { notebook } = await granted<{ notebook: { cells: unknown[] } }>(
    link.request({ operation: 'export', target: id })
  );
  return notebook.cells;
}

/** Writes a notebook beside another one; returns its path. */
async function written(cells: ICell[], panel: NotebookPanel, contents: Contents.IManager): Promise<string> {
  const from = panel.context.path;
  const copy = await contents.copy(from, from.split('/').slice(0, -1).join('/'));
  const content = { ...(panel.content.model!.toJSON() as object), cells };
  await contents.save(copy.path, { type: 'notebook', format: 'json', content });
  return copy.path;
}

/** Resolves when the kernel of a notebook that has just been opened stands in the state. */
async function begun(link: KernelLink, at: string): Promise<void> {
  await link.panel.sessionContext.ready;
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('The kernel of the copy does not start.')), STARTING * 1000);
    const look = () => {
      if (link.supported) {
        clearTimeout(late);
        link.changed.disconnect(look);
        resolve();
      }
    };
    link.changed.connect(look);
    look();
  });
  await granted(link.request({ operation: 'begin', at }));
}
