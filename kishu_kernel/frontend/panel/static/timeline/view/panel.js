/** The whole: joins the list, the details, the notices and the actions, and keeps them up to date. */
/** @import { Options, Transport } from '../../timeline.js' */

import { placeLabel } from '../model/checkpoint.js';
import { asSentence, countOf } from '../model/format.js';
import { describeEnded, offerOf } from '../model/ended.js';
import { History } from '../model/history.js';
import { panelAction } from '../model/keys.js';
import { Pictures } from '../model/pictures.js';
import { Refresher } from '../model/refresh.js';
import { search } from '../model/search.js';
import { Selection } from '../model/selection.js';
import { Actions } from './actions.js';
import { Choosing } from './choosing.js';
import { Details } from './details.js';
import { button, h, icon } from './elements.js';
import { Hover } from './hover.js';
import { StateList } from './list.js';
import { Menu } from './menu.js';
import { Notices } from './notices.js';
import { Taking } from './taking.js';

const WIDE = 640; // pixels from which on there is room for the details beside the list
const AGES_EVERY = 30000;

export class Panel {
  /**
   * @param {HTMLElement} element
   * @param {Transport} transport
   * @param {Options} options
   */
  constructor(element, transport, options) {
    this.element = element;
    this.transport = transport;
    this.options = options;
    this.isDestroyed = false;
    this.asleep = null; // why nobody answers, in a sentence, while the kernel is not there
    this.isTelling = false; // the kernel knows that warnings are shown here
    this.text = ''; // what is searched for
    this.onlyLineage = false;
    this.history = new History((content) => this.request(content));
    this.selection = new Selection();
    this.refresher = new Refresher((everything, news) => this.read(everything, news));
    this.choosing = new Choosing(this, this.selection);
    this.notices = new Notices();
    this.actions = new Actions(this);
    this.taking = new Taking(this);
    this.pictures = new Pictures(
      async (id) => (await this.request({ operation: 'show', target: id })).outputs,
      () => this.list.drawSoon());
    this.list = new StateList(this.history, this.selection, this.pictures, {
      click: (id) => this.choosing.choose(id),
      move: (id) => this.choosing.moveTo(id),
      go: (id) => this.choosing.go(id),
      show: (id) => this.choosing.showDetails(id),
      compare: (id) => this.choosing.compareWith(id),
      menu: (id, x, y) => this.choosing.openMenu(id, x, y),
      over: (row, checkpoint) => this.hover.over(row, checkpoint),
      out: () => this.hover.out(),
      missing: (count) => this.readOlder(count),
      last: () => this.goToLast(),
    });
    this.details = new Details(this);
    this.root = this.build();
    this.hover = new Hover(this.root, this.pictures);
    this.showPictures(Boolean(options.pictures));
  }

  // -- its parts on the page

  build() {
    const { actions, details, list, notices } = this;
    this.field = this.buildField();
    this.undoButton = button('Undo', () => actions.undo(), {
      image: 'undo', title: 'Take back the last cell: the variables become what they were before it',
    });
    this.redoButton = button('Redo', () => actions.redo(), { image: 'redo', title: 'Bring back what undo took back' });
    this.compareButton = button('Compare', () => this.choosing.toggleComparing(), {
      image: 'compare', 'aria-pressed': 'false', title: 'Compare two states',
    });
    this.menu = new Menu('More', () => this.menuEntries());
    this.position = h('div.where');
    this.emptyNotice = h('div.empty', { hidden: true });
    return h(`div.timeline${this.options.fill ? '.fill' : ''}`, {
      role: 'region', 'aria-label': 'Timeline of this notebook',
      'data-lm-suppress-shortcuts': 'true', // JupyterLab: a key here is no command for the notebook
      onkeydown: (event) => this.key(event),
    },
      h('div.toolbar', { role: 'toolbar', 'aria-label': 'Timeline' }, this.undoButton, this.redoButton,
        h('label.finder', {}, icon('search'), this.field), this.compareButton, this.menu.button),
      this.position, notices.element,
      h('div.main', {}, h('div.left', {}, list.element, this.emptyNotice), details.element),
      notices.live);
  }

  buildField() {
    const toList = (event) => (event.preventDefault(), this.list.element.focus(), this.choosing.pickFirst());
    const toAll = (event) => (event.stopPropagation(), this.search(''), this.list.element.focus());
    return h('input.search', {
      type: 'search', placeholder: 'Search code, names, tags', 'aria-label': 'Search all states', spellcheck: 'false',
      oninput: (event) => this.search(event.target.value, false),
      onkeydown: (event) => {
        if (event.key === 'ArrowDown' || event.key === 'Enter') toList(event);
        else if (event.key === 'Escape') toAll(event);
      },
    });
  }

