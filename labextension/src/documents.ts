/**
 * Tells the kernel the notebook's cells with each run: as they are when the run is asked for.
 *
 * Law: nothing waits for it. A message goes out after a run's reply, one at a time: cells that were queued together are
 * told together. A kernel that does not know the operation gets none, nor does one whose notebook is too large.
 */

import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';

import { remember, toldCells, type Remembered } from './cells';
import type { KernelLink } from './link';
import type { ToldCell } from './protocol';

/** Characters of all cells; a server may close the connection on much larger messages. */
const MOST = 2_000_000;

/** Runs that are told together: the numbers of cells that stood in the same document. */
interface Runs {
  cells: ToldCell[];
  ran: number[];
}

export class Documents {
  /** What cells of this notebook had besides what is told. */
  readonly remembered: Remembered = new Map();

  constructor(private readonly context: DocumentRegistry.IContext<INotebookModel>) {
    const { sessionContext } = context;
    this._follow(sessionContext.session?.kernel ?? null);
    sessionContext.kernelChanged.connect((_, { newValue }) => this._follow(newValue));
    sessionContext.statusChanged.connect((_, status) => {
      if (status === 'restarting' || status === 'autorestarting') {
        this._forget(); // numbers begin anew
      }
    });
  }

  /** It is told over this link, as long as its view of the notebook is open. */
  over(link: KernelLink): void {
    this._links.add(link);
    link.changed.connect(() => void this._tell());
    link.panel.disposed.connect(() => void this._links.delete(link));
  }

  /** Resolves when the kernel knows of all runs that have ended. */
  whole(): Promise<void> {
    return this._tell();
  }

  /** Of these cells the ones whose code is in no state, as far as is known here. */
  untold(cells: readonly ToldCell[]): ToldCell[] {
    return cells.filter(each => each.source.trim() && !this._told.has(key(each)));
  }

  /** These cells are in a state. */
  know(cells: readonly ToldCell[]): void {
    for (const each of cells) {
      this._told.add(key(each));
    }
  }

  private _follow(kernel: Kernel.IKernelConnection | null): void {
    this._forget();
    kernel?.anyMessage.connect(this._onMessage, this);
  }

  private _forget(): void {
    this._asked.clear();
    this._waiting = [];
  }

  private _onMessage(_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void {
    if (direction === 'send' && msg.header.msg_type === 'execute_request') {
      const { silent, store_history } = msg.content as KernelMessage.IExecuteRequestMsg['content'];
      if (!silent && store_history !== false) {
        this._asked.set(msg.header.msg_id, this._now());
      }
    } else if (direction === 'recv' && msg.header.msg_type === 'execute_reply') {
      const asked = (msg.parent_header as KernelMessage.IHeader).msg_id;
      const cells = this._asked.get(asked);
      this._asked.delete(asked);
      const { execution_count } = msg.content as KernelMessage.IExecuteReplyMsg['content'];
      if (cells && execution_count) {
        this._ran(cells, execution_count);
      }
    }
  }

  private _ran(cells: ToldCell[], number: number): void {
    const last = this._waiting.at(-1);
    if (last?.cells === cells) {
      last.ran.push(number);
    } else {
      this._waiting.push({ cells, ran: [number] });
    }
    void this._tell();
  }

  private _tell(): Promise<void> {
    this._telling ??= this._tellAll().finally(() => {
      this._telling = null;
    });
    return this._telling;
  }

  /** One after the other: what runs meanwhile is told together. */
  private async _tellAll(): Promise<void> {
    const [link] = this._links;
    const operations = link?.operations;
    if (!operations) {
      return; // they will be known
    }
    for (let runs = this._waiting.shift(); runs; runs = this._waiting.shift()) {
      const { cells, ran } = runs;
      const size = cells.reduce((sum, each) => sum + each.source.length, 0);
      if (operations.includes('document') && size <= MOST) {
        const reply = await link.request({ operation: 'document', cells, ran }).catch(() => null);
        if (reply?.kept) {
          this.know(cells);
        }
      }
    }
  }

  /** The same array as long as the cells are the same, whatever their outputs: then they are told once. */
  private _now(): ToldCell[] {
    const cells = toldCells(this.context.model);
    const isSame = cells.length === this._cells.length && cells.every((each, at) => key(each) === key(this._cells[at]!));
    if (!isSame) {
      this._cells = cells;
      remember(this.context.model, this.remembered);
    }
    return this._cells;
  }

  private _links = new Set<KernelLink>();
  private _cells: ToldCell[] = [];
  private _asked = new Map<string, ToldCell[]>();
  private _waiting: Runs[] = [];
  private _told = new Set<string>();
  private _telling: Promise<void> | null = null;
}

function key({ id, type, source }: ToldCell): string {
  return `${type} ${id} ${source}`;
}
