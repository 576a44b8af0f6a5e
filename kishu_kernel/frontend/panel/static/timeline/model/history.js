/**
 * The checkpoints of a notebook, as the kernel told them. Pure but for the requests that it is given the means to make.
 *
 * Of a long history the newest are read first, and older ones when somebody wants to see them.
 * Law: nothing is kept that the kernel does not know, and where the history did not merely grow, it is read again.
 */

const FIRST_PAGE = 100; // checkpoints: what several screens show
const NEXT_PAGES = 4; // times what is there: few requests, however long the history is

export class History {
  /** `request(content)` resolves with the reply of the kernel, and rejects where that is an error. */
  constructor(request) {
    this.request = request;
    this.rows = []; // {checkpoint, lane, links}, newest first
    this.positions = new Map(); // id -> index in rows
    this.lineage = new Set(); // ids from the head to the root
    this.head = undefined; // null before the first cell
    this.branch = null;
    this.redo = undefined; // the state to which redo would lead, null for none; an older kernel does not say
    this.ended = null; // the last session, as `status` tells it, while there is something to bring back
    this.isLive = true; // whether its kernel still stands where it last said
    this.laneCount = 1;
    this.total = 0; // checkpoints that there are, also those that were not read
    this.wanted = FIRST_PAGE; // how many to read; 0: all
  }

  /** Whether all of it was read. */
  get isWhole() {
    return this.rows.length >= this.total;
  }

  /**
   * Brings it up to date; with `everything`, reads again all that was read. `news` is a log that the kernel sent unasked,
   * with the id since which it tells: where it continues what is here, nothing is asked.
   */
  async update(everything, news = null) {
    const isFirst = this.head === undefined;
    const asked = isFirst || this.ended ? this.lookForEnded() : null; // beside the states: each question takes a while
    asked?.catch(() => {}); // it is heard below, if the states are
    await this.readStates(everything, news);
    await (asked ?? (this.head === null && this.lookForEnded()));
  }

  async lookForEnded() {
    this.ended = (await this.request({ operation: 'status', offers: true })).ended ?? null;
  }

  async readStates(everything, news) {
    if (!everything && this.rows.length) {
      if (news && news.since === this.rows[0].checkpoint.id && this.extend(news)) return;
      if ((await this.isCurrent()) || (await this.grow())) return;
    }
    await this.read();
  }

  /** The next reading of everything brings so many at least; 0: all. Whether that is more than it would have anyhow. */
  want(count) {
    if (this.isWhole || !this.wanted || (count && count <= this.wanted)) return false;
    this.wanted = count && Math.max(count, this.rows.length * NEXT_PAGES);
    return true;
  }

  async read() {
    const log = await this.request({ operation: 'log', all: true, limit: this.wanted, graph: true });
    const isCut = log.truncated && this.wanted > 0;
    const hasHead = log.head === null || log.checkpoints.some(({ id }) => id === log.head);
    if (isCut && (!hasHead || log.total === undefined)) { // it stands far back; an older kernel does not say how many
      this.wanted = 0;
      return this.read();
    }
    this.rows = log.checkpoints.map((checkpoint, index) => ({ checkpoint, ...log.graph.rows[index] }));
    this.laneCount = Math.max(1, log.graph.width);
    this.settle(log);
  }

  /** Whether the session stands on this checkpoint, as far as anybody can say. */
  isHere(id) {
    return this.isLive && id === this.head;
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
    const { head, branch, latest, redo } = await this.request({ operation: 'status' });
    return head === this.head && branch === this.branch && redo === this.redo && (!latest || this.has(latest));
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
    return this.extend(log);
  }

  /** Puts what a log since the newest checkpoint tells on top, where it is one line; else false. */
  extend(log) {
    const top = this.rows[0].checkpoint;
    if (this.head !== top.id || log.truncated) return false;
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
    this.total = log.total ?? this.rows.length;
    if (this.wanted) this.wanted = Math.max(FIRST_PAGE, this.rows.length);
    this.head = log.head;
    this.branch = log.branch;
    this.redo = log.redo;
    this.untold = log.untold ?? null; // warnings that nobody has been shown; an older kernel does not say
    this.positions = new Map(this.rows.map((row, index) => [row.checkpoint.id, index]));
    this.lineage = new Set();
    for (let id = log.head; id && !this.lineage.has(id); id = this.get(id)?.parent) this.lineage.add(id);
  }
}
