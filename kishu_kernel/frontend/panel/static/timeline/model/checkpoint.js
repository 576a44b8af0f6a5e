/** What a checkpoint of the protocol is called, and what its cell did, in words. Pure. */

import { countOf, joinNames } from './format.js';

const RESULT = /^_\d+$/;

/** The sign before a variable that a cell created, modified or deleted. */
export const SIGNS = { created: '+', modified: '~', deleted: '−' };

/** Whether a variable is IPython's name for what a cell displayed. Every other cell has one: nobody wants to see them. */
export const isResult = (name) => RESULT.test(name);

/** Variables, those apart that say little (results of cells, and modules), and how many these are, in words. */
export function folded(variables) {
  const results = variables.filter(({ name }) => isResult(name));
  const modules = variables.filter(({ name, type }) => type === 'module' && !isResult(name));
  const apart = [...modules, ...results];
  const shown = variables.filter((each) => !apart.includes(each));
  const counts = [results.length && countOf(results.length, 'result'), modules.length && countOf(modules.length, 'module')];
  return { shown, apart, counts: (shown.length ? 'and ' : '') + counts.filter(Boolean).join(', ') };
}

/** The first line that says something: no comment, where there is anything else. (In scripts each cell begins with `# %%`.) */
export function firstLine(code) {
  const lines = code.split('\n').map((line) => line.trim());
  return lines.find((line) => line && !line.startsWith('#')) ?? lines.find((line) => /\w/.test(line)) ?? code.trim();
}

/** "In [3]", as the notebook shows it. A state that no cell of the notebook made is no cell. */
export function cellLabel(checkpoint) {
  if (checkpoint.execution_count !== null) return `In [${checkpoint.execution_count}]`;
  if (checkpoint.take) return 'taken';
  return checkpoint.code ? 'cell' : 'state';
}

/** The same within a sentence. */
export const placeLabel = (checkpoint) =>
  checkpoint.take ? `the take of ${takenNames(checkpoint.take)}` : cellLabel(checkpoint);

/** "df, col as col_old from In [3]": what was taken, and from where. */
export function takenNames({ names, target, as: copies }) {
  const from = target.replace(/^In\[(\d+)\]$/, 'In [$1]'); // as the notebook shows it
  return `${joinNames(names.map((name) => (copies[name] ? `${name} as ${copies[name]}` : name)))} from ${from}`;
}

/** The one line by which a person knows it. */
export function headline(checkpoint) {
  if (checkpoint.take) return `took ${takenNames(checkpoint.take)}`;
  if (checkpoint.code.trim()) return firstLine(checkpoint.code);
  return checkpoint.message ? 'kept by hand' : 'changed between two cells';
}

/** "session of 5 Mar, 13:00": its name begins with the time at which it began. */
export function sessionLabel(session) {
  const told = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(session);
  if (!told) return 'another session';
  const [year, month, day, hour, minute, second] = told.slice(1).map(Number);
  const began = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const clock = began.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return `session of ${began.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${clock}`;
}

/** Pairs ["created" | "modified" | "deleted", name of a variable], results of cells left out. */
export function changesOf(checkpoint) {
  return ['created', 'modified', 'deleted']
    .flatMap((how) => checkpoint[how].map((name) => [how, name]))
    .filter(([, name]) => !isResult(name));
}

/** Names of variables that were not stored, results of cells left out. */
export const unstoredNames = (checkpoint) =>
  checkpoint.not_stored.flatMap((each) => each.names).filter((name) => !isResult(name));

/** The checkpoint as a screen reader says it. */
export function spokenLabel(checkpoint, { isHead, inLineage, beginsSession = false, age }) {
  const said = checkpoint.take ? [headline(checkpoint)] : [cellLabel(checkpoint), headline(checkpoint)];
  if (isHead) said.push('you are here');
  else if (!inLineage) said.push('not in this state');
  if (beginsSession) said.push(sessionLabel(checkpoint.session));
  if (checkpoint.status !== 'ok') said.push(checkpoint.status);
  const changes = changesOf(checkpoint);
  for (const how of ['created', 'modified', 'deleted']) {
    const names = changes.filter(([kind]) => kind === how).map(([, name]) => name);
    if (names.length) said.push(`${how} ${joinNames(names)}`);
  }
  said.push(...checkpoint.branches.map((name) => `branch ${name}`), ...checkpoint.tags.map((name) => `tag ${name}`));
  if (checkpoint.message) said.push(checkpoint.message);
  said.push(age);
  return said.join(', ');
}
