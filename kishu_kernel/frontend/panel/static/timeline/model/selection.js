/** Which state is selected, and which one waits to be compared with a second. Pure. */

export class Selection {
  constructor() {
    this.selected = null; // the id of a checkpoint
    this.followsHead = true; // until a person selects
    this.comparing = false; // two states are being chosen
    this.first = null; // of the two
  }

  /** The session stands on another checkpoint now. */
  headMoved(head) {
    if (this.followsHead) this.selected = head;
  }

  /** A person has chosen. */
  select(id) {
    this.followsHead = false;
    this.selected = id;
  }

  toggleComparing() {
    this.comparing = !this.comparing;
    this.first = null;
  }

  /** Chooses one of two states that are compared. Returns both when this is the second; null when it is the first. */
  pick(id) {
    this.selected = id;
    if (this.first === null || this.first === id) {
      this.first = id;
      return null;
    }
    const pair = [this.first, id];
    this.toggleComparing();
    return pair;
  }
}
