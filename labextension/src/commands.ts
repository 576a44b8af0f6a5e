/** The commands. Each works on the current notebook, and only if its kernel is one with Kishu. */

import { InputDialog } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { chooseTarget } from './choose';
import { showHelp } from './help';
import type { KernelLink } from './link';
import type { Links } from './links';
import { cellName, granted, type Checkpoint } from './protocol';
import { acting } from './notices';
import { travel, type Options } from './travel';
import { travelWithCode } from './withcode';

export const Commands = {
  undo: 'kishu:undo',
  redo: 'kishu:redo',
  checkout: 'kishu:checkout',
  resume: 'kishu:resume',
  commit: 'kishu:commit',
  tag: 'kishu:tag',
  branch: 'kishu:branch',
  undoWithCode: 'kishu:undo-with-code',
  goWithCode: 'kishu:go-with-code',
  openCopy: 'kishu:open-copy',
  beforeCell: 'kishu:before-cell',
  afterCell: 'kishu:after-cell',
  showLog: 'kishu:show-log',
  showVariables: 'kishu:show-variables',
  help: 'kishu:help'
} as const;

/** Checkpoints from which one can be chosen; others by their id. */
const CHOICES = 500;

export type OptionsOf = (link: KernelLink) => Options;

export function travelOptions(links: Links): OptionsOf {
  return link => ({ link, states: links.statesOf(link) });
}

export function addCommands(
  commands: CommandRegistry,
  links: Links,
  options: OptionsOf,
  showLog: () => void,
  showVariables: () => void,
  copy: ((link: KernelLink, target: string) => unknown) | null
): void {
  const supported = () => links.current?.supported ?? false;
  // A menu that was opened before the kernel has answered keeps what it shows: the sidebar says that it starts.
  const shown = () => supported() || links.current?.phase === 'starting';
  const free = () => links.current?.phase === 'live' && !links.current.acting;

  /** A command on the current notebook's kernel. */
  const add = (
    id: string,
    { label, ...looks }: Partial<CommandRegistry.ICommandOptions>,
    execute: (link: KernelLink, args: ReadonlyPartialJSONObject) => unknown
  ) =>
    commands.addCommand(id, {
      label,
      isEnabled: free,
      ...looks,
      execute: args => {
        const link = links.current;
        return link?.supported ? execute(link, args) : undefined;
      }
    });

  add(
    Commands.undo,
    {
      label: 'Undo execution',
      caption: 'Take the last cell back: the variables become what they were before it'
    },
    link => travel({ operation: 'undo' }, 'Undo', options(link))
  );
  add(
    Commands.redo,
    {
      label: 'Redo execution',
      caption: 'Bring back the cell that was undone last',
      isEnabled: () => free() && links.current?.place?.redo !== null
    },
    link => travel({ operation: 'redo' }, 'Redo', options(link))
  );
  add(
    Commands.checkout,
    { label: 'Go to a state...', caption: 'To any one: by its cell, a branch, a tag' },
    async (link, args) => {
      const target = typeof args.target === 'string' ? args.target : await chosen(link);
      if (target) {
        await travel({ operation: 'checkout', target }, 'Going there', options(link));
      }
    }
  );
  const withCode = { isEnabled: () => free() && (links.current?.operations?.includes('document') ?? false) };
  add(
    Commands.undoWithCode,
    { label: 'Undo with the code', caption: 'Take the last cell back, and put the cells as they were before it', ...withCode },
    link => travelWithCode({ operation: 'undo' }, 'Undo', links.documentsOf(link), options(link))
  );
  add(
    Commands.goWithCode,
    { label: 'Go with the code...', caption: 'Go to any state, and put the cells as they were there', ...withCode },
    async (link, args) => {
      const target = typeof args.checkpoint === 'string' ? args.checkpoint : await chosen(link);
      if (target) {
        const request = { operation: 'checkout', target };
        await travelWithCode(request, 'Going there', links.documentsOf(link), options(link));
      }
    }
  );
  add(
    Commands.openCopy,
    {
      label: 'Open a copy from here',
      caption: 'A new notebook with the code of this state, and a kernel that begins in it',
      isEnabled: () => copy !== null && free() && (links.current?.operations?.includes('begin') ?? false)
    },
    (link, args) => copy?.(link, typeof args.checkpoint === 'string' ? args.checkpoint : 'HEAD')
  );
  add(
    Commands.resume,
    { label: 'Bring back the last session', caption: 'Go to where the last session of this notebook ended' },
    link => travel({ operation: 'resume' }, 'Bringing it back', options(link))
  );
  add(
    Commands.commit,
    { label: 'Message...', caption: 'Give the present state a message' },
    async (link, args) => {
      const message = await word(args.message, 'A message for this state', 'Message', 'OK');
      if (message) {
        await acting(link, 'The message', async notice => {
          await granted(link.request({ operation: 'commit', message }));
          notice.done(`${head(link)} now has the message.`);
        });
      }
    }
  );
  add(
    Commands.tag,
    { label: 'Tag...', caption: 'Give the present state a tag' },
    async (link, args) => {
      const name = await word(args.name, 'A tag for this state', 'Name of the tag', 'Tag');
      if (name) {
        await acting(link, 'The tag', async notice => {
          await granted(link.request({ operation: 'tag', name }));
          notice.done(`Tag ${name} is now at ${head(link)}.`);
        });
      }
    }
  );
  add(
    Commands.branch,
    { label: 'Branch...', caption: 'Give a line that begins at the present state a name' },
    async (link, args) => {
      const name = await word(args.name, 'A branch at this state', 'Name of the branch', 'Branch');
      if (name) {
        const go = () => void commands.execute(Commands.checkout, { target: name });
        await acting(link, 'The branch', async notice => {
          await granted(link.request({ operation: 'branch', name }));
          notice.done(`Branch ${name} is now at ${head(link)}.`, {
            label: `Continue on ${name}`,
            callback: go
          });
        });
      }
    }
  );
  commands.addCommand(Commands.showLog, {
    label: 'Show history',
    caption: 'Show the states of this notebook in the sidebar',
    isEnabled: shown,
    execute: showLog
  });
  commands.addCommand(Commands.showVariables, {
    label: 'Show variables',
    caption: 'Show the variables of this notebook in the sidebar, and when each changed',
    isEnabled: shown,
    execute: showVariables
  });
  commands.addCommand(Commands.help, {
    label: 'Kishu Help',
    caption: 'What Kishu does, and its keys',
    execute: () => showHelp(commands, Object.values(Commands))
  });
  links.changed.connect(() => {
    for (const id of Object.values(Commands)) {
      commands.notifyCommandChanged(id);
    }
  });
}

async function chosen(link: KernelLink): Promise<string | null> {
  let checkpoints: Checkpoint[] | null = null;
  await acting(link, 'The list of states', async () => {
    const request = { operation: 'log', limit: CHOICES, all: true };
    checkpoints = (await granted<{ checkpoints: Checkpoint[] }>(link.request(request))).checkpoints;
  });
  return checkpoints && chooseTarget(checkpoints);
}

/** What a caller says, else what a person types; empty for nothing. */
async function word(said: unknown, title: string, placeholder: string, okLabel: string): Promise<string> {
  if (typeof said === 'string') {
    return said;
  }
  const result = await InputDialog.getText({ title, placeholder, okLabel });
  return result.button.accept ? (result.value ?? '').trim() : '';
}

function head(link: KernelLink): string {
  const at = link.place?.checkpoint;
  return at ? cellName(at) : 'the present state';
}
