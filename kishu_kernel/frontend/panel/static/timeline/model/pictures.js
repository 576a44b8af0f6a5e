/** The plots that cells displayed, read from the kernel when somebody wants to see them. Pure but for that. */

import { contentOf } from './outputs.js';

const MOST = 60; // that are kept

export class Pictures {
  /** `outputsOf(id)` resolves with the outputs of a state; `changed()` is called when more is known. */
  constructor(outputsOf, changed) {
    this.outputsOf = outputsOf;
    this.changed = changed;
    this.known = new Map(); // id -> the source of an image; null: its cell displayed none
    this.wanted = [];
    this.isReading = false;
  }

  /** The source of an image, null where there is none, undefined where that is not known. */
  get(id) {
    return this.known.get(id);
  }

  /** Reads these, one after the other, as long as the kernel answers; what was wanted before is wanted no more. */
  async want(ids) {
    this.wanted = ids.filter((id) => !this.known.has(id));
    if (this.isReading) return;
    this.isReading = true;
    while (this.wanted.length) {
      if ((await this.read(this.wanted.shift())) === undefined) this.wanted = [];
      else this.changed();
    }
    this.isReading = false;
  }

  /** The same as `get`, when it is known; undefined where the kernel did not answer. */
  async read(id) {
    if (!this.known.has(id)) {
      const outputs = await this.outputsOf(id).catch(({ reply }) => reply && []); // a refusal is an answer
      if (!outputs) return undefined;
      const image = outputs.map(contentOf).find(({ kind }) => kind === 'image');
      this.known.set(id, image?.source ?? null);
      if (this.known.size > MOST) this.known.delete(this.known.keys().next().value);
    }
    return this.known.get(id);
  }
}
