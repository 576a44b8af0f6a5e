/** How it is with a notebook's kernel, and what is said while it does not answer. A leaf. */

/**
 * How it is with the notebook's kernel. `live`: it is one with Kishu. `restarting` and `ended`: it was. `starting`: it is
 * not known yet what it is. `plain`: it is one without Kishu. `none`: there is none.
 */
export type Phase = 'live' | 'restarting' | 'ended' | 'starting' | 'plain' | 'none';

export const ASLEEP: Partial<Record<Phase, string>> = {
  restarting: 'Kernel restarting ...',
  starting: 'Kernel starting ...',
  ended: 'The kernel has ended.',
  none: 'This notebook has no kernel.'
};

/** Why a request cannot be made. */
export const ABSENT: Record<Phase, string> = {
  live: '',
  restarting: 'The kernel is restarting: try again in a moment.',
  ended: 'The kernel has ended: restart it first.',
  starting: 'The kernel is still starting: try again in a moment.',
  plain: 'The kernel of this notebook runs without Kishu.',
  none: 'This notebook has no kernel.'
};
