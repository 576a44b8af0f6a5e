/** The sidebar: tabs for the states and for the variables of the notebook that is current. */

import type { Message } from '@lumino/messaging';
import { MessageLoop } from '@lumino/messaging';
import { Panel, Widget } from '@lumino/widgets';

import { timelineIcon } from './icons';
import type { Links } from './links';

export interface Tab {
  label: string;
  widget: Widget;
}

export class Tabs extends Panel {
  constructor(
    private readonly links: Links,
    private readonly tabs: readonly Tab[]
  ) {
    super();
    this.id = 'kishu-sidebar';
    this.addClass('jp-kishu-sidebar');
    this.title.icon = timelineIcon;
    this.title.caption = 'Kishu: the history of this notebook, and its variables';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Kishu');
    this._bar.className = 'jp-kishu-tabs';
    this._bar.setAttribute('role', 'tablist');
    this._bar.setAttribute('aria-label', 'Kishu');
    this._buttons = tabs.map(({ label, widget }, index) => {
      const button = document.createElement('button');
      button.textContent = label;
      button.type = 'button';
      button.id = `jp-kishu-tab-${index}`;
      button.setAttribute('role', 'tab');
      button.setAttribute('aria-controls', widget.id);
      button.addEventListener('click', () => this.select(index));
      widget.node.setAttribute('role', 'tabpanel');
      widget.node.setAttribute('aria-labelledby', button.id);
      this.addWidget(widget);
      return button;
    });
    this._bar.append(...this._buttons);
    this._bar.addEventListener('keydown', event => this._key(event));
    this.node.prepend(this._bar);
    links.changed.connect(this._draw, this);
    this._draw();
  }

  /** Chooses a tab. */
  select(index: number): void {
    this._chosen = index;
    this._draw();
  }

  protected override onActivateRequest(_: Message): void {
    MessageLoop.sendMessage(this.tabs[this._shown]!.widget, Widget.Msg.ActivateRequest);
  }

  /** Without a kernel of ours there is one thing to be said, and the first tab says it. */
  private get _shown(): number {
    return this.links.current?.supported ? this._chosen : 0;
  }

  private _draw(): void {
    this._bar.hidden = !this.links.current?.supported;
    this._buttons.forEach((button, index) => {
      const isShown = index === this._shown;
      button.setAttribute('aria-selected', String(isShown));
      button.tabIndex = isShown ? 0 : -1;
      this.tabs[index]!.widget.setHidden(!isShown);
    });
  }

  private _key(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      this.select((this._shown + step + this.tabs.length) % this.tabs.length);
      this._buttons[this._shown]!.focus();
    }
  }

  private _bar = document.createElement('div');
  private _buttons: HTMLButtonElement[];
  private _chosen = 0;
}
