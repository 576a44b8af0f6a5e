/** When the history is read again. Pure: what reading means is given. */

/**
 * Law: one reading at a time; what changes meanwhile is seen by one more. Who is not seen waits until they are: the kernel
 * has better things to do.
 */
export class Refresher {
  /** `read(everything)` brings all up to date; with true, where more may have changed than that cells have run. */
  constructor(read) {
    this.read = read;
    this.everything = false; // the next reading must be of everything
    this.again = false; // something changed during the present one
    this.running = null;
    this.isVisible = true;
    this.missed = false; // something changed while nobody looked
    this.stopped = false;
  }

  /** The kernel says that something has changed. */
  changed(everything = false) {
    this.everything ||= everything;
    this.missed = !this.isVisible;
    if (!this.missed) this.refresh();
  }

  setVisible(isVisible) {
    this.isVisible = isVisible;
    if (this.missed && isVisible) this.changed();
  }

  /** Reads now; resolves when nothing is left to be read. */
  refresh(everything = false) {
    this.everything ||= everything;
    if (this.running) {
      this.again = true;
      return this.running;
    }
    this.running = this.untilCurrent().finally(() => (this.running = null));
    return this.running;
  }

  /** Nothing is read from now on. */
  stop() {
    this.stopped = true;
  }

  async untilCurrent() {
    do {
      const { everything } = this;
      this.again = this.everything = false;
      await this.read(everything);
    } while (this.again && !this.stopped);
  }
}
