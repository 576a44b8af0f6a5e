/**
 * The connection from one notebook to its kernel: whether Kishu is there, what HEAD is, and one reply to each request.
 *
 * Law: nothing is sent to a kernel that does not say "kishu" among its features. What only reads goes over the control
 * channel, which answers while a cell runs; everything else over the shell channel, between cells.
 */

import { PageConfig } from '@jupyterlab/coreutils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { KernelMessage, type Kernel } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { Signal, type ISignal } from '@lumino/signaling';

import { warned } from './notices';
import { ABSENT, type Phase } from './phases';
import {
  changesNothing,
  granted,
  onlyReads,
  travels,
  type Checkpoint,
  type Ended,
  type Progress,
  type Reply,
  type Request,
  type Status
} from './protocol';

const FEATURE = 'kishu';
const REQUEST = 'kishu_request';
/** How the ids of requests begin that change nothing of the history. */
const QUIET = 'kishu-quiet-';
const PROGRESS = 'application/vnd.kishu.progress+json';
/** Milliseconds: widgets may send many messages, and one in hundreds travels. */
const PATIENCE = 500;

/** What HEAD and the branch are. */
export interface Place extends Status {
  /** The checkpoint of HEAD; null before the first cell. */
  checkpoint: Checkpoint | null;
}

/** That the history may have changed. */
export interface Move {
  /** More than that cells have run on from HEAD: what is shown of the history has to be read again. */
  anew: boolean;
  /** The log since HEAD was where it was, with that id as `since`. */
  news: Reply | null;
}

/** States that are told at once; where there are more, whoever shows them asks. */
const NEWS = 20;

interface Log {
  head: string | null;
  branch: string | null;
  latest?: string | null;
  redo?: string | null;
  checkpoints: Checkpoint[];
  /** Warnings that nobody has been shown. */
  untold?: string[];
}

export class KernelLink implements IDisposable {
  constructor(readonly panel: NotebookPanel) {
    const { sessionContext } = panel;
    sessionContext.kernelChanged.connect(this._onKernel, this);
    sessionContext.iopubMessage.connect(this._onMessage, this);
    sessionContext.statusChanged.connect(this._onStatus, this);
    panel.disposed.connect(this.dispose, this);
    void sessionContext.ready.then(() => this._changed.emit());
    void this._meet();
  }

  /** What is shown of it has changed: whether it is supported, where it stands, whether an action is under way. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The history may have changed. */
  get moved(): ISignal<this, Move> {
    return this._moved;
  }

  /** How far a checkout of ours is; null when it is over. */
  get progressed(): ISignal<this, Progress | null> {
    return this._progressed;
  }

  /** Whether the kernel is one with Kishu. */
  get supported(): boolean {
    return this._kernel !== null;
  }

  /** What the kernel can do; null where it is not known yet. */
  get operations(): readonly string[] | null {
    return this._operations;
  }

  /** Whether the kernel is one of Python's, as far as is known. */
  get speaksPython(): boolean {
    return this._language === 'python';
  }

  /** Runs a line in a kernel without Kishu, in no cell. Whether it ended well. */
  async load(line: string): Promise<boolean> {
    const kernel = this.panel.sessionContext.session?.kernel;
    const reply = await kernel?.requestExecute({ code: line, store_history: false }).done.catch(() => null);
    return reply?.content.status === 'ok';
  }

  /** How it is with the kernel. */
  get phase(): Phase {
    const { sessionContext } = this.panel;
    if (this._kernel) {
      return this._kernel.status === 'dead' ? 'ended' : this._restarted ? 'restarting' : 'live';
    }
    if (this._meeting || !sessionContext.isReady) {
      return 'starting';
    }
    return sessionContext.session?.kernel ? 'plain' : 'none';
  }

  /** The session that can be brought back, as long as this one has nothing of its own. */
  get ended(): Ended | null {
    return this._ended;
  }

  /** Of the kernel; another one has another history. */
  get id(): string {
    return this._kernel?.id ?? '';
  }

  /** Whether a cell is running. */
  get busy(): boolean {
    return this._kernel?.status === 'busy';
  }

  /** Whether an action of ours waits or runs. */
  get acting(): boolean {
    return this._acting > 0;
  }

