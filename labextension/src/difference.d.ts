/** How the cells of a notebook differ from those of a state. */

export interface ComparedCell {
  id: string;
  type: string;
  source: string;
}

export interface CellRow<Now extends ComparedCell = ComparedCell, Then extends ComparedCell = ComparedCell> {
  kind: 'same' | 'edited' | 'moved' | 'removed' | 'added';
  now: Now | null;
  then: Then | null;
  stays: boolean;
}

export interface LineRow {
  kind: 'same' | 'changed';
  now: string | null;
  then: string | null;
}

export function compareCells<Now extends ComparedCell, Then extends ComparedCell>(
  now: readonly Now[],
  then: readonly Then[]
): CellRow<Now, Then>[];
export function compareLines(now: string, then: string): LineRow[];
