/**
 * Going to another state with the code: the notebook's cells become what they were there, too, with their outputs.
 *
 * Law: what would change is shown before, and what was typed and never run is named; the variables go first, so that a
 * travel that is refused changes no cell; the editor's own undo brings the newer cells back in one step.
 */

import { Dialog, showDialog } from '@jupyterlab/apputils';

import { changes, putBack, toldCells } from './cells';
import { Comparison } from './comparison';
import type { Documents } from './documents';
import { acting } from './notices';
import { cellName, granted, type CellThen, type Checkpoint, type Request, type ToldCell, type Travel } from './protocol';
import { arrived, carriedOut, summary, type Options } from './travel';

const UNDONE = 'Edit > Undo Cell Operation brings the newer cells back.';
const STAYED = 'The cells stay as they are.';

/** What is known of a state before one goes there. */
interface Destination {
  document: CellThen[];
  /** How a person knows the state. */
  name: string;
}

/** Travels, puts the cells in place, and tells. Never rejects: what goes wrong is told, too. */
export async function travelWithCode(
  request: Request,
  name: string,
  documents: Documents,
  options: Options
): Promise<void> {
  const { link } = options;
  await acting(link, name, async notice => {
    await documents.whole();
    const there = await destination(request, options);
    notice.end(); // it waits for the person now
    const shown = toldCells(link.panel.content.model!);
    if (!(there ? await agreed(there, documents, link) : await withoutCode(name))) {
      return;
    }
    const reply = await carriedOut(request, name, link, notice);
    if (reply) {
      const done = summary(reply);
      const told = there && (await put(reply, { ...there, shown }, documents, options));
      arrived(reply, told ? `${done} ${told}` : done, options, notice);
    }
  });
}

async function destination(request: Request, { link, states }: Options): Promise<Destination | null> {
  const { plan, document } = await granted<Travel>(link.request({ ...request, dry_run: true }));
  if (!document || plan.target === null) {
    return null;
  }
  const known = states.find(plan.target);
  const shown = known ? null : link.request({ operation: 'show', target: plan.target });
  return { document, name: cellName(known ?? (await granted<{ checkpoint: Checkpoint }>(shown!)).checkpoint) };
}

/** Shows what would change, if anything would; whether it may. */
async function agreed(there: Destination, documents: Documents, link: Options['link']): Promise<boolean> {
  const now = toldCells(link.panel.content.model!);
  const rows = changes(now, there.document);
  if (rows.every(row => row.kind === 'same')) {
    return true;
  }
  const dialog = new Dialog({
    title: `Go to ${there.name} with the code`,
    body: new Comparison(rows, there.name, await neverRun(rows.flatMap(row => row.now ?? []), there, documents, link)),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Go with the code' })],
    hasClose: true
  });
  dialog.addClass('jp-kishu-wide');
  return (await dialog.launch()).button.accept;
}

/** Of the cells that would change those whose text is in no state. */
async function neverRun(
  now: readonly ToldCell[],
  there: Destination,
  documents: Documents,
  link: Options['link']
): Promise<ToldCell[]> {
  documents.know(there.document);
  const places = new Set([link.place?.head, link.place?.latest]);
  for (const target of places) {
    if (target && documents.untold(now).length) {
      const shown = await link.request({ operation: 'show', target });
      documents.know((shown.document as ToldCell[] | null | undefined) ?? []); // what another page has told
    }
  }
  return documents.untold(now);
}

/** Puts the cells in place. Returns what is to be told of that. */
async function put(
  { document }: Travel,
  there: Destination & { shown: ToldCell[] },
  documents: Documents,
  { link, states }: Options
): Promise<string> {
  const notebook = link.panel.content;
  if (!document || !notebook.model || notebook.model.readOnly) {
    return STAYED;
  }
  // Who has typed while the variables were on their way has not seen what happens to that.
  const isSeen = JSON.stringify(toldCells(notebook.model)) === JSON.stringify(there.shown);
  if (!isSeen && !(await agreed({ ...there, document }, documents, link))) {
    return STAYED;
  }
  const isSame = changes(toldCells(notebook.model), document).every(row => row.kind === 'same');
  putBack(notebook, document, documents.remembered, cell => states.isAhead(cell));
  documents.know(document);
  return isSame ? '' : UNDONE;
}

async function withoutCode(name: string): Promise<boolean> {
  const result = await showDialog({
    title: `${name}: the code is not known`,
    body: 'The cells of the notebook were not kept with that state. The variables can go there without them.',
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Go without the code' })]
  });
  return result.button.accept;
}