  /** As far as is known; null where nothing is. */
  get place(): Place | null {
    return this._place;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._kernel = null;
      window.clearTimeout(this._timer);
      document.removeEventListener('visibilitychange', this._onSeen);
      Signal.clearData(this);
    }
  }

  /** Says that an action of ours is under way, until disposed. */
  act(): IDisposable {
    this._acting += 1;
    this._changed.emit();
    return new DisposableDelegate(() => {
      this._acting -= 1;
      this._changed.emit();
    });
  }

  /** The reply, errors of the protocol included. Rejects, with a sentence, where none will come. */
  async request(content: Request): Promise<Reply> {
    const kernel = this._kernel;
    if (this.phase !== 'live' || !kernel) {
      throw new Error(ABSENT[this.phase]);
    }
    const reply = await this._send(kernel, content);
    if (!changesNothing(content)) {
      await (travels(content) ? this._look(false, true) : this._look(true));
    }
    return reply;
  }

  private _send(
    kernel: Kernel.IKernelConnection,
    content: Request,
    channel = onlyReads(content) ? 'control' : 'shell'
  ): Promise<Reply> {
    // The types know Jupyter's own messages only.
    const message = KernelMessage.createMessage({
      msgType: REQUEST as 'execute_request',
      channel: 'shell',
      username: kernel.username,
      session: kernel.clientId,
      // Other clients see of a request no more than its header.
      msgId: changesNothing(content) ? `${QUIET}${UUID.uuid4()}` : undefined,
      content: content as unknown as KernelMessage.IExecuteRequestMsg['content']
    });
    const future =
      channel === 'shell'
        ? kernel.sendShellMessage(message, true)
        : kernel.sendControlMessage(
            { ...message, channel } as unknown as KernelMessage.IControlMessage<'debug_request'>,
            true
          );
    future.onIOPub = each => {
      const shown = each.content as { data?: Record<string, unknown> };
      if (shown.data && PROGRESS in shown.data) {
        this._progressed.emit(shown.data[PROGRESS] as Progress | null);
      }
    };
    return new Promise((resolve, reject) => {
      future.onReply = (reply: KernelMessage.IMessage) => resolve(reply.content as unknown as Reply);
      future.done.catch(() => reject(new Error('The kernel was restarted, or died, before it answered.')));
    });
  }

  private _onKernel(): void {
    void this._meet();
  }

  /** Learns what the kernel can do. */
  private async _meet(anew = false): Promise<void> {
    const kernel = this.panel.sessionContext.session?.kernel ?? null;
    if (kernel !== this._kernel) {
      this._kernel = null; // one that was restarted stays what it was, until it says otherwise
    }
    this._operations = null;
    this._place = null;
    this._ended = null;
    this._meeting = kernel !== null;
    this._changed.emit();
    const info = kernel && (await (anew ? asked(kernel) : kernel.info).catch(() => null));
    if (this._isDisposed || kernel !== (this.panel.sessionContext.session?.kernel ?? null)) {
      return; // it was changed meanwhile
    }
    this._language = info?.language_info.name ?? '';
    this._meeting = this._restarted = false;
    const supported = info?.supported_features?.includes(FEATURE);
    this._kernel = supported ? kernel : null;
    this._isOwn = supported ? !anew || this._isOwn : false;
    if (supported) {
      untracked();
    }
    this._changed.emit();
    await this._look(true);
  }

  private _onStatus(_: unknown, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting') {
      this._restarted = true;
      this._changed.emit();
      window.setTimeout(() => this._speakFirst()); // what is sent at this moment Lab throws away
    } else if (status === 'dead') {
      this._changed.emit();
    } else if (status === 'idle' && this._restarted && !this._meeting) {
      void this._meet(true);
    } else if (status === 'idle' && this._ended) {
      this._changed.emit(); // who offers it may have waited for that
    }
  }

  /**
   * Has the new kernel hear, before any cell that waits for it, that what there is to bring back is shown here: else it
   * would print that into the first cell's output. Only to one that is Kishu's own: it still is.
   */
  private _speakFirst(): void {
    if (this._kernel && this._isOwn) {
      this._send(this._kernel, { operation: 'status', offers: true }, 'shell').catch(() => null);
    }
  }

  private _onMessage(_: unknown, message: KernelMessage.IMessage): void {
    const kernel = this._kernel;
    if (!kernel) {
      this._onPlainMessage(message);
      return;
    }
    if (KernelMessage.isExecuteInputMsg(message as KernelMessage.IIOPubMessage)) {
      // Names change no head.
      this._forced ||= /kishu/.test((message as KernelMessage.IExecuteInputMsg).content.code);
    } else if (KernelMessage.isStatusMsg(message) && message.content.execution_state === 'idle') {
      const { msg_type: asked, session, msg_id } = message.parent_header as Partial<KernelMessage.IHeader>;
      if ((asked as string) === 'execute_request') {
        this._later(0);
      } else if ((asked as string) === REQUEST && session !== kernel.clientId && !msg_id?.startsWith(QUIET)) {
        this._forced = true;
        this._later(PATIENCE);
      }
    } else if (message.header.msg_type.startsWith('comm_')) {
      this._later(PATIENCE);
    }
  }

  /** A plain kernel becomes one that travels by `%load_ext kishu_kernel`. */
  private _onPlainMessage(message: KernelMessage.IMessage): void {
    if (KernelMessage.isExecuteInputMsg(message as KernelMessage.IIOPubMessage)) {
      this._loading ||= /load_ext\s+kishu/.test((message as KernelMessage.IExecuteInputMsg).content.code);
    } else if (this._loading && KernelMessage.isStatusMsg(message) && message.content.execution_state === 'idle') {
      this._loading = false;
      void this._meet(true);
    }
  }

  private _later(milliseconds: number): void {
    const due = Date.now() + milliseconds;
    if (this._timer && due >= this._due) {
      return;
    }
    window.clearTimeout(this._timer);
    this._due = due;
    this._timer = window.setTimeout(() => {
      this._timer = 0;
      if (document.hidden) {
        document.addEventListener('visibilitychange', this._onSeen); // nobody sees what would be shown
        return;
      }
      const forced = this._forced;
      this._forced = false;
      void this._look(forced);
    }, milliseconds);
  }

  private _onSeen = (): void => {
    if (!document.hidden) {
      document.removeEventListener('visibilitychange', this._onSeen);
      this._later(0);
    }
  };

  /**
   * Asks where the session stands, and tells if it is elsewhere. Never rejects: it is asked again after the next cell.
   * After a travel HEAD is not among the news. A person waits then, so all is asked at once: each answer takes a while.
   */
  private async _look(forced: boolean, traveled = false): Promise<void> {
    const kernel = this._kernel;
    if (!kernel || kernel.isDisposed) {
      return;
    }
    try {
      const before = this._place;
      const since = forced ? null : (before?.head ?? null);
      const isEndAsked = forced || this._ended !== null;
      const [news, newest, last] = await Promise.all([
        since === null ? null : this._since(kernel, since),
        since === null || traveled ? this._newest(kernel) : null,
        isEndAsked ? this._lastSession(kernel) : null
      ]);
      const log = news ?? newest ?? (await this._newest(kernel));
      this._tellWarnings(kernel, log);
      const { head, branch } = log;
      const latest = log.latest ?? null;
      const ended = head === null && !isEndAsked ? await this._lastSession(kernel) : last;
      const stays =
        before?.head === head && before.latest === latest && before.branch === branch && before.redo === log.redo;
      if (kernel !== this._kernel) {
        return;
      }
      const isNews = ended?.session !== this._ended?.session;
      this._ended = ended;
      if (stays && !forced) {
        if (isNews) {
          this._changed.emit();
        }
        return;
      }
      const isHead = (each: Checkpoint) => each.id === head;
      const next = news?.checkpoints.find(isHead);
      const found = next ?? newest?.checkpoints.find(isHead);
      const checkpoint = found ?? (head === null ? null : ((await this._newest(kernel)).checkpoints[0] ?? null));
      if (kernel === this._kernel) {
        this._place = { head, branch, latest, redo: log.redo, checkpoint };
        this._changed.emit();
        this._moved.emit({ anew: forced || !next, news });
      }
    } catch {
      // The kernel ends, or is restarted.
    }
  }

  /** Shows what the kernel has to say that nobody has been shown, and says so: then it is printed in no cell. */
  private _tellWarnings(kernel: Kernel.IKernelConnection, log: Log): void {
    const { untold } = log;
    if (!untold || (kernel === this._telling && !untold.length)) {
      return;
    }
    this._telling = kernel;
    log.untold = []; // the list, which is given the same log, need not show them, too
    warned(untold);
    void this._send(kernel, { operation: 'told', sentences: untold }).catch(() => null);
  }

  /** What came since HEAD was there: one question for all who show it. Null where the kernel does not know that state. */
  private async _since(kernel: Kernel.IKernelConnection, since: string): Promise<(Reply & Log) | null> {
    const reply = await this._send(kernel, { operation: 'log', all: true, limit: NEWS, since });
    return reply.status === 'ok' ? ({ ...reply, since } as unknown as Reply & Log) : null;
  }

  /** What there is to bring back. Asked so, the kernel does not print it into the first cell's output. */
  private async _lastSession(kernel: Kernel.IKernelConnection): Promise<Ended | null> {
    const reply = await this._send(kernel, { operation: 'status', offers: true });
    this._operations = (reply.operations as string[] | undefined) ?? this._operations;
    return (reply.ended as Ended | undefined) ?? null;
  }

  private _newest(kernel: Kernel.IKernelConnection): Promise<Log> {
    return granted<Log>(this._send(kernel, { operation: 'log', limit: 1 }));
  }

  private _kernel: Kernel.IKernelConnection | null = null;
  private _operations: readonly string[] | null = null;
  private _place: Place | null = null;
  private _telling: Kernel.IKernelConnection | null = null;
  private _language = '';
  private _ended: Ended | null = null;
  private _meeting = false;
  private _isOwn = false;
  private _acting = 0;
  private _forced = false;
  private _restarted = false;
  private _loading = false;
  private _timer = 0;
  private _due = 0;
  private _isDisposed = false;
  private _changed = new Signal<this, void>(this);
  private _moved = new Signal<this, Move>(this);
  private _progressed = new Signal<this, Progress | null>(this);
}

/** What the kernel says of itself now; it is remembered as it was at the start. */
async function asked(kernel: Kernel.IKernelConnection): Promise<KernelMessage.IInfoReply | null> {
  const content = (await kernel.requestKernelInfo())?.content;
  return content?.status === 'ok' ? content : null;
}

/** Our questions, which are answered beside a running cell, must not make Lab show the kernel as idle. */
function untracked(): void {
  const option = 'untracked_message_types';
  const types = JSON.parse(PageConfig.getOption(option) || '[]') as string[];
  if (!types.includes(REQUEST)) {
    PageConfig.setOption(option, JSON.stringify([...types, REQUEST]));
  }
}
