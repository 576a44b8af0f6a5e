/** A variable as the kernel tells of it, in words. A leaf. */

import type { Reply } from '../../kishu_kernel/frontend/panel/static/timeline.js';
import { isResult } from '../../kishu_kernel/frontend/panel/static/timeline/model/checkpoint.js';
import type { Checkpoint } from './protocol';

/** What is known of a value. */
export interface Value {
  name: string;
  type: string;
  summary: string;
  bytes: number;
  shape: number[] | null;
  stored: boolean;
}

/** A variable of now. */
export interface Variable extends Value {
  preview: string | null;
  head: { columns: string[] | null; rows: string[][] } | null;
  along: string[];
  changed_by: string | null;
  changed_at: string | null;
  changed_in: number | null;
}

export interface Inspected extends Reply {
  variables: Variable[];
  total: number;
  truncated: boolean;
  /** False while a cell runs: as it was before it. */
  now: boolean;
}

/** A state that changed a variable. */
export interface Change extends Checkpoint {
  timestamp: string;
  created: string[];
  modified: string[];
  deleted: string[];
}

export interface Changes extends Reply {
  checkpoints: Change[];
  /** What each made of it; null where it was deleted. */
  values: (Value | null)[];
  truncated: boolean;
}

/** "DataFrame". */
export const shortType = (type: string): string => type.split('.').pop() ?? type;

/** "1,000 x 3", "5 items"; empty where it has none. */
export function shapeText({ shape, type }: Value): string {
  if (!shape?.length) {
    return '';
  }
  const isPlain = !type.includes('.');
  const text = shape.map(each => each.toLocaleString('en')).join(' x ');
  return isPlain ? `${text} ${type === 'str' || type === 'bytes' ? 'long' : shape[0] === 1 ? 'item' : 'items'}` : text;
}

/** The line about the value, without what the shape says already. */
export function valueText(value: Value): string {
  const shape = value.type.includes('.') ? shapeText(value) : '';
  const rest = shape && value.summary.startsWith(shape) ? value.summary.slice(shape.length).replace(/^[: ]+/, '') : value.summary;
  const isSaid = rest === shortType(value.type) || /^(list|tuple|dict|set|frozenset) of [\d,]+$/.test(rest);
  return isSaid ? '' : rest;
}

/** Where it is kept in the list: results of cells and modules are folded away. */
export function groupOf({ name, type }: Value): 'variables' | 'modules' | 'results' {
  return isResult(name) ? 'results' : type === 'module' ? 'modules' : 'variables';
}

/** Whether a picture says more of it than a text. */
export const isFigure = ({ type }: Value): boolean => /(Figure|Axes|AxesSubplot|FacetGrid|PairGrid|JointGrid|Chart|ggplot)$/.test(type);

/** In what a value differs from the one before it, in a few words. */
export function whatChanged(before: Value | null, now: Value | null): string {
  if (!now) {
    return 'deleted';
  }
  if (!before) {
    return 'new';
  }
  if (before.type !== now.type) {
    return `was ${shortType(before.type)}`;
  }
  const told: string[] = [];
  const [old, present] = [shapeText(before), shapeText(now)];
  if (old && present && old !== present) {
    told.push(`${old} → ${present}`);
  }
  const [had, has] = [columnsOf(before), columnsOf(now)];
  if (had && has) {
    const [more, less] = [has.filter(each => !had.includes(each)), had.filter(each => !has.includes(each))];
    told.push(...more.map(each => `+ ${each}`), ...less.map(each => `− ${each}`));
  }
  if (!told.length && before.summary !== now.summary && !columnsOf(now) && before.summary.length <= 24) {
    return `was ${before.summary}`;
  }
  return told.join(', ') || 'other contents';
}

/** The columns of a frame, if its summary names all of them. */
function columnsOf(value: Value): string[] | null {
  const isFrame = value.shape?.length === 2 && value.summary.startsWith(`${shapeText(value)}: `);
  return isFrame && !value.summary.endsWith('...') ? valueText(value).split(', ') : null;
}
