/**
 * What a person is told. All that speaks does so in one place on the screen, one after the other.
 *
 * Law: what is said last is what is seen. Lab loses what is said of a notification before it is drawn, so each sentence
 * waits until the one before it is on the screen.
 */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';

import type { KernelLink } from './link';
import type { Progress } from './protocol';

/** Characters; Lab cuts longer messages. */
const LONGEST = 140;
/** Milliseconds that something is shown: to be seen, and to be decided upon. */
const BRIEF = 4000;
const OFFERED = 12000;
/** Milliseconds between two looks whether a notification is drawn, and after which it never will be: Lab may be mute. */
const LOOK_AGAIN = 20;
const NEVER = 2000;

export interface Offer {
  label: string;
  callback: () => void;
}

interface Said {
  message: string;
  type: Notification.TypeOptions;
  autoClose: number | false;
  actions: Notification.IAction[];
  progress?: number;
}

/** The place on the screen, at which one thing is said at a time. */
class Place {
  say(said: Said): void {
    this._wanted = said;
    void this._speak();
  }

  /** Takes back what somebody said, if nobody has spoken since. */
  takeBack(said: Said | null): void {
    if (said && said === this._wanted) {
      this._wanted = null;
      void this._speak();
    }
  }

  private async _speak(): Promise<void> {
    if (this._speaking) {
      return;
    }
    this._speaking = true;
    while (this._wanted !== this._said) {
      const goesOn = this._said?.type === 'in-progress'; // what does not is about to be closed, and would close this, too
      const said = (this._said = this._wanted);
      if (this._id !== null && !(said && goesOn && isShown(this._id))) {
        Notification.dismiss(this._id);
        this._id = null;
      }
      if (said && this._id !== null) {
        Notification.update({ id: this._id, ...said });
      } else if (said) {
        const { message, type, ...options } = said;
        this._id = Notification.emit(message, type, options);
        await drawn(this._id);
      }
    }
    this._speaking = false;
  }

  private _wanted: Said | null = null;
  private _said: Said | null = null;
  private _speaking = false;
  private _id: string | null = null;
}

const place = new Place();

/** What is told of one action, from waiting to done. */
export class Notice {
  /** What is under way, or waited for. */
  show(message: string, progress?: number, offer?: Offer): void {
    this._say({ message, type: 'in-progress', autoClose: false, actions: offer ? [offer] : [], progress });
  }

  /** What was done, with what can be done about it. */
  done(message: string, offer?: Offer): void {
    this._tell(message, 'success', offer);
  }

  /** That nothing was done, and what can be. */
  asks(message: string, offer?: Offer, milliseconds = OFFERED): void {
    this._tell(message, 'info', offer, milliseconds);
  }

  /** What went wrong: one sentence; the whole of a long one behind a button. */
  failed(error: unknown): void {
    const text = sentence(error instanceof Error ? error.message : String(error));
    const whole = () => void showDialog({ title: 'Kishu', body: text, buttons: [Dialog.okButton()] });
    this._tell(text, 'error', text.length > LONGEST ? { label: 'Read all', callback: whole } : undefined);
  }

  /** Takes back what is said to be under way. */
  end(): void {
    if (this._said?.type === 'in-progress') {
      this.takeBack();
    }
  }

  /** Takes back what was said, whatever it is. */
  takeBack(): void {
    place.takeBack(this._said);
  }

  private _tell(message: string, type: Notification.TypeOptions, offer?: Offer, milliseconds?: number): void {
    const autoClose = milliseconds ?? (offer || type === 'error' ? OFFERED : BRIEF);
    this._say({ message, type, autoClose, actions: offer ? [{ ...offer, displayType: 'accent' }] : [] });
  }

  private _say(said: Said): void {
    this._said = said;
    place.say(said);
  }

  private _said: Said | null = null;
}

/** Warnings of the kernel that no action led to. */
export function warned(sentences: readonly string[]): void {
  for (const each of sentences) {
    const whole = () => void showDialog({ title: 'Kishu', body: each, buttons: [Dialog.okButton()] });
    const actions = each.length > LONGEST ? [{ label: 'Read all', callback: whole }] : [];
    Notification.emit(each, 'warning', { autoClose: false, actions });
  }
}

/** Does something in the kernel; says how far it is, and what went wrong. */
export async function acting(
  link: KernelLink,
  name: string,
  act: (notice: Notice) => Promise<void>
): Promise<void> {
  const notice = new Notice();
  const action = link.act();
  const shown = (_: unknown, progress: Progress | null) => {
    if (progress) {
      notice.show(`${name} is under way.`, part(progress));
    }
  };
  link.progressed.connect(shown);
  if (link.busy) {
    notice.show(waits(name));
  }
  try {
    await act(notice);
    notice.end();
  } catch (error) {
    notice.failed(error);
  } finally {
    link.progressed.disconnect(shown);
    action.dispose();
  }
}

/** The answer to what waits for the running cell; null where a person does not want it any more. */
export async function unlessCancelled<T>(name: string, answer: Promise<T>, notice: Notice): Promise<T | null> {
  const cancelled = new Promise<null>(resolve =>
    notice.show(waits(name), undefined, { label: 'Cancel', callback: () => resolve(null) })
  );
  answer.catch(() => null); // once it is cancelled nobody hears it
  return Promise.race([answer, cancelled]);
}

const waits = (name: string) => `${name} waits for the running cell.`;

function part({ what, step, steps, done_bytes, total_bytes }: Progress): number {
  const done = what === 're-running' ? (step - 0.5) / Math.max(1, steps) : done_bytes / Math.max(1, total_bytes);
  return Math.max(0, Math.min(1, done));
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const whole = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

/** Whether a notification is on the screen, and not about to leave it. */
function isShown(id: string): boolean {
  const drawn = document.getElementById(id);
  return drawn !== null && !/-exit\b/.test(drawn.className);
}

/** Resolves when it is on the screen, or will not be. */
async function drawn(id: string): Promise<void> {
  for (let waited = 0; waited < NEVER && !document.getElementById(id); waited += LOOK_AGAIN) {
    await new Promise(resolve => window.setTimeout(resolve, LOOK_AGAIN));
  }
}
