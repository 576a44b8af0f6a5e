/** What Kishu does and how it is used, on one page: a dialog. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';

const SENTENCES = [
  'After each cell that you run, the state of your variables is kept. The list in the sidebar shows all states, the newest first.',
  'Was a cell a mistake? Undo brings the variables back as they were before it. Where a cell must be re-run for that, you are asked.',
  'You can go to any state and work on from there. What you leave stays in the list; no state is lost by going to another one.',
  'Your notebook is yours: going back changes variables. Its cells change only where you ask for that.'
];

/** What is not a command: in the list of states. */
const IN_THE_LIST = [
  ['Enter, or two clicks', 'Go to the state'],
  ['Space, or one click', 'Show its code, outputs and variables'],
  ['Ctrl Enter, or Ctrl and a click', 'Compare it with the one that is selected, or with the present one'],
  ['Shift F10, or the right button', 'All that can be done with it'],
  ['/', 'Search']
];

/** Shows the page, with the keys that these commands have now. */
export async function showHelp(commands: CommandRegistry, ids: readonly string[]): Promise<void> {
  const body = new Widget();
  body.addClass('jp-kishu-help');
  for (const sentence of SENTENCES) {
    const paragraph = document.createElement('p');
    paragraph.textContent = sentence;
    body.node.append(paragraph);
  }
  const keyed = ids.flatMap(id => {
    const keys = keysOf(commands, id);
    return keys ? [[keys, commands.label(id)]] : [];
  });
  const tables = document.createElement('div');
  tables.append(table('Beside a cell (after Escape)', keyed), table('In the list of states', IN_THE_LIST));
  body.node.append(tables);
  await showDialog({ title: 'Kishu', body, buttons: [Dialog.okButton({ label: 'Close' })] });
}

function keysOf(commands: CommandRegistry, id: string): string {
  const binding = commands.keyBindings.find(each => each.command === id);
  return binding ? binding.keys.map(key => CommandRegistry.formatKeystroke(key)).join(' ') : '';
}

function table(title: string, rows: readonly string[][]): HTMLElement {
  const made = document.createElement('table');
  made.createCaption().textContent = title;
  for (const [keys = '', what = ''] of rows) {
    const row = made.insertRow();
    const heading = document.createElement('th');
    heading.scope = 'row';
    heading.textContent = keys;
    row.append(heading);
    row.insertCell().textContent = what;
  }
  return made;
}
