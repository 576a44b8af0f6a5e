/**
 * What the kernel says, as far as it is used here. A leaf: knows nobody but the shared timeline's types.
 */

import type { IOutput } from '@jupyterlab/nbformat';

import type { Reply, Request } from '../../kishu_kernel/frontend/panel/static/timeline.js';
import { placeLabel } from '../../kishu_kernel/frontend/panel/static/timeline/model/checkpoint.js';
import type { Plan } from '../../kishu_kernel/frontend/panel/static/timeline/model/plan.js';

export { firstLine } from '../../kishu_kernel/frontend/panel/static/timeline/model/checkpoint.js';
export type { Ended } from '../../kishu_kernel/frontend/panel/static/timeline/model/ended.js';
export type { Bounds, Plan } from '../../kishu_kernel/frontend/panel/static/timeline/model/plan.js';
export type { Progress, Reply, Request, Transport } from '../../kishu_kernel/frontend/panel/static/timeline.js';

export interface Status {
  head: string | null;
  branch: string | null;
  latest: string | null;
  /** Where redo would lead; null for nowhere. An older kernel does not say. */
  redo: string | null | undefined;
}

/** What a state took of another one. */
export interface Take {
  names: string[];
  target: string;
  as: Record<string, string>;
}

export interface Checkpoint {
  id: string;
  parent: string | null;
  session: string;
  execution_count: number | null;
  code: string;
  message: string | null;
  branches: string[];
  tags: string[];
  /** Where it brought variables of another state, and no cell made it. */
  take: Take | null;
}

/** A cell that was run and is not in this state. */
export interface Ahead {
  checkpoint: string;
  execution_count: number | null;
  code: string;
}

/** A reply of `undo`, `redo`, `checkout`. */
export interface Travel {
  head: string | null;
  from: string | null;
  plan: Plan;
  applied: boolean;
  ahead: Ahead[];
  /** What was done, in sentences. */
  told: string[];
  /** The notebook's cells in the state that is gone to; null where they are not known. */
  document?: CellThen[] | null;
}

/** A cell, as the kernel is told of it. */
export interface ToldCell {
  id: string;
  type: 'code' | 'markdown' | 'raw';
  source: string;
}

/** A cell of a state, with what its last run there put out; the checkpoint of that run is null where there was none. */
export interface CellThen extends ToldCell {
  outputs: IOutput[];
  execution_count: number | null;
  checkpoint: string | null;
}

/** An error reply of the kernel; its message is one sentence for a person. */
export class Refusal extends Error {
  constructor(reply: Reply) {
    super(String(reply.evalue || reply.ename));
    this.ename = String(reply.ename);
    this.plan = (reply.plan as Plan | undefined) ?? null;
  }

  readonly ename: string;
  /** What would have to be done; null where that is not why it was refused. */
  readonly plan: Plan | null;

  /** Whether the plan would have done more than the request accepts, or was shown. */
  get notAccepted(): boolean {
    return ['LostError', 'SideEffectsError', 'PlanChangedError'].includes(this.ename);
  }
}

/** The reply, which is none of an error. Throws `Refusal`. */
export async function granted<T>(reply: Promise<Reply>): Promise<T> {
  const content = await reply;
  if (content.status !== 'ok') {
    throw new Refusal(content);
  }
  return content as unknown as T;
}

const READING = new Set(['status', 'log', 'show', 'diff', 'variable', 'inspect', 'search', 'export', 'stores', 'told']);

/** Whether the kernel answers it while a cell runs. */
export function onlyReads(request: Request): boolean {
  return READING.has(request.operation) && !request.values;
}

const TRAVELING = new Set(['checkout', 'undo', 'redo', 'resume', 'take']);

/** Whether it leaves the history as it is, and where the session stands. */
export function changesNothing(request: Request): boolean {
  return onlyReads(request) || request.operation === 'document' || request.dry_run === true;
}

/** Whether it goes to another state. */
export function travels(request: Request): boolean {
  return TRAVELING.has(request.operation);
}

/** How a person knows a state: by the number of its cell. */
export function cellName(cell: Ahead | Checkpoint): string {
  const named = 'take' in cell && cell.take ? placeLabel(cell) : 'a state between cells';
  return cell.execution_count === null ? named : `In [${cell.execution_count}]`;
}
