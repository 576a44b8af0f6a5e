/** HEAD and its branch, in the status bar. */

import { Widget } from '@lumino/widgets';

import { timelineIcon } from './icons';
import type { Links } from './links';
import { headline } from '../../kishu_kernel/frontend/panel/static/timeline/model/checkpoint.js';
import { ASLEEP } from './phases';
import { cellName } from './protocol';

export class StatusItem extends Widget {
  constructor(
    private readonly links: Links,
    show: () => void
  ) {
    super({ node: document.createElement('button') });
    this.addClass('jp-kishu-status');
    timelineIcon.element({ container: this._icon, stylesheet: 'statusBar' });
    this.node.append(this._icon, this._text);
    this.node.addEventListener('click', show);
    links.changed.connect(this._draw, this);
    this._draw();
  }

  get isActive(): boolean {
    return this.links.current?.supported ?? false;
  }

  private _draw(): void {
    const link = this.links.current;
    if (link && link.phase !== 'live') {
      this._text.textContent = ASLEEP[link.phase] ?? '';
      this.node.title = `Kishu: ${this._text.textContent}`;
      return;
    }
    const place = link?.place;
    const head = place?.checkpoint;
    const at = head ? (head.take ? headline(head) : cellName(head)) : 'before the first cell';
    this._text.textContent = [place?.branch, link?.acting ? `${at} ...` : at].filter(Boolean).join(' · ');
    this.node.title = head
      ? `Kishu: now at ${at}${place.branch ? `, on branch ${place.branch}` : ''} (${head.id.slice(0, 8)}): ` +
        `${head.message || headline(head)}\nClick to see the history`
      : 'Kishu: no cell has run yet';
  }

  private _icon = document.createElement('span');
  private _text = document.createElement('span');
}
