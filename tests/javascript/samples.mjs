/** Checkpoints and histories as the kernel tells them. */

import { History } from '../../kishu_kernel/frontend/panel/static/timeline/model/history.js';

export function checkpoint(id, fields = {}) {
  return {
    id,
    parent: null,
    code: `${id} = 1`,
    execution_count: 1,
    timestamp: '2024-03-05T12:00:00Z',
    status: 'ok',
    created: [],
    modified: [],
    deleted: [],
    not_stored: [],
    branches: [],
    tags: [],
    message: null,
    session: 1,
    ...fields,
  };
}

/** In one line, newest first: each is the parent of the one before it. */
export const line = (...ids) => ids.map((id, index) => checkpoint(id, { parent: ids[index + 1] ?? null }));

/** The rows of one lane. */
const oneLane = (checkpoints) =>
  checkpoints.map((_, index) => ({ lane: 0, links: index < checkpoints.length - 1 ? [[0, 0]] : [] }));

/** The reply to a request for the whole log; it stands on the newest checkpoint. */
export const wholeLog = (checkpoints, fields = {}) => ({
  head: checkpoints[0]?.id ?? null,
  branch: 'main',
  checkpoints,
  graph: { width: 1, rows: oneLane(checkpoints) },
  ...fields,
});

/** A history that has read this log. */
export async function historyOf(log) {
  const history = new History(async () => log);
  await history.update(true);
  return history;
}

/** A fork: "b" and "c" both continue "a"; the session stands on "c". */
export function fork() {
  const a = checkpoint('a', { code: '# load\nframe = read()', created: ['frame'], execution_count: 1 });
  const b = checkpoint('b', { parent: 'a', code: 'frame.drop()', modified: ['frame'], branches: ['idea'], execution_count: 2 });
  const c = checkpoint('c', { parent: 'a', code: 'Total = 3', created: ['Total', '_3'], branches: ['main'], execution_count: 3 });
  const rows = [
    { lane: 0, links: [[0, 0]] },
    { lane: 1, links: [[0, 0], [1, 0]] },
    { lane: 0, links: [] },
  ];
  return wholeLog([c, b, a], { graph: { width: 2, rows } });
}
