/**
 * Kishu in JupyterLab and Notebook 7: commands, palette, toolbar button, sidebar, status bar.
 *
 * The menu and the shortcuts are in `schema/plugin.json`, where a person can change them. All of it speaks the kernel's
 * own messages; nothing here needs the server's help, and no file is written but the copy that a person asks for (`copy`).
 */

import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';

import { addCellCommands } from './cellcommands';
import { addCommands, Commands, travelOptions } from './commands';
import { openCopy } from './copy';
import { tryOut } from './firsttry';
import type { KernelLink } from './link';
import { Links } from './links';
import { Notice } from './notices';
import { Offers } from './offers';
import type { Travel } from './protocol';
import { Sidebar } from './sidebar';
import { StatusItem } from './statusitem';
import { Tabs } from './tabs';
import { UndoButton } from './toolbar';
import { arrived, travel } from './travel';
import { Variables } from './variables';

const PLUGIN = 'kishu-kernel:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'Time travel for notebooks that run in the Kishu kernel.',
  autoStart: true,
  // Optional, all of them: Notebook 7 has pages without notebooks, and no status bar.
  optional: [INotebookTracker, ICommandPalette, IToolbarWidgetRegistry, ISettingRegistry, ILayoutRestorer, IStatusBar],
  activate
};

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker | null,
  palette: ICommandPalette | null,
  toolbars: IToolbarWidgetRegistry | null,
  settings: ISettingRegistry | null,
  restorer: ILayoutRestorer | null,
  statusBar: IStatusBar | null
): void {
  if (!tracker) {
    return;
  }
  const links = new Links(tracker);
  const { commands, shell } = app;
  let loaded: ISettingRegistry.ISettings | null = null;
  const options = travelOptions(links);

  const undo = (link: KernelLink) => travel({ operation: 'undo' }, 'Undo', options(link));
  const states = new Sidebar(links, commands, {
    traveled: (link, reply) => arrived(reply as unknown as Travel, '', options(link), new Notice()),
    tryOut: link => tryOut(link, () => undo(link)),
    showPlots: isWanted => void loaded?.set('plots', isWanted)
  });
  const variables = new Variables(links, options);
  const sidebar = new Tabs(links, [
    { label: 'States', widget: states },
    { label: 'Variables', widget: variables }
  ]);
  shell.add(sidebar, 'left', { rank: 350 });
  restorer?.add(sidebar, sidebar.id);

  const show = (tab: number) => {
    sidebar.select(tab);
    shell.activateById(sidebar.id);
  };
  const showLog = () => show(0);
  const { contents } = app.serviceManager;
  const copy = (link: KernelLink, target: string) => openCopy(target, link, links, contents, commands);
  addCommands(commands, links, options, showLog, () => show(1), app.name === 'JupyterLab' ? copy : null); // Notebook 7 has a page for each
  addCellCommands(commands, links, options);
  for (const command of Object.values(Commands)) {
    palette?.addItem({ command, category: 'Kishu' }); // without arguments: only then it shows the keys
  }
  toolbars?.addFactory<NotebookPanel>(
    'Notebook',
    'kishu-undo',
    panel => new UndoButton(links.of(panel), link => void undo(link))
  );

  new Offers(links, link => void travel({ operation: 'resume' }, 'Bringing it back', options(link)));

  if (statusBar) {
    const item = new StatusItem(links, showLog);
    statusBar.registerStatusItem(PLUGIN, {
      item,
      align: 'left',
      rank: 900,
      isActive: () => item.isActive,
      activeStateChanged: links.changed
    });
  }

  void settings?.load(PLUGIN).then(found => {
    loaded = found;
    const read = () => states.showPlots(found.get('plots').composite as boolean);
    read();
    found.changed.connect(read);
  });
}

export default plugin;
