/**
 * The checkpoints of a notebook, as the kernel told them. Pure but for the requests that it is given the means to make.
 *
 * Law: nothing is kept that the kernel does not know, and where the history did not merely grow, all of it is read again.
 */

export class History {
  /** `request(content)` resolves with the reply of the kernel, and rejects where that is an error. */
  constructor(request) {
    this.request = request;
    this.rows = []; // {checkpoint, lane, links}, newest first
    this.positions = new Map(); // id -> index in rows
    this.lineage = new Set(); // ids from the head to the root
    this.head = null;
    this.branch = null;
    this.laneCount = 1;
  }

  /** Brings it up to date; with `everything`, reads all of it again. */
  async update(everything) {
    if (!everything && this.rows.length && ((await this.isCurrent()) || (await this.grow()))) return;
    const log = await this.request({ operation: 'log', all: true, limit: 0, graph: true });
    this.rows = log.checkpoints.map((checkpoint, index) => ({ checkpoint, ...log.graph.rows[index] }));
    this.laneCount = Math.max(1, log.graph.width);
    this.settle(log);
  }

  has(id) {
    return this.positions.has(id);
  }

  /** The checkpoint of this id; undefined where there is none. */
  get(id) {
    return this.rows[this.positions.get(id)]?.checkpoint;
  }

  /** Two ids, the older one first. */
  inOrder(one, other) {
    return this.positions.get(one) > this.positions.get(other) ? [one, other] : [other, one];
  }

  async isCurrent() {
    const { head, branch, latest } = await this.request({ operation: 'status' });
    return head === this.head && branch === this.branch && (!latest || this.has(latest));
  }

  /** Adds the cells that ran since, where they continue the newest checkpoint in one line; else false. */
  async grow() {
    const top = this.rows[0].checkpoint;
    if (this.head !== top.id) return false;
    let log;
    try {
      log = await this.request({ operation: 'log', all: true, limit: 0, since: top.id });
    } catch {
      return false; // another store
    }
    const fresh = log.checkpoints;
    if (!fresh.length || fresh[0].id !== log.head) return false;
    const parents = [...fresh.slice(1), top];
    if (fresh.some((each, index) => each.parent !== parents[index].id)) return false;
    const moved = new Set(fresh.flatMap((each) => each.branches));
    top.branches = top.branches.filter((name) => !moved.has(name));
    this.rows = [...fresh.map((checkpoint) => ({ checkpoint, lane: 0, links: [[0, 0]] })), ...this.rows];
    this.settle(log);
    return true;
  }

  settle(log) {
    this.head = log.head;
    this.branch = log.branch;
    this.positions = new Map(this.rows.map((row, index) => [row.checkpoint.id, index]));
    this.lineage = new Set();
    for (let id = log.head; id && !this.lineage.has(id); id = this.get(id)?.parent) this.lineage.add(id);
  }
}
