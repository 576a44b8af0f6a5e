/** What can be done with a state of the list: its menu. */

import { placeLabel } from '../model/checkpoint.js';

/**
 * The entries of the menu of a checkpoint, as `openMenuAt` wants them.
 *
 * Args:
 *   panel: the whole.
 *   checkpoint: of the row.
 */
export function stateEntries(panel, checkpoint) {
  const { actions, history, options } = panel;
  const isHere = checkpoint.id === history.head;
  const hosts = options.stateEntries?.(checkpoint, isHere) ?? [];
  return [
    !isHere && ['Go here', () => actions.goTo(checkpoint)],
    ...hosts,
    history.head && !isHere && ['Compare with the present state', () => panel.choosing.compareWith(checkpoint.id)],
    ['Show its code, outputs and variables', () => panel.choosing.showDetails(checkpoint.id)],
    ['Bring back one variable …', () => bringBack(panel, checkpoint)],
    null,
    ['Tag …', () => actions.nameState('tag', checkpoint)],
    ['Branch …', () => actions.nameState('branch', checkpoint)],
    ...checkpoint.branches.flatMap((name) => labelEntries(actions, 'branch', name)),
    ...checkpoint.tags.flatMap((name) => labelEntries(actions, 'tag', name)),
    null,
    ['Copy id', () => copy(panel, checkpoint)],
  ].filter((entry) => entry !== false);
}

const labelEntries = (actions, kind, name) => [
  [`Rename ${kind} ${name} …`, () => actions.renameLabel(kind, name)],
  [`Delete ${kind} ${name} …`, () => actions.deleteLabel(kind, name)],
];

async function bringBack({ notices, taking }, checkpoint) {
  const name = await notices.askName(`Which variable, as it was at ${placeLabel(checkpoint)}?`, 'Name of the variable');
  if (name) await taking.bringBack(name, checkpoint);
}

async function copy({ notices }, checkpoint) {
  try {
    await navigator.clipboard.writeText(checkpoint.id);
    notices.tell('done', `The id of ${placeLabel(checkpoint)} is in the clipboard.`);
  } catch {
    notices.tell('info', `The id of ${placeLabel(checkpoint)} is ${checkpoint.id}.`); // no page of https, or not allowed
  }
}
