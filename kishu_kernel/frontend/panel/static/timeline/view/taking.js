/**
 * Brings one variable of a state into the present one, and leaves the rest.
 *
 * Law: what comes with it is told before anything is done; nothing is re-run or lost before the plan was shown.
 */

import { placeLabel } from '../model/checkpoint.js';
import { boundsOf, goWithout, needsConsent, outcome } from '../model/plan.js';
import { alongQuestion, lostSentence, takenSentences, takeRequest } from '../model/taking.js';
import { drawConsequences } from './consent.js';
import { h } from './elements.js';

export class Taking {
  /** `panel` is the whole: its actions and its notices. */
  constructor(panel) {
    this.panel = panel;
  }

  bringBack(name, checkpoint) {
    return this.take(name, checkpoint, null);
  }

  async bringAs(name, checkpoint) {
    const title = `${name} of ${placeLabel(checkpoint)}, beside what is there`;
    const as = await this.panel.notices.askName(title, 'Its new name', `${name}_old`);
    if (as) await this.take(name, checkpoint, as);
  }

  async take(name, checkpoint, as) {
    const { actions, notices } = this.panel;
    const content = takeRequest(name, checkpoint.id, as);
    const text = `Bringing ${as ? `${name} as ${as}` : `back ${name}`}`;
    notices.clear();
    const planned = await actions.during(text, () => this.panel.ask({ ...content, dry_run: true }));
    if (!planned) return;
    const question = alongQuestion(name, planned.along ?? []);
    let { plan } = planned;
    const lost = lostSentence(name, plan);
    if (lost) return notices.tell('error', lost);
    let mustAsk = question !== null || needsConsent(plan);
    for (;;) {
      if (mustAsk && !(await this.isAgreed(text, question, plan))) return;
      const reply = await actions.change(text, { ...content, ...boundsOf(plan) });
      if (!reply) return;
      if (reply.status !== 'error') {
        return this.tell(reply, checkpoint, reply.warnings ?? []);
      }
      ({ plan } = reply); // it had to plan anew
      mustAsk = true;
    }
  }

  isAgreed(text, question, plan) {
    const isPlain = !needsConsent(plan);
    const yes = question?.yes ?? (plan.replay.length ? 'Re-run and bring it' : goWithout(plan));
    const title = isPlain && question ? question.title : `${text}: not everything is stored`;
    const body = h('div', {}, question && h('p', {}, question.told), !isPlain && drawConsequences(plan));
    return this.panel.notices.ask(title, body, [[yes, () => true]]);
  }

  tell(reply, from, warnings) {
    const { actions, notices } = this.panel;
    const [first, ...rest] = takenSentences(reply, from);
    if (!reply.applied) return notices.tell('info', first, rest);
    const { replay, lost } = reply.plan;
    const more = replay.length || lost.length ? [outcome(reply.plan, reply.seconds)] : [];
    const lines = [...rest, ...more, ...warnings];
    notices.tell('done', first, lines, [['Undo', () => actions.undo()]]);
    actions.arrivedAt = reply.head; // what is said holds until the session stands elsewhere
  }
}
