/** What states are called, and what their cells did, in words. */

/** What a state took of another one. */
export interface Take {
  names: string[];
  target: string;
  as: Record<string, string>;
}

/** As much of a checkpoint as its names need. */
export interface Named {
  execution_count: number | null;
  code: string;
  message?: string | null;
  take?: Take | null;
}

type Change = 'created' | 'modified' | 'deleted';
type Changed = Record<Change, string[]>;

export const SIGNS: Record<Change, string>;
export function isResult(name: string): boolean;
/** Results of cells and modules apart, and how many these are, in words. */
export function folded<V extends { name: string; type: string }>(variables: V[]): { shown: V[]; apart: V[]; counts: string };
export function firstLine(code: string): string;
export function cellLabel(checkpoint: Named): string;
export function placeLabel(checkpoint: Named): string;
export function takenNames(take: Take): string;
export function headline(checkpoint: Named): string;
export function changesOf(checkpoint: Changed): [Change, string][];
export function unstoredNames(checkpoint: { not_stored: { names: string[] }[] }): string[];
export function spokenLabel(checkpoint: any, state: { isHead: boolean; inLineage: boolean; age: string }): string;
