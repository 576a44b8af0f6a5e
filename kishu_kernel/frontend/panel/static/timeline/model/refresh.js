/** When the history is read again. Pure: what reading means is given. */

/**
 * Law: one reading at a time; what changes meanwhile is seen by one more. Who is not seen waits until they are: the kernel
 * has better things to do.
 */
export class Refresher {
  /**
   * `read(everything, news)` brings all up to date; with true, where more may have changed than that cells have run.
   * `news`: what the kernel sent with the notice, if nothing else is to be read.
   */
  constructor(read) {
    this.read = read;
    this.everything = false; // the next reading must be of everything
    this.news = null;
    this.again = false; // something changed during the present one
    this.running = null;
    this.isVisible = true;
    this.missed = false; // something changed while nobody looked
    this.stopped = false;
  }

  /** The kernel says that something has changed. */
  changed(everything = false, news = null) {
    this.everything ||= everything;
    this.missed = !this.isVisible;
    if (this.missed) return;
    this.news = this.running ? null : news;
    this.refresh();
  }

  /** With `missed`, it may not have been told of all changes meanwhile. */
  setVisible(isVisible, missed = false) {
    this.isVisible = isVisible;
    this.missed ||= missed;
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
      const { everything, news } = this;
      this.again = this.everything = false;
      this.news = null;
      await this.read(everything, news);
    } while (this.again && !this.stopped);
  }
}