  menuEntries() {
    const { actions } = this;
    return [
      ['Give this state a message …', () => actions.commit()],
      [this.onlyLineage ? 'Show all lines' : 'Show only what leads here', () => this.toggleLineage()],
      [this.list.showsPictures ? 'Show no plots in the list' : 'Show plots in the list', () => this.togglePictures()],
      ['Save what leads here as a notebook …', () => actions.save()],
      ['Refresh', () => this.refresh(true)],
    ];
  }

  /** The kernel is there (null), or is not, and this sentence says why. What was known of it stays on the screen. */
  setKernel(asleep) {
    if (asleep === this.asleep) return;
    this.asleep = asleep;
    this.history.isLive = asleep === null;
    if (asleep === null) this.refresh(true);
    else if (!this.isDestroyed) this.render();
  }

  /** Puts it on the page, and follows the kernel from now on. */
  start() {
    this.element.replaceChildren(this.root);
    this.unlisten = [
      this.transport.onChange((everything, news) => this.refresher.changed(everything, news)),
      this.transport.onProgress?.((progress) => this.actions.progressed(progress)),
    ];
    this.ageTimer = setInterval(() => this.isSeen && this.list.draw(), AGES_EVERY);
    this.resizing = new ResizeObserver(() => this.resized());
    this.resizing.observe(this.root);
    this.resizing.observe(this.list.element); // a notice above it comes and goes
    const near = (entries) => this.setSeen((this.isNear = entries[0].isIntersecting));
    this.visibility = new IntersectionObserver(near, { rootMargin: '100px' });
    this.visibility.observe(this.root);
    this.pageShown = () => this.setSeen(this.isNear);
    document.addEventListener('visibilitychange', this.pageShown);
    this.refresh(true);
  }

  destroy() {
    this.isDestroyed = true;
    this.refresher.stop();
    for (const end of this.unlisten) end?.();
    clearInterval(this.ageTimer);
    this.resizing.disconnect();
    this.visibility.disconnect();
    document.removeEventListener('visibilitychange', this.pageShown);
    this.transport.seen?.(false, false);
    this.hover.out();
    this.root.remove();
  }

  /** Whether it is on the screen. Who is told so sends nothing meanwhile, so something may be missed. */
  setSeen(isNear) {
    const isSeen = isNear && !document.hidden;
    if (isSeen === this.isSeen) return;
    const wasSeen = this.isSeen;
    this.isSeen = isSeen;
    this.tellSeen();
    this.refresher.setVisible(isSeen, wasSeen === false && Boolean(this.transport.seen));
    if (!isSeen) return;
    this.list.draw();
    this.tellWarnings();
  }

  /** Tells the kernel what is of use here, if it does not know. */
  tellSeen() {
    const follows = this.selection.followsHead && this.isWide();
    const told = JSON.stringify([this.isSeen, follows]);
    if (this.isSeen === undefined || told === this.toldSeen) return;
    this.toldSeen = told;
    this.transport.seen?.(this.isSeen, follows);
  }

  isWide() {
    return this.root.clientWidth >= WIDE;
  }

  resized() {
    const isWide = this.isWide();
    if (this.root.classList.toggle('kishu-wide', isWide) !== this.wasWide) this.render();
    this.wasWide = isWide;
    this.list.draw();
  }

  // -- asking the kernel

  /** The reply; rejects where it is an error. */
  async request(content) {
    const reply = await this.transport.request(content);
    if (reply.status !== 'ok') throw Object.assign(new Error(reply.evalue || reply.ename || 'the kernel refused'), { reply });
    return reply;
  }

  /**
   * The reply, also one that refuses a plan which nobody accepted yet; null where it failed, and then the person is told,
   * if they still wait for it.
   */
  async ask(content, isStillWanted = () => true) {
    try {
      return await this.request(content);
    } catch (error) {
      if (error.reply?.plan) return error.reply;
      if (!this.isDestroyed && this.asleep === null && isStillWanted()) this.notices.tell('error', asSentence(error.message));
      return null;
    }
  }

  refresh(everything) {
    return this.refresher.refresh(everything);
  }

  /** Older states are wanted: so many in all, or with 0 every one. Resolves when they are there. */
  readOlder(count) {
    return this.history.want(count) ? this.refresh(true) : null;
  }

  /** Selects the oldest state, which has to be read first. */
  async goToLast() {
    await this.readOlder(0);
    const id = this.list.items.at(-1)?.row.checkpoint.id;
    if (this.isDestroyed || !id) return;
    this.choosing.moveTo(id);
    this.list.reveal(id);
  }

  async read(everything, news) {
    if (this.asleep !== null) return;
    try {
      await this.history.update(everything, news);
      this.details.given = news?.state;
    } catch (error) {
      const again = ['Try again', () => this.refresh(true)];
      if (!this.isDestroyed && this.asleep === null) this.notices.tell('error', asSentence(error.message), [], [again]);
    }
    if (this.isDestroyed) return;
    this.render();
    this.tellWarnings();
  }

