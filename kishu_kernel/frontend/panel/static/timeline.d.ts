/** The timeline of a notebook: its checkpoints as a graph, drawn by `timeline.js` and styled by `timeline.css`. */

/** A content of the `kishu_request` protocol. */
export interface Request {
  operation: string;
  [parameter: string]: unknown;
}

/** The reply to one: `status` is "ok", or "error" with `ename` and `evalue`. */
export interface Reply {
  status: 'ok' | 'error';
  [field: string]: any;
}

/** How far a long checkout is. */
export interface Progress {
  what: 'loading' | 're-running';
  done_bytes: number;
  total_bytes: number;
  step: number;
  steps: number;
  seconds_left: number | null;
}

/** The way to one kernel. */
export interface Transport {
  /** The reply, errors of the protocol included. Rejects where none will come: the kernel is gone. */
  request(content: Request): Promise<Reply>;
  /**
   * Calls back when the history may have changed; with true where it is more than that cells have run on from HEAD, as far
   * as that is known (a travel, a branch, a tag, a message): then all is read again. `news` is a reply to `log` with `since`, that id among its fields, where
   * there is one at hand; `state` among its fields is the reply to `show` of HEAD. Returns what ends that.
   */
  onChange(callback: (anew?: boolean, news?: Reply | null) => void): () => void;
  /** Calls back while a checkout of this client takes long; with null when it is over. Returns what ends that. */
  onProgress?(callback: (progress: Progress | null) => void): () => void;
  /**
   * Is told whether anybody sees the timeline: while nobody does, `onChange` need not call back. And whether it shows
   * the variables of HEAD, wherever that goes: then its news may bring them.
   */
  seen?(isSeen: boolean, follows: boolean): void;
}

export interface Options {
  /** Fill the element's height, as in a sidebar; otherwise a height of its own, which a person can change. */
  fill?: boolean;
  /** Show the plots of cells in the list. */
  pictures?: boolean;
  /** Called when a person has chosen to see plots in the list, or not. */
  onPictures?(isWanted: boolean): void;
  /** What else can be done with a state where this timeline is: pairs of a label and a function, for its menu. */
  stateEntries?(checkpoint: any, isHere: boolean): [string, () => void][];
  /** What can be tried while there are no states: a label and a function. */
  firstTry?: [string, () => void];
  /** Called after each travel that this panel asked for, with the reply (`head`, `from`, `ahead`, ...). */
  onTravel?(reply: Reply): void;
}

export interface Timeline {
  /** Reads everything again: another kernel, or labels that changed. */
  refresh(): Promise<void>;
  /** That the kernel is not there, in a sentence; null: it is, and everything is read again. */
  setKernel(asleep: string | null): void;
  focusSearch(): void;
  /** Whether the list shows plots. */
  showPictures(isWanted: boolean): void;
  /** Ends all listening and empties the element. */
  destroy(): void;
}

export function mount(element: HTMLElement, transport: Transport, options?: Options): Timeline;
