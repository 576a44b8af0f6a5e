/** The tab of states: the shared timeline, of the notebook that is current. */

import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { mount, type Timeline } from '../../kishu_kernel/frontend/panel/static/timeline.js';
import { Commands } from './commands';
import type { KernelLink, Move } from './link';
import type { Links } from './links';
import { ASLEEP } from './phases';
import { travels, type Checkpoint, type Reply, type Transport } from './protocol';

const CHANGE_KERNEL = 'notebook:change-kernel';
const RECORD = '%load_ext kishu_kernel';

/** What the sidebar leaves to others. */
export interface Doing {
  /** A travel that was asked for here is over. */
  traveled(link: KernelLink, reply: Reply): void;
  /** Makes a slip in the notebook, and takes it back. */
  tryOut(link: KernelLink): Promise<void>;
  /** A person has chosen to see plots in the list, or not. */
  showPlots(isWanted: boolean): void;
}

export class Sidebar extends Widget {
  constructor(
    private readonly links: Links,
    private readonly commands: CommandRegistry,
    private readonly doing: Doing
  ) {
    super();
    this.id = 'kishu-states';
    this.addClass('jp-kishu-states');
    links.changed.connect(this._follow, this);
  }

  override dispose(): void {
    this._timeline?.destroy();
    super.dispose();
  }

  /** Nothing is asked of a kernel for a sidebar that nobody sees. */
  protected override onAfterShow(_: Message): void {
    this._follow();
  }

  protected override onAfterAttach(_: Message): void {
    this._follow();
  }

  protected override onActivateRequest(_: Message): void {
    if (this._timeline) {
      this._timeline.focusSearch();
    } else {
      this.node.querySelector('button')?.focus();
    }
  }

  private _follow(): void {
    if (!this.isVisible) {
      return;
    }
    const link = this.links.current;
    const phase = link?.phase ?? 'none';
    if (this._timeline && link === this._shown && phase !== 'plain') {
      const isOther = phase === 'live' && link?.id !== this._id;
      this._id = isOther ? link!.id : this._id;
      this._timeline.setKernel(ASLEEP[phase] ?? null); // what was there stays to be seen
      if (isOther) {
        void this._timeline.refresh();
      }
      return;
    }
    this._timeline?.destroy();
    this._timeline = null;
    const shown = phase === 'live' ? link : null;
    this._shown = shown;
    this._id = shown?.id ?? '';
    if (!shown) {
      this.node.replaceChildren(this._nothing(link));
      return;
    }
    const place = document.createElement('div');
    place.className = 'jp-kishu-timeline';
    this.node.replaceChildren(place);
    this._timeline = mount(place, this._transport(shown), {
      fill: true,
      pictures: this._plots,
      onPictures: isWanted => this.doing.showPlots(isWanted),
      stateEntries: checkpoint => this._stateEntries(checkpoint),
      firstTry: ['Try it: a slip, and Undo', () => void this.doing.tryOut(shown)],
      onTravel: reply => this.doing.traveled(shown, reply)
    });
  }

  /** Whether the list shows the plots of cells. */
  showPlots(isWanted: boolean): void {
    this._plots = isWanted;
    this._timeline?.showPictures(isWanted);
  }

  private _stateEntries({ id }: Checkpoint): [string, () => void][] {
    const args = { checkpoint: id };
    const entries: [string, string][] = [
      ['Go here with the code', Commands.goWithCode],
      ['Open a copy from here', Commands.openCopy]
    ];
    return entries
      .filter(([, command]) => this.commands.isEnabled(command, args))
      .map(([label, command]) => [label, () => void this.commands.execute(command, args)]);
  }

  private _transport(link: KernelLink): Transport {
    return {
      request: async content => {
        const action = travels(content) && !content.dry_run ? link.act() : null;
        try {
          return await link.request(content);
        } finally {
          action?.dispose();
        }
      },
      onChange: callback => {
        const moved = (_: unknown, { anew, news }: Move) => callback(anew, news);
        link.moved.connect(moved);
        return () => void link.moved.disconnect(moved);
      },
      onProgress: callback => {
        const shown = (_: unknown, progress: Parameters<typeof callback>[0]) => callback(progress);
        link.progressed.connect(shown);
        return () => void link.progressed.disconnect(shown);
      }
    };
  }

  /** What is shown where the kernel is one without Kishu: why, and what to do. */
  private _nothing(link: KernelLink | null): HTMLElement {
    const box = document.createElement('div');
    box.className = 'jp-kishu-nothing';
    const told = document.createElement('p');
    box.append(told);
    if (!link) {
      told.textContent = 'Open a notebook to see its history here.';
      return box;
    }
    const asleep = ASLEEP[link.phase];
    told.textContent =
      asleep ?? 'The history is kept by the kernel Python 3 (Kishu). This notebook runs in another one.';
    if (link.phase === 'plain' && link.speaksPython) {
      box.append(this._recordButton(link, told));
    }
    if (['plain', 'none'].includes(link.phase) && this.commands.hasCommand(CHANGE_KERNEL)) {
      const button = document.createElement('button');
      button.className = 'jp-mod-styled';
      button.textContent = 'Change kernel...';
      button.addEventListener('click', () => void this.commands.execute(CHANGE_KERNEL));
      box.append(button);
    }
    return box;
  }

  /** A kernel of Python records, too, from when on the extension is loaded there. No cell of the notebook says so. */
  private _recordButton(link: KernelLink, told: HTMLElement): HTMLElement {
    const button = document.createElement('button');
    button.className = 'jp-mod-styled jp-mod-accept';
    button.textContent = 'Record from here';
    button.title = `Runs ${RECORD}: states are kept from the next cell on, and what there is now is part of the first one`;
    button.addEventListener('click', () => {
      button.disabled = true;
      told.textContent = link.busy ? 'Recording begins when the running cell has ended.' : 'Recording begins ...';
      void link.load(RECORD).then(loaded => {
        button.disabled = loaded;
        if (!loaded) {
          told.textContent = 'Kishu is not installed where this kernel runs: install kishu-kernel there, or change the kernel.';
        }
      });
    });
    return button;
  }

  private _plots = false;
  private _timeline: Timeline | null = null;
  private _shown: KernelLink | null = null;
  private _id = '';
}
