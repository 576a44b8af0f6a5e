/** The undo button of one notebook: shown while its kernel is one with Kishu. */

import { ToolbarButton } from '@jupyterlab/ui-components';

import { undoIcon } from './icons';
import type { KernelLink } from './link';

export class UndoButton extends ToolbarButton {
  constructor(
    private readonly link: KernelLink,
    undo: (link: KernelLink) => void
  ) {
    super({
      icon: undoIcon,
      tooltip: 'Undo the last execution: the variables become what they were before it',
      onClick: () => undo(link)
    });
    this.addClass('jp-kishu-undo');
    link.changed.connect(this._draw, this);
    this._draw();
  }

  private _draw(): void {
    this.setHidden(!this.link.supported);
    this.enabled = !this.link.acting && this.link.phase === 'live';
  }
}
