/**
 * After a restart or a kernel's death: says where the session ended, and offers to bring it back. Once for each new kernel;
 * the sidebar says it for as long as it holds.
 */

import { describeEnded, offerOf } from '../../kishu_kernel/frontend/panel/static/timeline/model/ended.js';
import type { KernelLink } from './link';
import type { Links } from './links';
import { Notice } from './notices';

/** Milliseconds that it is shown. */
const LONG = 60000;

export class Offers {
  constructor(
    private readonly links: Links,
    private readonly bringBack: (link: KernelLink) => void
  ) {
    links.changed.connect(this._look, this);
    this._look();
  }

  private _look(): void {
    const link = this.links.current;
    if (link && link.phase !== 'live') {
      this._told.delete(link); // the next kernel is another one
    }
    const ended = link?.phase === 'live' && !link.acting ? link.ended : null;
    if (!link || !ended) {
      this._clear();
    } else if (!link.busy && this._told.get(link) !== ended.session) {
      this._told.set(link, ended.session);
      this._shown = link;
      const offer = { label: offerOf(ended), callback: () => this.bringBack(link) };
      this._notice.asks(describeEnded(ended).join(' '), ended.trusted ? offer : undefined, LONG);
    } else if (link !== this._shown) {
      this._clear();
    }
  }

  private _clear(): void {
    if (this._shown) {
      this._shown = null;
      this._notice.takeBack();
    }
  }

  private _notice = new Notice();
  private _told = new WeakMap<KernelLink, string>();
  private _shown: KernelLink | null = null;
}
