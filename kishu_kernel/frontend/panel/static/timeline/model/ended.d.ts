/** Types of `ended.js`, for the extension of JupyterLab. */

/** `ended` of the kernel's `status`: the last session of the notebook, while there is something of it to bring back. */
export interface Ended {
  session: string;
  execution_count: number | null;
  timestamp: string;
  variables: number | null;
  bytes: number | null;
  trusted: boolean;
  note: string | null;
  /** It has not ended: another kernel has it. Older kernels do not tell. */
  running?: boolean;
}

export function describeEnded(ended: Ended, now?: Date): string[];
export function offerOf(ended: Ended): string;
