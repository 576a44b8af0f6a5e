/**
 * Going to another state: asks before cells with effects are re-run or anything is lost, and tells what was done and which
 * cells are not in the new state.
 *
 * Law: the first try re-runs nothing and loses nothing. What that refuses is shown as a plan, and done only when agreed to;
 * so is the plan that a kernel makes anew on the way.
 */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import type { KernelLink } from './link';
import { acting, unlessCancelled, type Notice } from './notices';
import {
  cellName,
  firstLine,
  granted,
  Refusal,
  type Ahead,
  type Bounds,
  type Plan,
  type Request,
  type Travel
} from './protocol';
import type { States } from './states';
import {
  boundsOf,
  goWithout,
  madeBy,
  needsConsent,
  withoutReruns
} from '../../kishu_kernel/frontend/panel/static/timeline/model/plan.js';

export interface Options {
  link: KernelLink;
  states: States;
}

/** Travels, and tells. Never rejects: what goes wrong is told, too. */
export async function travel(request: Request, name: string, options: Options): Promise<void> {
  await acting(options.link, name, async notice => {
    const mayGo = !options.link.busy || (await hasWaited(request, name, options, notice));
    const reply = mayGo ? await carriedOut(request, name, options.link, notice) : null;
    if (reply) {
      arrived(reply, summary(reply), options, notice);
    }
  });
}

/**
 * Waits for the running cell, which a person may tire of. Whether the travel is still what they want: an undo was not meant
 * for a cell that has ended since, so that is asked first.
 */
async function hasWaited(request: Request, name: string, options: Options, notice: Notice): Promise<boolean> {
  const { link } = options;
  const asked = link.place?.head ?? null;
  const plan = await unlessCancelled(name, granted<Travel>(link.request({ ...request, dry_run: true })), notice);
  if (plan === null) {
    return false;
  }
  if (request.operation !== 'undo' || plan.from === asked) {
    return true;
  }
  const last = plan.ahead.at(-1);
  const cell = last ? cellName(last) : 'the last cell';
  const undo = () => {
    if (link.place?.head === plan.from) {
      void travel(request, name, options);
    } else {
      notice.failed('Another cell has ended since: nothing was undone.');
    }
  };
  notice.asks(`${capital(cell)} has ended meanwhile, and nothing was undone.`, { label: `Take back ${cell}`, callback: undo });
  return false;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Tells what was done, if that is to be told, and which cells of the notebook are not in this state. */
export function arrived(reply: Travel, done: string, { link, states }: Options, notice: Notice): void {
  const ahead = states.fitting(reply.ahead, link.panel.content.model?.cells ?? []);
  const told = ahead.length ? `${named(ahead)} ${ahead.length === 1 ? 'is' : 'are'} not in this state.` : '';
  const message = `${done} ${told}`.trim();
  if (message) {
    notice.done(message);
  }
}

/** Carries a travel out, and asks first where it must; null where a person said no. */
export async function carriedOut(request: Request, name: string, link: KernelLink, notice: Notice): Promise<Travel | null> {
  let bounds: Bounds = { replay: 'never', allow_lost: false };
  for (;;) {
    let refusal: Refusal;
    try {
      return await granted<Travel>(link.request({ ...request, ...bounds }));
    } catch (error) {
      if (!(error instanceof Refusal && error.notAccepted)) {
        throw error;
      }
      refusal = error;
    }
    const { plan } = await granted<Travel>(link.request({ ...request, dry_run: true }));
    if (bounds.shown && bounds.shown.target !== plan.target) {
      throw refusal; // a cell has run meanwhile: this is not what the person agreed to
    }
    notice.end(); // it waits for the person now
    const agreed = needsConsent(plan) ? await consented(request, plan, name, link) : boundsOf(plan);
    if (!agreed) {
      return null;
    }
    bounds = agreed;
  }
}

/** What of a plan a person wants: all, or what can be had without a re-run. Null: nothing. */
async function consented(request: Request, plan: Plan, name: string, link: KernelLink): Promise<Bounds | null> {
  const how = withoutReruns(plan);
  const asked = { ...request, ...how, dry_run: true };
  const without = how && (await granted<Travel>(link.request(asked))).plan;
  const label = !how ? goWithout(plan) : plan.replay.length === 1 ? 'Re-run it' : 'Re-run them';
  const less = without?.lost.length ? [Dialog.okButton({ label: goWithout(without) })] : [];
  const title = plan.lost.length ? `${name} cannot bring everything back` : `${name} re-runs ${cells(plan.replay.length)}`;
  const result = await showDialog({
    title,
    body: new PlanBody(plan),
    buttons: [Dialog.cancelButton(), ...less, Dialog.warnButton({ label })],
    defaultButton: 0
  });
  if (!result.button.accept) {
    return null;
  }
  return without && how && result.button.label !== label ? boundsOf(without, how) : boundsOf(plan);
}

/** What would be re-run, with its effects and cost, and what would be lost. */
export class PlanBody extends Widget {
  constructor(plan: Plan) {
    super();
    this.addClass('jp-kishu-plan');
    if (plan.replay.length) {
      this._list(
        'These cells are re-run, because what they made is not stored:',
        plan.replay.map(step => [
          firstLine(step.code),
          `${madeBy(step)}; ${[cost(step.seconds), ...step.side_effects].join('; ')}`
        ])
      );
    }
    if (plan.lost.length) {
      this._list(
        'These variables would be lost:',
        plan.lost.map(each => [each.names.join(', ') || 'other variables', each.reason])
      );
    }
  }

  private _list(title: string, rows: string[][]): void {
    const list = document.createElement('ul');
    for (const [code = '', told = ''] of rows) {
      const row = document.createElement('li');
      const what = document.createElement('code');
      what.textContent = code;
      const why = document.createElement('div');
      why.textContent = told;
      row.append(what, why);
      list.append(row);
    }
    const heading = document.createElement('p');
    heading.textContent = title;
    this.node.append(heading, list);
  }
}

function cost(seconds: number): string {
  const time = seconds < 0.1 ? 'no time' : seconds < 90 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`;
  return `took ${time} when it first ran`;
}

/** What was done, as the kernel says it. */
export function summary(reply: Travel): string {
  const again = reply.plan.replay.length;
  return [...reply.told, ...(again ? [`Re-ran ${cells(again)}.`] : [])].join(' ');
}

function cells(number: number): string {
  return number === 1 ? 'one cell' : `${number} cells`;
}

function named(ahead: readonly Ahead[]): string {
  const names = ahead.map(cellName);
  return names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
}
