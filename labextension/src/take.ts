/**
 * Brings one variable of a state into the present one, and tells.
 *
 * Law: what comes with it is told before anything is done; nothing is re-run or lost before the plan was shown.
 */

import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';

import { placeLabel } from '../../kishu_kernel/frontend/panel/static/timeline/model/checkpoint.js';
import { boundsOf, goWithout, needsConsent } from '../../kishu_kernel/frontend/panel/static/timeline/model/plan.js';
import {
  alongQuestion,
  lostSentence,
  takenSentences,
  takeRequest
} from '../../kishu_kernel/frontend/panel/static/timeline/model/taking.js';
import { acting, Notice, unlessCancelled } from './notices';
import { granted, Refusal, type Checkpoint, type Plan } from './protocol';
import { PlanBody, travel, type Options } from './travel';

/** A reply of `take`. */
interface Taken {
  taken: string[];
  along: string[];
  as: Record<string, string>;
  applied: boolean;
  head: string | null;
  plan: Plan;
}

/** As a copy beside what is there: asks for its name. */
export async function takeAs(name: string, from: Checkpoint, options: Options): Promise<void> {
  const result = await InputDialog.getText({
    title: `${name} of ${placeLabel(from)}, beside what is there`,
    label: 'Its new name',
    text: `${name}_old`,
    okLabel: 'Bring'
  });
  const as = result.button.accept ? (result.value ?? '').trim() : '';
  if (as) {
    await take(name, from, as, options);
  }
}

/** Never rejects: what goes wrong is told. */
export async function take(name: string, from: Checkpoint, as: string | null, options: Options): Promise<void> {
  const { link } = options;
  const title = as ? `Bringing ${name} as ${as}` : `Bringing back ${name}`;
  await acting(link, title, async notice => {
    const content = takeRequest(name, from.id, as);
    const answer = granted<Taken>(link.request({ ...content, dry_run: true }));
    const planned = link.busy ? await unlessCancelled(title, answer, notice) : await answer;
    if (!planned) {
      return;
    }
    const question = alongQuestion(name, planned.along);
    let { plan } = planned;
    const lost = lostSentence(name, plan);
    if (lost) {
      throw new Error(lost);
    }
    let mustAsk = question !== null || needsConsent(plan);
    for (;;) {
      if (mustAsk) {
        notice.end(); // it waits for the person now
        if (!(await isAgreed(name, question, plan))) {
          return;
        }
      }
      try {
        return tell(await granted<Taken>(link.request({ ...content, ...boundsOf(plan) })), from, notice, options);
      } catch (error) {
        if (!(error instanceof Refusal && error.plan)) {
          throw error;
        }
        plan = error.plan; // it had to plan anew
        mustAsk = true;
      }
    }
  });
}

async function isAgreed(name: string, question: ReturnType<typeof alongQuestion>, plan: Plan): Promise<boolean> {
  const again = plan.replay.length ? 'Re-run and bring it' : goWithout(plan);
  const body = new PlanBody(plan);
  if (question) {
    const told = document.createElement('p');
    told.textContent = question.told;
    body.node.prepend(told);
  }
  const result = await showDialog({
    title: question?.title ?? `${name} is not all stored`,
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: question?.yes ?? again })]
  });
  return result.button.accept;
}

function tell(reply: Taken, from: Checkpoint, notice: Notice, options: Options): void {
  const message = [...takenSentences(reply, from), ...reply.plan.notes.map(each => `${each}.`)].join(' ');
  if (!reply.applied) {
    notice.done(message);
    return;
  }
  notice.done(message, {
    label: 'Undo',
    callback: () => {
      if (options.link.place?.head === reply.head) {
        void travel({ operation: 'undo' }, 'Undo', options);
      } else {
        new Notice().failed('Something else came after it: undo that first, or go to the state before it');
      }
    }
  });
}