  /** Shows what the kernel has to say that nobody has been shown, and says so: then it is printed in no cell. */
  tellWarnings() {
    const { untold } = this.history;
    if (!untold || !this.isSeen || (this.isTelling && !untold.length)) return;
    this.isTelling = true;
    this.history.untold = [];
    this.notices.warn(untold);
    this.request({ operation: 'told', sentences: untold }).catch(() => {}); // the kernel has ended
  }

  // -- drawing

  render() {
    const { history, list, selection } = this;
    const head = history.get(history.head);
    selection.headMoved(history.head);
    this.renderDetails(head);
    this.actions.headMoved(history.head);
    if (this.text || this.onlyLineage) this.readOlder(0); // drawn again when it is there
    const items = search(history, this.text, this.onlyLineage);
    list.element.hidden = !items.length; // first: how many rows are drawn depends on its height
    list.show(items, !this.text && !this.onlyLineage);
    this.undoButton.disabled = !head || !history.isLive;
    this.redoButton.disabled = history.redo === null || !history.isLive;
    this.renderLasting();
    this.compareButton.disabled = history.rows.length < 2;
    this.position.replaceChildren(...this.describePosition(head));
    this.emptyNotice.hidden = items.length > 0;
    this.emptyNotice.replaceChildren(...this.describeEmptiness().filter(Boolean));
  }

  /** Until a person selects, the details are those of the head, where there is room for them beside the list. */
  renderDetails(head) {
    this.tellSeen();
    if (!this.selection.followsHead) this.details.update();
    else if (this.isWide() && head) this.details.update(head.id);
    else this.details.close();
  }

  /** That the kernel is not there, or that it is another one, which has not what the last one had. */
  renderLasting() {
    const { ended } = this.history;
    if (this.asleep !== null || !ended) return this.notices.keep(this.asleep);
    const [title, ...lines] = describeEnded(ended);
    this.notices.keep(title, lines, ended.trusted ? [[offerOf(ended), () => this.actions.resume()]] : []);
  }

  /** Where the session stands, and how many states there are. */
  describePosition(head) {
    const { branch, isLive, rows, total } = this.history;
    if (!rows.length) return [];
    const parts = !isLive ? [] : head ? [h('span', {}, 'Now at'), h('strong', {}, placeLabel(head))] : [h('span', {}, 'Now before the first cell')];
    if (isLive && head && branch) parts.push(h('span.label.branch.current', {}, icon('branch'), branch));
    const found = this.text || this.onlyLineage ? `${this.list.items.length} of ` : '';
    return [...parts, h('span.quiet.count', {}, found + countOf(total, 'state'))];
  }

  /** What stands in the place of an empty list. */
  describeEmptiness() {
    if (!this.history.isWhole) return [h('p', {}, 'Looking through older states …')];
    if (this.history.rows.length) {
      return [h('p', {}, `Nothing found for “${this.text}”.`), button('Show all', () => this.search(''))];
    }
    if (this.asleep !== null) return [];
    const { firstTry } = this.options;
    return [
      h('p', {}, h('strong', {}, 'No states yet.')),
      h('p', {}, 'After each cell that you run, the state of your variables is kept here.'),
      h('p', {}, 'Was a cell a mistake? Undo brings the variables back as they were before it.'),
      h('p', {}, 'You can go to any state, and back again: no state is lost.'),
      firstTry && button(...firstTry, { primary: true }),
    ];
  }

  // -- searching

  /** Shows what is found; `fill` writes the text into the field, too. */
  search(text, fill = true) {
    if (fill) this.field.value = text;
    this.text = text.trim();
    this.list.element.scrollTop = 0;
    this.render();
    if (!this.text) this.list.reveal(this.selection.selected);
    if (this.history.isWhole) this.notices.say(this.text ? `${this.list.items.length} found` : 'All states');
  }

  focusSearch() {
    this.field.focus();
    this.field.select();
  }

  togglePictures() {
    this.showPictures(!this.list.showsPictures);
    this.options.onPictures?.(this.list.showsPictures);
  }

  /** Whether the rows show the plots of their cells. */
  showPictures(isWanted) {
    this.list.showsPictures = isWanted;
    this.list.draw();
  }

  toggleLineage() {
    this.onlyLineage = !this.onlyLineage;
    this.render();
  }

  // -- keys

  key(event) {
    const action = panelAction(event, {
      comparing: this.selection.comparing,
      detailsShown: this.details.shown !== null,
      searching: this.text !== '',
      inField: event.target.closest('input, textarea') !== null,
    });
    if (action === null) return;
    if (action === 'endComparing') this.choosing.toggleComparing();
    else if (action === 'closeDetails') this.choosing.closeDetails();
    else if (action === 'clearSearch') this.search('');
    else (event.preventDefault(), this.focusSearch());
    event.stopPropagation();
  }
}
