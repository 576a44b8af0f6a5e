/**
 * What changes the history or the variables: travels, branches, tags, messages; and saving a notebook.
 *
 * Law: one thing at a time. Nothing is re-run or lost by a click before the plan was shown, and what is then done is no more
 * than what it said.
 */

import { placeLabel } from '../model/checkpoint.js';
import { asSentence, capitalize, countOf, joinNames } from '../model/format.js';
import { boundsOf, goWithout, needsConsent, outcome, withoutReruns } from '../model/plan.js';
import { drawConsequences } from './consent.js';
import { h } from './elements.js';

const SHOW_AFTER = 400; // milliseconds: a word appears only where it takes a while
const SAY_AFTER = 3000;

export class Actions {
  constructor(panel) {
    this.panel = panel;
    this.notices = panel.notices;
    this.busy = null; // what is under way, in words
    this.isAtAsked = false;
    this.askedAt = undefined; // what it is offered to take back, where a cell has ended since undo was asked for
    this.arrivedAt = undefined; // where the last travel led, while its notice is shown
  }

  /** How far the kernel is with what was asked of it. */
  progressed(progress) {
    if (this.busy) this.notices.work(this.busy, progress);
  }

  /** The session stands on this checkpoint: what was said of a travel elsewhere holds no more. */
  headMoved(head) {
    this.leave(head);
    if (this.arrivedAt === undefined || this.arrivedAt === head) return;
    this.arrivedAt = undefined;
    this.notices.withdraw('done');
  }

  /** What was offered about the cell that it stood on holds no more, either. */
  leave(head) {
    const wasThere = this.isAtAsked;
    this.isAtAsked = this.askedAt === head; // at first the list may be behind
    if (this.askedAt === undefined || !wasThere || this.isAtAsked) return;
    this.askedAt = undefined;
    this.notices.withdraw('info');
  }

  undo() {
    return this.travel({ operation: 'undo' }, 'Undoing');
  }

  redo() {
    return this.travel({ operation: 'redo' }, 'Redoing');
  }

  resume() {
    return this.travel({ operation: 'resume' }, 'Bringing back');
  }

  /** Goes to a checkpoint, by a branch that ends there: then the session is on that branch. */
  goTo(checkpoint) {
    const { branch } = this.panel.history;
    const name = checkpoint.branches.includes(branch) ? branch : checkpoint.branches[0];
    return this.travel({ operation: 'checkout', target: name ?? checkpoint.id }, `Going to ${placeLabel(checkpoint)}`);
  }

  /** First the plan, then a question where that asks for one, then the travel. `text` says what it is. */
  async travel(content, text) {
    this.notices.clear();
    const { head } = this.panel.history;
    const asked = Date.now();
    const waiting = `${text}: waiting for the running cell`;
    const planned = await this.during(waiting, () => this.unlessCancelled(this.panel.ask({ ...content, dry_run: true })));
    if (!planned) return;
    const hasWaited = Date.now() - asked > SHOW_AFTER;
    if (hasWaited && content.operation === 'undo' && planned.from !== head) this.askAgain(planned, content, text);
    else await this.carryOut(planned.plan, content, text);
  }

  /** The answer, or null where a person does not wait for it any more. To plan changes nothing, so nothing has to be stopped. */
  async unlessCancelled(answer) {
    const cancelled = new Promise((resolve) => (this.notices.onCancel = () => resolve(null)));
    try {
      return await Promise.race([answer, cancelled]);
    } finally {
      this.notices.onCancel = null;
    }
  }

  /** A cell has ended since undo was asked for: it was not meant. */
  askAgain({ ahead = [], from }, content, text) {
    this.askedAt = from;
    const cell = ahead.length ? placeLabel(ahead.at(-1)) : 'the last cell';
    const again = [`Take back ${cell}`, () => {
      if (this.panel.history.head === from) this.travel(content, text);
      else this.notices.tell('error', 'Another cell has ended since: nothing was undone.');
    }];
    this.notices.tell('info', `${capitalize(cell)} has ended meanwhile, and nothing was undone.`, [], [again]);
  }

  /** Does what the plan says, and no more. Where the kernel must plan anew, the new plan is asked about in turn. */
  async carryOut(plan, content, text) {
    const bounds = needsConsent(plan) ? await this.agreed(plan, content, text) : boundsOf(plan);
    if (!bounds) return;
    const reply = await this.change(text, { ...content, ...bounds });
    if (reply?.status === 'error') await this.carryOutAnew(reply, plan, content, text);
    else if (reply) this.arrived(reply, reply.warnings ?? []);
  }

