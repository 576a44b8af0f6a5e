/** What is said while a notebook's kernel does not answer. */

import type { Phase } from './link';

export const ASLEEP: Partial<Record<Phase, string>> = {
  restarting: 'Kernel restarting ...',
  starting: 'Kernel starting ...',
  ended: 'The kernel has ended.',
  none: 'This notebook has no kernel.'
};
