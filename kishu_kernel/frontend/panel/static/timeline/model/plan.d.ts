/** What the sidebar's travels share with the panel's. */

import type { Progress } from '../../timeline.js';

export interface Step {
  checkpoint: string;
  execution_count: number | null;
  code: string;
  seconds: number;
  gives: string[];
  side_effects: string[];
}

export interface Plan {
  target: string | null;
  load: { names: string[]; bytes: number }[];
  delete: string[];
  replay: Step[];
  ambient: string[];
  notes: string[];
  lost: { names: string[]; reason: string }[];
}

/** What a request accepts. */
export interface Bounds {
  replay: 'auto' | 'ask' | 'harmless' | 'never';
  allow_lost: boolean;
  /** What a person could see: the kernel does no more. */
  shown?: { target: string | null; replay: string[] };
}

export function replaySeconds(plan: Plan): number;
export function needsConsent(plan: Plan): boolean;
export function withoutReruns(plan: Plan): Pick<Bounds, 'replay' | 'allow_lost'> | null;
export function boundsOf(plan: Plan, how?: Partial<Bounds>): Bounds;
export function goWithout(plan: Plan): string;
export function madeBy(step: Pick<Step, 'execution_count' | 'gives'>): string;
export function outcome(plan: Plan, seconds: number): string;
export function describeProgress(progress: Progress): { text: string; done: number };