  /** What of a plan a person wants, as parameters of the request: all, or what can be had without a re-run. Null: nothing. */
  async agreed(plan, content, text) {
    const how = withoutReruns(plan);
    const without = how && (await this.during(text, () => this.panel.ask({ ...content, ...how, dry_run: true })))?.plan;
    const choices = [[how ? 'Re-run and go' : goWithout(plan), () => boundsOf(plan)]];
    if (without?.lost.length) choices.push([goWithout(without), () => boundsOf(without, how)]);
    return this.notices.ask(`${text}: not everything is stored`, drawConsequences(plan), choices);
  }

  /** The kernel had to plan anew, since the plan was made. One that leads elsewhere is not what was wanted. */
  async carryOutAnew(reply, before, content, text) {
    if (reply.plan.target === before.target) await this.carryOut(reply.plan, content, text);
    else this.notices.tell('error', asSentence(reply.evalue));
  }

  async nameState(kind, checkpoint) {
    const where = placeLabel(checkpoint);
    const isBranch = kind === 'branch';
    const title = isBranch ? `A branch at ${where}` : `A tag for ${where}`;
    const name = await this.notices.askName(title, `Name of the ${kind}`);
    if (!name) return;
    const reply = await this.change(`Making the ${kind}`, { operation: kind, name, target: checkpoint.id });
    if (!reply) return;
    const go = () => this.travel({ operation: 'checkout', target: name }, `Going to ${name}`);
    if (isBranch) {
      this.notices.tell('done', `Branch ${name} is now at ${where}.`, [], [[`Continue on ${name}`, go]]);
    } else {
      this.notices.tell('done', `Tag ${name} is now at ${where}.`);
    }
  }

  async renameLabel(kind, name) {
    const rename = await this.notices.askName(`Another name for the ${kind} ${name}`, `Name of the ${kind}`, name);
    if (!rename || rename === name) return;
    const reply = await this.change(`Renaming the ${kind}`, { operation: kind, name, rename });
    if (reply) this.notices.tell('done', `The ${kind} ${name} is now called ${rename}.`);
  }

  async deleteLabel(kind, name) {
    const told = h('p', {}, kind === 'branch'
      ? 'Its states stay in the list. Values that nothing else needs are dropped when space is wanted: those cells are then re-run.'
      : 'The state stays.');
    if (!(await this.notices.ask(`Delete the ${kind} ${name}?`, told, [['Delete', () => true]]))) return;
    const reply = await this.change(`Deleting the ${kind}`, { operation: kind, name, delete: true });
    if (reply) this.notices.tell('done', `The ${kind} ${name} is deleted.`);
  }

  async commit() {
    const message = await this.notices.askName('A message for this state', 'Message');
    if (!message) return;
    const reply = await this.change('Storing the message', { operation: 'commit', message });
    if (reply) this.notices.tell('done', `This state now has the message “${message}”.`);
  }

  async save() {
    const title = 'Save the cells that lead here as a notebook';
    const path = await this.notices.askName(title, 'File, relative to the directory of the kernel', 'history.ipynb');
    if (!path) return;
    const reply = await this.during('Saving', () => this.panel.ask({ operation: 'export', path }));
    if (reply) this.notices.tell('done', `${countOf(reply.cells, 'cell')} written to ${reply.path}.`);
  }

  /** Sends what changes the history, and shows it changed. The reply; null where it failed. */
  async change(text, content) {
    const reply = await this.during(text, () => this.panel.ask(content));
    if (reply && !this.panel.isDestroyed) await this.panel.refresh(!reply.plan);
    return reply;
  }

  /** Does one thing, and says so where it takes a while. Null where another is under way. */
  async during(text, act) {
    if (this.busy) return null;
    const { root } = this.panel;
    this.busy = `${text} …`;
    root.setAttribute('aria-busy', 'true');
    const soon = setTimeout(() => this.notices.work(this.busy), SHOW_AFTER);
    const late = setTimeout(() => this.notices.say('Waiting for the kernel'), SAY_AFTER);
    try {
      return await act();
    } finally {
      clearTimeout(soon);
      clearTimeout(late);
      this.busy = null;
      root.removeAttribute('aria-busy');
      this.notices.work(null);
    }
  }

  /** Says where the session is now, what was done for it, and offers the way back. */
  arrived(reply, warnings) {
    const { history } = this.panel;
    const head = history.get(reply.head);
    const ahead = reply.ahead ?? [];
    const lines = [outcome(reply.plan, reply.seconds)];
    if (ahead.length) {
      lines.push(`${joinNames(ahead.map(placeLabel))} ${ahead.length === 1 ? 'is' : 'are'} not in this state.`);
    }
    const back = reply.from && reply.from !== reply.head && history.get(reply.from);
    const [title, ...more] = reply.told;
    this.notices.tell('done', title, [...more, ...lines, ...warnings], back ? [['Go back', () => this.goTo(back)]] : []);
    this.arrivedAt = reply.head;
    if (head) this.panel.choosing.showHead(head.id);
    this.panel.options.onTravel?.(reply);
  }
}
