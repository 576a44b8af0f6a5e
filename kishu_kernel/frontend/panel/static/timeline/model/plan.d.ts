/** What the sidebar's travels share with the panel's. */

import type { Progress } from '../../timeline.js';

export interface Plan {
  target: string | null;
  load: { names: string[]; bytes: number }[];
  delete: string[];
  replay: { checkpoint: string; code: string; seconds: number; gives: string[]; side_effects: string[] }[];
  ambient: string[];
  lost: { names: string[]; reason: string }[];
}

/** What a request accepts. */
export interface Bounds {
  replay: 'auto' | 'ask' | 'never';
  allow_lost: boolean;
  /** What a person could see: the kernel does no more. */
  shown?: { target: string | null; replay: string[] };
}

export function replaySeconds(plan: Plan): number;
export function needsConsent(plan: Plan): boolean;
export function boundsOf(plan: Plan): Bounds;
export function outcome(plan: Plan, seconds: number): string;
export function describeProgress(progress: Progress): { text: string; done: number };
