/**
 * Which state each cell of a notebook made last, and whether the session is in a state that has that run on its path.
 *
 * Law: it asks only for what it does not know: after a run nothing, after a travel to a state that it never heard of the log.
 */

import { isCodeCellModel, type ICellModel } from '@jupyterlab/cells';
import { Signal, type ISignal } from '@lumino/signaling';

import type { KernelLink, Move } from './link';
import { granted, type Ahead, type Checkpoint } from './protocol';

/** States, the newest of all branches, that are known from the start. */
const RECENT = 500;

export interface Run {
  checkpoint: Checkpoint;
  /** Whether it is on the path to HEAD. */
  isHere: boolean;
}

export class States {
  constructor(private readonly link: KernelLink) {
    const { sessionContext } = link.panel;
    link.moved.connect((_, move) => void this._move(move));
    sessionContext.kernelChanged.connect(this._forget, this);
    sessionContext.statusChanged.connect(this._onStatus, this);
    link.panel.disposed.connect(() => Signal.clearData(this)); // another view of the notebook may stay
    if (link.place) {
      void this._move(null);
    }
  }

  /** Of some cell it may be told otherwise now. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The newest run of a cell, of those that are known; of this session's and of those on the path. */
  runOf(cell: ICellModel): Run | null {
    return this._run(cell, isCodeCellModel(cell) && cell.isDirty);
  }

  /** A state, if it is known. */
  find(id: string): Checkpoint | undefined {
    return this._known.get(id);
  }

  /** Whether there is a run that was taken back. */
  get anyAhead(): boolean {
    return this._known.size > this._path.size;
  }

  /** The steps of an undo that takes back the whole path. */
  get steps(): number {
    return this._path.size;
  }

  /** Whether a cell's run was taken back, also where it was edited since, maybe on a page before. */
  isAhead(cell: ICellModel): boolean {
    return this._run(cell, true)?.isHere === false;
  }

  /** Those of these runs that are the last of one of these cells. */
  fitting(ahead: readonly Ahead[], cells: Iterable<ICellModel>): Ahead[] {
    const last = new Set([...cells].map(each => this.runOf(each)?.checkpoint.id));
    return ahead.filter(each => last.has(each.checkpoint));
  }

  private _run(cell: ICellModel, mayBeEdited: boolean): Run | null {
    const runs = isCodeCellModel(cell) && cell.executionCount !== null && this._numbered.get(cell.executionCount);
    if (!runs) {
      return null;
    }
    const source = cell.sharedModel.getSource().trim();
    const fitting = runs.filter(each => each.code.trim() === source);
    // Of a cell that was edited since only the number is left.
    const possible = fitting.length || !mayBeEdited ? fitting : runs;
    const here = possible.find(each => this._path.has(each.id));
    const found = here ?? possible.filter(each => this._sessions.has(each.session)).at(-1);
    return found ? { checkpoint: found, isHere: found === here } : null;
  }

  private _onStatus(_: unknown, status: string): void {
    if (status === 'restarting' || status === 'autorestarting') {
      this._forget();
    }
  }

  private _forget(): void {
    this._known.clear();
    this._numbered.clear();
    this._path.clear();
    this._sessions.clear();
    this._changed.emit();
  }

  private async _move(move: Move | null): Promise<void> {
    const { place } = this.link;
    if (!place) {
      return;
    }
    try {
      if (!this._sessions.size) {
        const status = await granted<{ session: string }>(this.link.request({ operation: 'status' }));
        this._sessions.add(status.session);
        await this._read({ limit: RECENT, all: true });
      }
      this._learn((move?.news?.checkpoints as Checkpoint[] | undefined) ?? []);
      this._learn(place.checkpoint ? [place.checkpoint] : []);
      if (!this._isWhole(place.head)) {
        await this._read({ limit: 0 });
        this._end = [...this._ancestry(place.head)].at(-1)?.id ?? null; // a store may have a gap
      }
    } catch {
      return; // the kernel ends, or is restarted
    }
    if (place === this.link.place) {
      this._path = new Set([...this._ancestry(place.head)].map(each => each.id));
      const [session] = this._sessions;
      const others = [...this._path].map(id => this._known.get(id)!.session);
      this._sessions = new Set([session!, ...others]);
      this._changed.emit();
    }
  }

  private async _read(how: { limit: number; all?: boolean }): Promise<void> {
    const request = this.link.request({ operation: 'log', ...how });
    this._learn((await granted<{ checkpoints: Checkpoint[] }>(request)).checkpoints);
  }

  private _learn(checkpoints: readonly Checkpoint[]): void {
    for (const each of [...checkpoints].reverse()) {
      if (!this._known.has(each.id) && each.execution_count !== null) {
        const before = this._numbered.get(each.execution_count) ?? [];
        this._numbered.set(each.execution_count, [...before, each]);
      }
      this._known.set(each.id, this._known.get(each.id) ?? each);
    }
  }

  /** The states from one back to the first, as far as they are known. */
  private *_ancestry(from: string | null): Iterable<Checkpoint> {
    for (let at = from === null ? null : this._known.get(from); at; at = at.parent ? this._known.get(at.parent) : null) {
      yield at;
    }
  }

  private _isWhole(head: string | null): boolean {
    const last = [...this._ancestry(head)].at(-1);
    return head === null || last?.parent === null || (last !== undefined && last.id === this._end);
  }

  private _known = new Map<string, Checkpoint>();
  /** By the numbers of their cells, oldest first. */
  private _numbered = new Map<number, Checkpoint[]>();
  /** The ids from HEAD to the first state. */
  private _path = new Set<string>();
  /** This one, then those whose states are on the path. */
  private _sessions = new Set<string>();
  /** The oldest state of a path of which no more is known. */
  private _end: string | null = null;
  private _changed = new Signal<this, void>(this);
}
