/** What one can do with a cell: go to the state before it, and to the one after it. */

import { isCodeCellModel, type ICodeCellModel } from '@jupyterlab/cells';
import type { CommandRegistry } from '@lumino/commands';
import type { LabIcon } from '@jupyterlab/ui-components';

import { Commands, type OptionsOf } from './commands';
import { afterIcon, beforeIcon } from './icons';
import type { KernelLink } from './link';
import type { Links } from './links';
import { granted, type Checkpoint, type Request } from './protocol';
import type { States } from './states';
import { acting } from './notices';
import { travel } from './travel';

type RequestOf = (at: Checkpoint, states: States) => Request;

/** Of the cell that is active in the current notebook: where one clicks, it is. */
export function addCellCommands(commands: CommandRegistry, links: Links, options: OptionsOf): void {
  const cell = () => {
    const model = links.current?.panel.content.activeCell?.model;
    return model && isCodeCellModel(model) && model.executionCount !== null ? model : null;
  };
  const add = (id: string, label: string, icon: LabIcon, requestOf: RequestOf) =>
    commands.addCommand(id, {
      label: args => (args.toolbar ? '' : label),
      caption: `${label}: its variables come back`,
      icon,
      isVisible: () => links.current?.supported ?? false,
      isEnabled: () => cell() !== null && !links.current!.acting,
      execute: async () => {
        const [link, model] = [links.current, cell()];
        if (link?.supported && model) {
          const at = await stateOf(link, model, links.statesOf(link));
          if (at) {
            await travel(requestOf(at, links.statesOf(link)), label, options(link));
          }
        }
      }
    });
  add(Commands.beforeCell, 'Go to before this cell', beforeIcon, before);
  add(Commands.afterCell, 'Go to after this cell', afterIcon, at => ({ operation: 'checkout', target: at.id }));
}

/** The state that a cell made last. Tells where there is none. */
async function stateOf(link: KernelLink, cell: ICodeCellModel, states: States): Promise<Checkpoint | null> {
  const known = states.runOf(cell);
  if (known) {
    return known.checkpoint;
  }
  let found: Checkpoint | null = null;
  await acting(link, 'Go', async () => {
    const target = `In[${cell.executionCount}]`;
    const { checkpoint } = await granted<{ checkpoint: Checkpoint }>(link.request({ operation: 'show', target }));
    if (checkpoint.code.trim() !== cell.sharedModel.getSource().trim()) {
      throw new Error(`No state is known that this cell made: ${target} was another cell. The list in the sidebar has all states.`);
    }
    found = checkpoint;
  });
  return found;
}

/** Nothing that has a name is before the first state; each path ends there. */
function before(at: Checkpoint, states: States): Request {
  return at.parent === null ? { operation: 'undo', steps: states.steps } : { operation: 'checkout', target: at.parent };
}
