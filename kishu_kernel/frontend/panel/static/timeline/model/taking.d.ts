/** Variables that are brought back alone: the request, and what is said before and after it. */

import type { Request } from '../../timeline.js';
import type { Named } from './checkpoint.js';
import type { Plan } from './plan.js';

/** A reply of `take`. */
export interface Taken {
  taken: string[];
  along: string[];
  as: Record<string, string>;
  applied: boolean;
  head: string | null;
  from: string | null;
  plan: Plan;
}

export function takeRequest(name: string, target: string, as?: string | null): Request;
export function alongQuestion(name: string, along: string[]): { title: string; told: string; yes: string } | null;
export function takenSentences(reply: Taken, from: Named): string[];
