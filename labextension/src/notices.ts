/** What a person is told: one notification for one action, from waiting to done. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';

import type { KernelLink } from './link';
import type { Progress } from './protocol';

/** Characters; Lab cuts longer messages. */
const LONGEST = 140;
/** Milliseconds that something is shown: to be seen, and to be decided upon. */
const BRIEF = 4000;
const OFFERED = 12000;

export interface Offer {
  label: string;
  callback: () => void;
}

/** One notification, which changes. */
export class Notice {
  /** What is under way. */
  show(message: string, progress?: number): void {
    if (this._id === null) {
      this._id = Notification.emit(message, 'in-progress', { autoClose: false, progress });
    } else {
      Notification.update({ id: this._id, message, progress });
    }
  }

  /** What was done, with what can be done about it. */
  done(message: string, offer?: Offer): void {
    this._tell(message, 'success', offer && { ...offer, displayType: 'accent' });
  }

  /** What went wrong: one sentence; the whole of a long one behind a button. */
  failed(error: unknown): void {
    const text = sentence(error instanceof Error ? error.message : String(error));
    const whole = () => void showDialog({ title: 'Kishu', body: text, buttons: [Dialog.okButton()] });
    this._tell(text, 'error', text.length > LONGEST ? { label: 'Read all', callback: whole } : undefined);
  }

  /** Takes back what is said to be under way. */
  end(): void {
    if (this._id !== null) {
      Notification.dismiss(this._id);
      this._id = null;
    }
  }

  private _tell(message: string, type: Notification.TypeOptions, offer?: Notification.IAction): void {
    const autoClose = offer || type === 'error' ? OFFERED : BRIEF;
    const options = { autoClose, actions: offer ? [offer] : [] };
    if (this._id === null) {
      Notification.emit(message, type, options);
    } else {
      Notification.update({ id: this._id, message, type, ...options });
      this._id = null;
    }
  }

  private _id: string | null = null;
}

/** Does something in the kernel; says that it waits for a running cell, how far it is, and what went wrong. */
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
    notice.show(`${name} waits for the running cell.`);
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

function part({ what, step, steps, done_bytes, total_bytes }: Progress): number {
  const done = what === 're-running' ? (step - 0.5) / Math.max(1, steps) : done_bytes / Math.max(1, total_bytes);
  return Math.max(0, Math.min(1, done));
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const whole = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
