/**
 * The timeline of a notebook: its checkpoints as a graph, newest first, and the buttons that travel along it.
 *
 * One module without a build step: the widget of `%kishu panel` and the sidebar of JupyterLab mount it on an element and
 * give it a transport (`timeline.d.ts`). It keeps nothing that the kernel does not know.
 *
 * Law: what comes from the store is set as text, never as HTML. HTML that a cell displayed is shown in a frame in which
 * no script runs and which loads nothing. Nothing is re-run or lost by a click before the plan was shown.
 */

const ROW = 48; // pixels; the stylesheet has the same
const OVERSCAN = 6;
const WIDE = 640;
const TEXT_LIMIT = 20000;
const SVG = 'http://www.w3.org/2000/svg';
const RESULT = /^_\d+$/; // what a cell displayed: every other cell has one

export function mount(element, transport, options = {}) {
  const panel = new Panel(element, transport, options);
  panel.start();
  return {
    refresh: () => panel.refresh(true),
    focusSearch: () => panel.focusSearch(),
    destroy: () => panel.destroy(),
  };
}

// -- words ------------------------------------------------------------------------------------------------------

function size(bytes) {
  let amount = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (amount < 1000 || unit === 'GB') {
      return `${amount.toFixed(unit === 'B' || amount >= 100 ? 0 : 1)} ${unit}`;
    }
    amount /= 1000;
  }
}

function lasting(seconds) {
  if (seconds < 0.0995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function ago(timestamp) {
  const then = new Date(timestamp);
  const seconds = (Date.now() - then) / 1000;
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 8 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  const clock = then.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  if (then.toDateString() === new Date().toDateString()) return clock;
  return `${then.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${clock}`;
}

const counted = (number, what) => `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;

function listed(words, most = 6) {
  const more = words.length - most;
  return words.slice(0, most).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const firstLine = (code) => code.split('\n').find((line) => line.trim() && !line.trim().startsWith('#')) ?? code.trim();

function cellName(checkpoint) {
  if (checkpoint.execution_count !== null) return `In [${checkpoint.execution_count}]`;
  return checkpoint.code ? 'cell' : 'state';
}

function headline(checkpoint) {
  if (checkpoint.code.trim()) return firstLine(checkpoint.code).trim();
  return checkpoint.message ? 'kept by hand' : 'changed between two cells';
}

function changes(checkpoint) {
  return [
    ...checkpoint.created.map((name) => ['created', name]),
    ...checkpoint.modified.map((name) => ['modified', name]),
    ...checkpoint.deleted.map((name) => ['deleted', name]),
  ].filter(([, name]) => !RESULT.test(name));
}

/** The type of a variable, where its summary does not begin with it. */
function type(variable) {
  const short = variable.type.split('.').pop();
  return variable.summary.startsWith(short) ? null : h('span.type', {}, short);
}

const SIGNS = { created: '+', modified: '~', deleted: '−' };
const joined = (text) => (Array.isArray(text) ? text.join('') : String(text ?? ''));
const withoutColours = (text) => text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '');

function cut(text) {
  const more = text.length - TEXT_LIMIT;
  return more > 0 ? `${text.slice(0, TEXT_LIMIT)}\n… and ${counted(more, 'more character')}` : text;
}

// -- elements ---------------------------------------------------------------------------------------------------

/** An element. Strings among the children become text, never HTML. */
function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const made = document.createElement(name);
  if (classes.length) made.className = classes.map((each) => `kishu-${each}`).join(' ');
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const ICONS = {
  undo: 'M6 3 2.5 6.5 6 10 M2.5 6.5 H9.5 A3.75 3.75 0 0 1 9.5 14 H6.5',
  redo: 'M10 3 13.5 6.5 10 10 M13.5 6.5 H6.5 A3.75 3.75 0 0 0 6.5 14 H9.5',
  search: 'M7 2.5 A4.5 4.5 0 1 0 7 11.5 A4.5 4.5 0 1 0 7 2.5 M10.4 10.4 14 14',
  compare: 'M2 3 H7 V13 H2 Z M9 3 H14 V13 H9 Z',
  more: 'M3.5 8 h.01 M8 8 h.01 M12.5 8 h.01',
  branch: 'M5 5 V11 M5 9.5 C5 7.5 11 9 11 5.5 M5 2.6 a1.4 1.4 0 1 0 .01 0 M5 10.8 a1.4 1.4 0 1 0 .01 0 M11 2.8 a1.4 1.4 0 1 0 .01 0',
  tag: 'M2.5 2.5 H8 L13.5 8 8 13.5 2.5 8 Z M5.3 5.3 h.01',
  close: 'M4 4 12 12 M12 4 4 12',
  swap: 'M3 5.5 H13 L10.5 3 M13 10.5 H3 L5.5 13',
};

function icon(name) {
  const svg = drawn('svg', { viewBox: '0 0 16 16', class: 'kishu-icon', 'aria-hidden': 'true' });
  svg.append(drawn('path', { d: ICONS[name] }));
  return svg;
}

function button(label, onclick, { image, primary, iconOnly, ...attributes } = {}) {
  const kind = `button.button${primary ? '.primary' : ''}${iconOnly ? '.bare' : ''}`;
  const shown = [image && icon(image), iconOnly ? null : h('span', {}, label)];
  const named = iconOnly ? { 'aria-label': label, title: label } : {};
  return h(kind, { type: 'button', onclick, ...named, ...attributes }, shown);
}

const KEYWORDS = new Set(
  ('and as assert async await break class continue def del elif else except False finally for from global if import in ' +
    'is lambda match None nonlocal not or pass raise return True try while with yield').split(' ')
);
const TOKENS =
  /(#[^\n]*)|((?:\b[rbfuRBFU]{1,2})?(?:'''[\s\S]*?(?:'''|$)|"""[\s\S]*?(?:"""|$)|'(?:\\.|[^'\\\n])*'?|"(?:\\.|[^"\\\n])*"?))|(\b\d[\w.]*)|([A-Za-z_]\w*)/g;

/** Python with a little colour. */
function highlighted(code) {
  const parts = [];
  let at = 0;
  for (const found of code.matchAll(TOKENS)) {
    const [text, comment, string, number, word] = found;
    const kind = comment ? 'comment' : string ? 'string' : number ? 'number' : KEYWORDS.has(word) ? 'keyword' : null;
    if (!kind) continue;
    parts.push(code.slice(at, found.index), h(`span.${kind}`, {}, text));
    at = found.index + text.length;
  }
  parts.push(code.slice(at));
  return h('pre.code', { tabindex: '0', 'aria-label': 'Code' }, h('code', {}, parts));
}

/** The line with the text that was searched for marked. */
function marked(line, text) {
  const at = text ? line.toLowerCase().indexOf(text.toLowerCase()) : -1;
  if (at < 0) return [line];
  return [line.slice(0, at), h('mark', {}, line.slice(at, at + text.length)), line.slice(at + text.length)];
}

// -- outputs ----------------------------------------------------------------------------------------------------

const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];

function output(each, root) {
  if (each.output_type === 'stream') return plain(joined(each.text), each.name === 'stderr' ? '.stderr' : '');
  if (each.output_type === 'error') {
    const trace = each.traceback?.length ? each.traceback.join('\n') : `${each.ename}: ${each.evalue}`;
    return plain(trace, '.stderr');
  }
  const data = each.data ?? {};
  const image = IMAGES.find((type) => data[type]);
  if (image) return h('img', { src: `data:${image};base64,${joined(data[image]).replace(/\s/g, '')}`, alt: alternative(data) });
  if (data['image/svg+xml']) {
    const source = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(joined(data['image/svg+xml']))}`;
    return h('img', { src: source, alt: alternative(data) }); // in an image no script runs
  }
  if (data['text/html']) return framed(joined(data['text/html']), root, joined(data['text/plain']));
  for (const type of ['text/markdown', 'text/latex', 'text/plain']) {
    if (data[type]) return plain(joined(data[type]));
  }
  if (data['application/json']) return plain(JSON.stringify(data['application/json'], null, 2));
  return h('p.quiet', {}, `An output of type ${Object.keys(data).join(', ') || 'unknown'}.`);
}

/** A sentence in which commands stand between backticks. */
const withCode = (text) => text.split('`').map((part, index) => (index % 2 ? h('code', {}, part) : part));

const alternative = (data) => joined(data['text/plain']) || 'image that the cell displayed';

function plain(text, kind = '') {
  return h(`pre.output${kind}`, { tabindex: '0', 'aria-label': 'Output' }, cut(withoutColours(text)));
}

/** HTML of a cell, where it can do nothing: no script, no origin, no network. */
function framed(html, root, text) {
  const inert = new DOMParser().parseFromString(html, 'text/html'); // runs and loads nothing
  for (const each of inert.querySelectorAll('script, style, meta, link, base')) each.remove();
  const rows = inert.querySelectorAll('tr').length;
  const words = inert.body.textContent.trim();
  if (!words && !inert.querySelector('img, svg, table, hr')) {
    return text ? plain(text) : h('p.quiet', {}, 'An interactive output; its scripts do not run here.');
  }
  const style = getComputedStyle(root);
  const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:";
  const look =
    `html{color-scheme:${isDark(style.backgroundColor) ? 'dark' : 'light'}}` +
    `body{margin:4px;font:12px/1.4 system-ui,sans-serif;color:${style.color};background:${style.backgroundColor}}` +
    'table{border-collapse:collapse;border:0}th,td{padding:3px 8px;text-align:right;border:0}' +
    'thead{border-bottom:1px solid #8886}tr:nth-child(even){background:#8881}p{margin:6px 0}img,svg{max-width:100%}';
  const srcdoc =
    `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">` +
    `<style>${look}</style>${html}`;
  const height = Math.min(320, 16 + Math.max(rows * 25 + (words.length > rows * 10 ? 24 : 0), words.split('\n').length * 8));
  return h('iframe', { sandbox: '', srcdoc, title: 'Output of the cell', style: `height:${Math.max(56, height)}px` });
}

function isDark(colour) {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? ['255', '255', '255']).map(Number);
  return red * 0.3 + green * 0.59 + blue * 0.11 < 128;
}

// -- what is known of the history ---------------------------------------------------------------------------------

class History {
  constructor(request) {
    this.request = request;
    this.rows = []; // {checkpoint, lane, links}, newest first
    this.at = new Map(); // id -> index
    this.way = new Set(); // ids from the head to the root
    this.head = null;
    this.branch = null;
    this.width = 1;
  }

  /** Brings it up to date; reads everything only where it did not merely grow. */
  async update(anew) {
    if (!anew && this.rows.length && ((await this.same()) || (await this.grown()))) return;
    const log = await this.request({ operation: 'log', all: true, limit: 0, graph: true });
    this.rows = log.checkpoints.map((checkpoint, index) => ({ checkpoint, ...log.graph.rows[index] }));
    this.width = Math.max(1, log.graph.width);
    this.settle(log);
  }

  async same() {
    const { head, branch, latest } = await this.request({ operation: 'status' });
    return head === this.head && branch === this.branch && (!latest || this.at.has(latest));
  }

  async grown() {
    const top = this.rows[0].checkpoint;
    if (this.head !== top.id) return false;
    let log;
    try {
      log = await this.request({ operation: 'log', all: true, limit: 0, since: top.id });
    } catch {
      return false; // another store
    }
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
    this.head = log.head;
    this.branch = log.branch;
    this.at = new Map(this.rows.map((row, index) => [row.checkpoint.id, index]));
    this.way = new Set();
    for (let id = log.head; id && !this.way.has(id); id = this.get(id)?.parent) this.way.add(id);
  }

  get(id) {
    return this.rows[this.at.get(id)]?.checkpoint;
  }

  /** What a search leaves, with the line in which it was found. */
  found(text, onlyWay) {
    const variable = text.match(/^variable:(\S+)$/)?.[1];
    const wanted = text.toLowerCase();
    const items = [];
    for (const row of this.rows) {
      const each = row.checkpoint;
      if (onlyWay && !this.way.has(each.id)) continue;
      if (variable) {
        if (changes(each).some(([, name]) => name === variable)) items.push({ row, text: variable });
        continue;
      }
      const hint = wanted && place(each, wanted);
      if (hint !== null) items.push({ row, hint, text });
    }
    return items;
  }
}

/** Where the text occurs: null if nowhere, '' if where the row shows it anyhow. */
function place(each, wanted) {
  const has = (text) => text.toLowerCase().includes(wanted);
  if (has(headline(each)) || has(cellName(each))) return '';
  if ([...each.branches, ...each.tags, ...(each.message ? [each.message] : [])].some(has)) return '';
  const line = each.code.split('\n').find(has);
  if (line) return line.trim();
  return changes(each).some(([, name]) => has(name)) ? '' : null;
}

// -- the list -----------------------------------------------------------------------------------------------------

/** Draws the rows that are visible, and the graph beside them. */
class List {
  constructor(history, chosen, opened) {
    this.history = history;
    this.items = [];
    this.index = new Map();
    this.nodes = new Map();
    this.selected = null;
    this.first = null; // of two that are compared
    this.plain = true; // everything is shown, so that lines can be drawn
    this.prefix = `kishu-${Math.random().toString(36).slice(2)}`;
    this.graph = drawn('svg', { class: 'kishu-graph', 'aria-hidden': 'true' });
    this.space = h('div.space', { role: 'presentation' }, this.graph);
    this.element = h('div.list', {
      role: 'listbox',
      tabindex: '0',
      'aria-label': 'States of the notebook, newest first',
      onscroll: () => this.later(),
      onclick: (event) => {
        const id = event.target.closest('.kishu-row')?.dataset.id;
        if (id) chosen(id);
      },
      onkeydown: (event) => this.key(event, chosen, opened),
    }, this.space);
  }

  show(items, isPlain) {
    const anchor = this.element.scrollTop > 0 ? this.items[Math.floor(this.element.scrollTop / ROW)]?.row.checkpoint.id : null;
    const offset = this.element.scrollTop % ROW;
    this.items = items;
    this.plain = isPlain;
    this.index = new Map(items.map((item, index) => [item.row.checkpoint.id, index]));
    this.space.style.height = `${items.length * ROW}px`;
    if (anchor && this.index.has(anchor)) this.element.scrollTop = this.index.get(anchor) * ROW + offset;
    this.draw();
  }

  later() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  key(event, chosen, opened) {
    if (!this.items.length) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 1);
    const at = this.index.get(this.selected) ?? -1;
    const last = this.items.length - 1;
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: last };
    if (event.key in steps && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const id = this.items[Math.min(last, Math.max(0, steps[event.key]))].row.checkpoint.id;
      chosen(id, true);
      this.reveal(id);
    } else if (event.key === 'Enter' && this.selected) opened(this.selected);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  reveal(id) {
    const index = this.index.get(id);
    if (index === undefined) return;
    const { scrollTop, clientHeight } = this.element;
    if (index * ROW < scrollTop) this.element.scrollTop = index * ROW;
    else if ((index + 1) * ROW > scrollTop + clientHeight) this.element.scrollTop = (index + 1) * ROW - clientHeight;
    this.draw();
  }

  draw() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - OVERSCAN);
    const last = Math.min(this.items.length - 1, Math.ceil((scrollTop + clientHeight) / ROW) + OVERSCAN);
    const kept = new Map();
    for (let index = first; index <= last; index++) {
      const item = this.items[index];
      const id = item.row.checkpoint.id;
      const key = this.keyOf(item, index);
      let node = this.nodes.get(id);
      if (node?.item !== item.row.checkpoint || node.key !== key) {
        const fresh = { item: item.row.checkpoint, key, element: this.row(item, index) };
        if (node) node.element.replaceWith(fresh.element);
        else this.space.append(fresh.element);
        node = fresh;
      }
      node.element.style.top = `${index * ROW}px`;
      kept.set(id, node);
    }
    for (const [id, node] of this.nodes) if (!kept.has(id)) node.element.remove();
    this.nodes = kept;
    this.drawGraph(first, last);
    if (kept.has(this.selected)) this.element.setAttribute('aria-activedescendant', this.domId(this.selected));
    else this.element.removeAttribute('aria-activedescendant');
  }

  domId(id) {
    return `${this.prefix}-${id}`;
  }

  keyOf(item, index) {
    const { id, timestamp, branches, tags } = item.row.checkpoint;
    const { head, way } = this.history;
    const marks = [id === head, way.has(id), id === this.selected, id === this.first, this.beginsSession(index)];
    return [...marks, ...branches, ...tags, index, this.items.length, this.left(), ago(timestamp), item.hint, item.text].join('|');
  }

  beginsSession(index) {
    const session = this.items[index].row.checkpoint.session;
    return this.plain && index > 0 && this.items[index - 1].row.checkpoint.session !== session;
  }

  row(item, index) {
    const each = item.row.checkpoint;
    const isHead = each.id === this.history.head;
    const classes = ['row'];
    if (isHead) classes.push('head');
    if (!this.history.way.has(each.id)) classes.push('aside');
    if (each.id === this.selected) classes.push('selected');
    if (each.id === this.first) classes.push('first');
    const meta = [each.payload_bytes ? size(each.payload_bytes) : null, each.duration ? lasting(each.duration) : null];
    return h(
      `div.${classes.join('.')}`,
      {
        role: 'option',
        id: this.domId(each.id),
        'data-id': each.id,
        'aria-selected': String(each.id === this.selected),
        'aria-setsize': this.items.length,
        'aria-posinset': index + 1,
        'aria-label': spoken(each, isHead, this.history.way.has(each.id)),
        style: `padding-left:${this.left()}px`,
      },
      h('div.line', {},
        h('span.in', {}, cellName(each)),
        h(`span.headline${each.code ? '' : '.quiet'}`, {}, marked(headline(each), item.text)),
        h('span.when', { title: new Date(each.timestamp).toLocaleString() }, ago(each.timestamp))),
      h('div.line', {},
        isHead ? h('span.here', {}, 'you are here') : null,
        labels(each, this.history.branch),
        each.status === 'ok' ? null : h(`span.chip.${each.status}`, {}, each.status === 'error' ? each.error || 'error' : each.status),
        item.hint ? h('span.hint', {}, marked(item.hint, item.text)) : chips(each, item.text),
        each.message ? h('span.message', {}, marked(each.message, item.text)) : null,
        this.beginsSession(index) ? h('span.quiet.session', {}, 'another session') : null,
        h('span.meta', {}, meta.filter(Boolean).join(' · '))));
  }

  // -- the graph

  gap() {
    return this.history.width < 2 ? 14 : Math.min(14, 104 / (this.history.width - 1));
  }

  left() {
    return 30 + (this.history.width - 1) * this.gap();
  }

  drawGraph(first, last) {
    const { head, way } = this.history;
    const x = (lane) => 16 + lane * this.gap();
    const y = (index) => (index - first) * ROW + ROW / 2;
    const parts = [];
    this.graph.style.top = `${first * ROW}px`;
    this.graph.setAttribute('width', this.left());
    this.graph.setAttribute('height', Math.max(0, last - first + 1) * ROW);
    for (let index = Math.max(0, first - 1); this.plain && index <= last; index++) {
      for (const [from, to] of this.items[index].row.links) {
        const [top, bottom, middle] = [y(index), y(index + 1), y(index) + ROW / 2];
        const bend = from === to ? `L${x(to)} ${bottom}` : `C${x(from)} ${middle + 8} ${x(to)} ${middle - 8} ${x(to)} ${bottom}`;
        parts.push(drawn('path', { d: `M${x(from)} ${top} ${bend}`, class: `kishu-link ${this.lane(from)}` }));
      }
    }
    for (let index = first; index <= last; index++) {
      const { checkpoint, lane } = this.items[index].row;
      const at = { cx: x(lane), cy: y(index) };
      const colour = this.lane(lane);
      const failed = checkpoint.status === 'ok' ? '' : ' kishu-failed';
      if (checkpoint.id === head) {
        parts.push(drawn('circle', { ...at, r: 8, class: `kishu-ring ${colour}` }), drawn('circle', { ...at, r: 4, class: `kishu-dot ${colour}` }));
      } else {
        parts.push(drawn('circle', { ...at, r: 4.5, class: `kishu-dot ${colour}${way.has(checkpoint.id) ? '' : ' kishu-off'}${failed}` }));
      }
    }
    this.graph.replaceChildren(...parts);
  }

  lane(number) {
    return this.history.head !== null && number === 0 ? 'kishu-lane-way' : `kishu-lane-${number % 6}`;
  }
}

function labels(each, current) {
  return [
    ...each.branches.map((name) => h(`span.label.branch${name === current ? '.current' : ''}`, { title: `branch ${name}` }, icon('branch'), name)),
    ...each.tags.map((name) => h('span.label.tag', { title: `tag ${name}` }, icon('tag'), name)),
  ];
}

function chips(each, text, most = 6) {
  const all = changes(each);
  const lost = each.not_stored.flatMap((one) => one.names).filter((name) => !RESULT.test(name));
  return h('span.chips', {},
    all.length || each.status !== 'ok' ? null : h('span.quiet', {}, each.incomplete ? 'kept with the next cell' : 'no variable changed'),
    all.slice(0, most).map(([how, name]) => h(`span.chip.${how}`, { title: `${how}: ${name}` }, h('b', {}, SIGNS[how]), marked(name, text))),
    all.length > most ? h('span.quiet', {}, `and ${all.length - most} more`) : null,
    lost.length ? h('span.chip.lost', { title: 'comes back by re-running its cell' }, `not stored: ${listed(lost, 3)}`) : null);
}

function spoken(each, isHead, onWay) {
  const said = [cellName(each), headline(each)];
  if (isHead) said.push('you are here');
  else if (!onWay) said.push('not part of the present state');
  if (each.status !== 'ok') said.push(each.status);
  for (const how of ['created', 'modified', 'deleted']) {
    const names = changes(each).filter(([kind]) => kind === how).map(([, name]) => name);
    if (names.length) said.push(`${how} ${listed(names)}`);
  }
  said.push(...each.branches.map((name) => `branch ${name}`), ...each.tags.map((name) => `tag ${name}`));
  if (each.message) said.push(each.message);
  said.push(ago(each.timestamp));
  return said.join(', ');
}

// -- messages, questions, progress ----------------------------------------------------------------------------------

/** One place for what is said and asked. */
class Notices {
  constructor() {
    this.element = h('div.notices');
    this.live = h('div.unseen', { role: 'status', 'aria-live': 'polite' });
    this.bar = h('div.bar', {}, h('div.filled'));
    this.working = h('div.working', { hidden: true, role: 'presentation' }, h('span', {}), this.bar);
    this.place = h('div');
    this.element.append(this.working, this.place);
    this.ended = () => {};
  }

  say(text) {
    this.live.textContent = text;
  }

  clear() {
    this.ended();
    this.place.replaceChildren();
  }

  /** Takes back a sentence of this kind, if it is what is said last. */
  withdraw(kind) {
    if (this.place.firstChild?.classList.contains(`kishu-${kind}`)) this.clear();
  }

  /** A sentence, with what can be done about it. */
  tell(kind, title, lines = [], actions = []) {
    this.clear();
    const close = button('Dismiss', () => this.clear(), { image: 'close', iconOnly: true });
    const body = h('div.told', {}, h('p', {}, h('strong', {}, title)), lines.map((line) => h('p', {}, line)));
    this.place.append(h(`div.notice.${kind}`, kind === 'error' ? { role: 'alert' } : {}, body,
      actions.map(([label, act]) => button(label, () => (this.clear(), act()))), close));
    if (kind !== 'error') this.say([title, ...lines].join(' '));
  }

  /** Asks, and resolves with what was chosen; with null where nothing was. */
  ask(title, body, choices, role = 'alertdialog') {
    this.clear();
    const before = document.activeElement;
    return new Promise((resolve) => {
      this.ended = () => {
        this.ended = () => {};
        this.place.replaceChildren();
        if (before?.isConnected) before.focus();
        resolve(null);
      };
      const choose = (value) => {
        const end = this.ended;
        resolve(value);
        end();
      };
      const cancel = button('Cancel', () => choose(null));
      const box = h('div.notice.question', {
        role, 'aria-label': title,
        onkeydown: (event) => {
          if (event.key === 'Escape') choose(null);
          else if (event.key === 'Enter' && event.target.localName === 'input') choose(choices[0][1]());
          else return;
          event.preventDefault();
          event.stopPropagation();
        },
      },
        h('div.told', {}, h('p', {}, h('strong', {}, title)), body),
        h('div.choices', {},
          choices.map(([label, value], index) => button(label, () => choose(value()), { primary: !index })),
          cancel));
      this.place.append(box);
      (box.querySelector('input') ?? cancel).focus();
    });
  }

  /** Asks for a word. */
  name(title, label, value = '') {
    const input = h('input.field', { type: 'text', 'aria-label': label, placeholder: label, value, spellcheck: 'false' });
    return this.ask(title, input, [['OK', () => input.value.trim() || null]], 'dialog');
  }

  /** What is under way; null: nothing is. */
  work(text, progress) {
    this.working.hidden = text === null;
    if (text === null) return;
    let done = null;
    let said = text;
    if (progress) {
      said = progress.what === 're-running' ? `Re-running cell ${progress.step} of ${progress.steps}` : `Bringing back ${size(progress.done_bytes)} of ${size(progress.total_bytes)}`;
      if (progress.seconds_left !== null) said += `, about ${lasting(Math.max(1, Math.round(progress.seconds_left)))} left`;
      done = progress.what === 're-running' ? (progress.step - 0.5) / progress.steps : progress.done_bytes / Math.max(1, progress.total_bytes);
    }
    this.working.firstChild.textContent = said;
    this.bar.classList.toggle('kishu-endless', done === null);
    this.bar.firstChild.style.width = done === null ? '' : `${Math.round(done * 100)}%`;
  }
}

/** The plan, as far as a person must know it before it is carried out; null if there is nothing to ask. */
function consequences(plan) {
  const seconds = plan.replay.reduce((sum, step) => sum + step.seconds, 0);
  const effects = plan.replay.some((step) => step.side_effects.length);
  if (!plan.lost.length && !effects && seconds < 5) return null;
  const parts = [];
  if (plan.replay.length) {
    parts.push(h('p', {}, `${counted(plan.replay.length, 'cell')} must be re-run (${lasting(seconds)} when first run):`));
    parts.push(h('ul', {}, plan.replay.map((step) => h('li', {},
      h('code', {}, firstLine(step.code)),
      step.gives.length ? ` gives ${listed(step.gives)}` : '',
      step.side_effects.map((effect) => h('span.chip.lost', {}, effect))))));
  }
  if (plan.lost.length) {
    parts.push(h('p', {}, 'These cannot be brought back:'));
    parts.push(h('ul', {}, plan.lost.map((lost) => h('li', {}, h('code', {}, lost.names.join(', ') || 'other variables'), `: ${lost.reason}`))));
  }
  return h('div', {}, parts);
}

function done(plan, seconds) {
  const names = (steps, key) => [...new Set(steps.flatMap((step) => step[key]))].filter((name) => !RESULT.test(name));
  const loaded = names(plan.load, 'names');
  const parts = [
    loaded.length && `Brought back ${listed(loaded)} (${size(plan.load.reduce((sum, step) => sum + step.bytes, 0))})`,
    plan.replay.length && `re-ran ${counted(plan.replay.length, 'cell')} for ${listed(names(plan.replay, 'gives'))}`,
    plan.delete.some((name) => !RESULT.test(name)) && `removed ${listed(plan.delete.filter((name) => !RESULT.test(name)))}`,
    plan.ambient.length && `set ${listed(plan.ambient)}`,
    plan.lost.length && `went without ${listed(names(plan.lost, 'names')) || 'other variables'}`,
  ].filter(Boolean);
  const said = parts.length ? parts.join('; ') : 'no variable had to change';
  return `${said[0].toUpperCase()}${said.slice(1)}, in ${lasting(seconds)}.`;
}

// -- one state, or the difference of two ------------------------------------------------------------------------------

class Details {
  constructor(panel) {
    this.panel = panel;
    this.shown = null; // an id, or "a..b"
    this.element = h('section.details', { 'aria-label': 'Details', hidden: true, tabindex: '-1', onkeydown: (event) => {
      if (event.key === 'Escape') (event.stopPropagation(), panel.closeDetails());
    } });
  }

  close() {
    this.shown = null;
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  open(key, ...content) {
    const scrolled = this.shown === key ? this.element.scrollTop : 0;
    const held = this.element.contains(document.activeElement) && document.activeElement.textContent;
    this.shown = key;
    this.element.hidden = false;
    const close = button('Close details', () => this.panel.closeDetails(), { image: 'close', iconOnly: true });
    this.element.replaceChildren(close, ...content);
    this.element.scrollTop = scrolled;
    if (held !== false) {
      const same = [...this.element.querySelectorAll('button')].find((each) => each.textContent === held);
      (same ?? this.element).focus();
    }
  }

  /** Shows a state anew if what is shown of it is not what it was. */
  update(id = this.shown) {
    if (this.panel.history.at.has(id) && (id !== this.shown || this.looks !== this.appearance(id))) this.show(id);
  }

  appearance(id) {
    const { history } = this.panel;
    const { branches, tags, message, written_bytes: written } = history.get(id);
    return JSON.stringify([id === history.head, history.branch, branches, tags, message, written]);
  }

  async show(id) {
    const known = this.panel.history.get(id);
    if (!known) return this.close();
    this.looks = this.appearance(id);
    if (this.shown !== id) this.open(id, this.heading(known), h('div'));
    const reply = await this.panel.ask({ operation: 'show', target: id }, () => this.shown === id);
    if (reply && this.shown === id) this.open(id, this.heading({ ...known, ...reply.checkpoint }), this.state(reply));
  }

  heading(each) {
    const { history } = this.panel;
    const isHead = each.id === history.head;
    const facts = [ago(each.timestamp), each.duration ? `took ${lasting(each.duration)}` : null, each.payload_bytes ? size(each.payload_bytes) : null];
    return h('header', {},
      h('h3', {}, cellName(each), ' ', each.status === 'ok' ? null : h(`span.chip.${each.status}`, {}, each.error || each.status), labels(each, history.branch)),
      h('p.quiet', { title: new Date(each.timestamp).toLocaleString() }, facts.filter(Boolean).join(' · '), ' · ', h('code', { title: 'the id of this state' }, each.id.slice(0, 8))),
      each.message ? h('p.message', {}, each.message) : null,
      h('div.actions', {},
        isHead
          ? h('span.here', {}, 'you are here')
          : button('Go here', () => this.panel.goTo(each), { primary: true, title: 'Bring the variables back as they were after this cell' }),
        isHead ? null : button('Compare', () => this.panel.compare(each.id, history.head), { title: 'What is different now' }),
        button('Branch', () => this.panel.nameState('branch', each), { image: 'branch', title: 'Give a line of work a name' }),
        button('Tag', () => this.panel.nameState('tag', each), { image: 'tag', title: 'Give this state a name' })));
  }

  state({ checkpoint, outputs, outputs_note: note, variables }) {
    const changed = new Map(changes(checkpoint).map(([how, name]) => [name, how]));
    const order = (each) => (changed.has(each.name) ? 0 : RESULT.test(each.name) ? 3 : each.type === 'module' ? 2 : 1);
    const sorted = [...variables].sort((one, other) => order(one) - order(other));
    return h('div', {},
      checkpoint.code.trim() ? highlighted(checkpoint.code.trimEnd()) : null,
      checkpoint.incomplete ? h('p.quiet', {}, 'What this cell changed was kept with the next one.') : null,
      checkpoint.not_stored.map((each) => h('p.note', {}, h('code', {}, each.names.join(', ')), ` not stored: ${each.reason}`)),
      changed.size ? chips({ ...checkpoint, not_stored: [] }, '', 40) : null,
      note ? [h('h4', {}, 'Output'), h('p.note', {}, withCode(note))] : outputs.length ? h('h4', {}, 'Output') : null,
      outputs.length ? h('div.outputs', {}, outputs.map((each) => output(each, this.panel.root))) : null,
      h('h4', {}, variables.length ? `Variables (${variables.length})` : 'No variables yet'),
      variables.length ? this.table(sorted, changed) : null);
  }

  table(variables, changed) {
    return h('table.variables', { 'aria-label': 'Variables: name, value, size' },
      h('colgroup', {}, h('col.name'), h('col'), h('col.bytes')),
      h('tbody', {}, variables.map((each) => h(`tr${changed.has(each.name) ? `.${changed.get(each.name)}` : ''}`, {},
        h('th', { scope: 'row' },
          button(each.name, () => this.panel.search(`variable:${each.name}`), { title: `When did ${each.name} change?` })),
        h('td.value', { title: `${each.type}: ${each.summary}` }, type(each), each.summary),
        h('td.size', {}, each.stored ? size(each.bytes) : h('span.chip.lost', { title: 'comes back by re-running its cell' }, 'not stored'))))));
  }

  /** What is different in the second of two states. First the names, then, when the kernel is free, the values. */
  async compare(before, after) {
    const key = `${before}..${after}`;
    const { history } = this.panel;
    const request = { operation: 'diff', base: before, target: after };
    const title = (id) => [cellName(history.get(id)), id === history.head ? ' (you are here)' : ''];
    const header = () => h('header', {},
      h('h3', {}, 'From ', title(before), ' to ', title(after)),
      h('div.actions', {}, button('Swap', () => this.panel.compare(after, before), { image: 'swap' })));
    this.open(key, header(), h('p.quiet', {}, 'Comparing …'));
    for (const values of [false, true]) {
      const reply = await this.panel.ask({ ...request, values }, () => this.shown === key);
      if (!reply || this.shown !== key) return;
      this.open(key, header(), this.difference(reply, values));
      if (!reply.modified.length) return;
    }
  }

  difference(reply, complete) {
    const kinds = new Map(['created', 'modified', 'deleted'].flatMap((how) => reply[how].map((name) => [name, how])));
    const details = reply.details.filter((each) => !RESULT.test(each.name));
    if (!details.length) return h('p.quiet', {}, 'No variable differs.');
    return h('div', {}, details.map((each) => {
      const how = kinds.get(each.name);
      return h('article.difference', {},
        h('h4', {}, h(`span.chip.${how}`, {}, h('b', {}, SIGNS[how]), each.name), ' ', h('span.quiet', {}, how)),
        h('div.sides', {},
          each.before === null ? null : h('div.side.before', { title: 'before' }, each.before),
          each.after === null ? null : h('div.side.after', { title: 'after' }, each.after)),
        each.change ? this.change(each.change) : how === 'modified' && !complete ? h('p.quiet', {}, 'Loading the values …') : null);
    }));
  }

  change({ aspects, cells, note }) {
    const table = (heads, lines) => h('table.change', {},
      h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))),
      h('tbody', {}, lines.map((line) => h('tr', {}, line.map((text, index) => (index ? h('td', {}, text) : h('th', { scope: 'row' }, text)))))));
    return [
      aspects.length ? table(['', 'before', 'after'], aspects.map((each) => [each.aspect, each.before, each.after])) : null,
      cells.length ? table(['row', 'column', 'before', 'after'], cells.map((each) => [each.row, each.column, each.before, each.after])) : null,
      note ? h('p.note', {}, note) : null,
    ];
  }
}

// -- the whole --------------------------------------------------------------------------------------------------------

class Panel {
  constructor(element, transport, options) {
    this.element = element;
    this.transport = transport;
    this.options = options;
    this.history = new History((content) => this.request(content));
    this.list = new List(this.history, (id, byKey) => this.choose(id, byKey), (id) => this.enter(id));
    this.details = new Details(this);
    this.notices = new Notices();
    this.text = '';
    this.onlyWay = false;
    this.comparing = false;
    this.follows = true; // the selection is the head's until a person selects
    this.busy = null; // what is under way
    this.root = this.built();
  }

  built() {
    this.field = h('input.search', {
      type: 'search', placeholder: 'Search code, names, tags', 'aria-label': 'Search all states', spellcheck: 'false',
      oninput: () => this.search(this.field.value, false),
      onkeydown: (event) => {
        if (event.key === 'ArrowDown' || event.key === 'Enter') (event.preventDefault(), this.list.element.focus(), this.pickFirst());
        else if (event.key === 'Escape') (event.stopPropagation(), this.search(''), this.list.element.focus());
      },
    });
    this.undo = button('Undo', () => this.travel({ operation: 'undo' }, 'Undoing'), { image: 'undo', title: 'Take back the last cell: the variables become what they were before it' });
    this.redo = button('Redo', () => this.travel({ operation: 'redo' }, 'Redoing'), { image: 'redo', title: 'Go forth again' });
    this.both = button('Compare', () => this.toggleCompare(), { image: 'compare', 'aria-pressed': 'false', title: 'Compare two states' });
    this.more = button('More', () => this.openMenu(), { image: 'more', iconOnly: true, 'aria-haspopup': 'menu', 'aria-expanded': 'false' });
    this.where = h('div.where');
    this.empty = h('div.empty', { hidden: true });
    return h(`div.timeline${this.options.fill ? '.fill' : ''}`, {
      role: 'region', 'aria-label': 'Timeline of this notebook',
      'data-lm-suppress-shortcuts': 'true', // JupyterLab: a key here is no command for the notebook
      onkeydown: (event) => this.key(event),
    },
      h('div.toolbar', { role: 'toolbar', 'aria-label': 'Timeline' }, this.undo, this.redo,
        h('label.finder', {}, icon('search'), this.field), this.both, this.more),
      this.where, this.notices.element,
      h('div.main', {}, h('div.left', {}, this.list.element, this.empty), this.details.element),
      this.notices.live);
  }

  start() {
    this.element.replaceChildren(this.root);
    this.unlisten = [
      this.transport.onChange((anew) => this.changed(anew)),
      this.transport.onProgress?.((progress) => this.busy && this.notices.work(this.busy, progress)),
    ];
    this.clock = setInterval(() => this.list.draw(), 30000);
    this.sizes = new ResizeObserver(() => {
      const wide = this.isWide();
      if (this.root.classList.toggle('kishu-wide', wide) !== this.wide) this.render();
      this.wide = wide;
      this.list.draw();
    });
    this.sizes.observe(this.root);
    this.sight = new IntersectionObserver(([{ isIntersecting }]) => {
      this.hidden = !isIntersecting;
      if (this.missed && isIntersecting) this.changed();
    }, { rootMargin: '100px' });
    this.sight.observe(this.root);
    this.refresh(true);
  }

  /** Who is not seen waits until they are: the kernel has better things to do. */
  changed(anew = false) {
    this.wanted ||= anew;
    this.missed = Boolean(this.hidden);
    if (!this.missed) this.refresh(false);
  }

  destroy() {
    this.gone = true;
    for (const end of this.unlisten) end?.();
    clearInterval(this.clock);
    this.sizes.disconnect();
    this.sight.disconnect();
    this.root.remove();
  }

  // -- asking the kernel

  async request(content) {
    const reply = await this.transport.request(content);
    if (reply.status !== 'ok') throw new Error(reply.evalue || reply.ename || 'the kernel refused');
    return reply;
  }

  /** The reply; null where it failed, and then the person is told, if they still wait for it. */
  async ask(content, stillWanted = () => true) {
    try {
      return await this.request(content);
    } catch (error) {
      if (!this.gone && stillWanted()) this.notices.tell('error', sentence(error.message));
      return null;
    }
  }

  /** One at a time; what changes meanwhile is seen by one more. */
  async refresh(anew) {
    this.wanted = anew || this.wanted || false;
    if (this.refreshing) {
      this.again = true;
      return this.refreshing;
    }
    this.refreshing = (async () => {
      do {
        const everything = this.wanted;
        this.again = this.wanted = false;
        try {
          await this.history.update(everything);
        } catch (error) {
          if (!this.gone) this.notices.tell('error', sentence(error.message), [], [['Try again', () => this.refresh(true)]]);
        }
        if (!this.gone) this.render();
      } while (this.again && !this.gone);
    })().finally(() => (this.refreshing = null));
    return this.refreshing;
  }

  // -- drawing

  render() {
    const { history, list } = this;
    const head = history.get(history.head);
    if (this.follows) list.selected = history.head;
    if (this.follows && this.isWide() && head) this.details.update(head.id);
    else if (this.follows) this.details.close();
    else this.details.update();
    if (this.arrivedAt !== undefined && this.arrivedAt !== history.head) {
      this.arrivedAt = undefined; // what was said of the travel holds no more
      this.notices.withdraw('done');
    }
    const items = history.found(this.text, this.onlyWay);
    list.show(items, !this.text && !this.onlyWay);
    this.undo.disabled = !head;
    this.both.disabled = history.rows.length < 2;
    this.where.replaceChildren(...this.whereabouts(head));
    this.empty.hidden = items.length > 0;
    this.empty.replaceChildren(...(history.rows.length
      ? [h('p', {}, `Nothing found for “${this.text}”.`), button('Show all', () => this.search(''))]
      : [h('p', {}, h('strong', {}, 'No states yet.')), h('p', {}, 'Run a cell. After each one the state of your variables is kept here, and you can go back to any of them.')]));
    list.element.hidden = !items.length;
  }

  whereabouts(head) {
    if (!this.history.rows.length) return [];
    const parts = head
      ? [h('span', {}, 'You are at'), h('strong', {}, cellName(head)), this.history.branch ? h('span.label.branch.current', {}, icon('branch'), this.history.branch) : null]
      : [h('span', {}, 'You are before the first cell')];
    const filtered = this.text || this.onlyWay ? `${this.list.items.length} of ` : '';
    return [...parts.filter(Boolean), h('span.quiet.count', {}, filtered + counted(this.history.rows.length, 'state'))];
  }

  isWide() {
    return this.root.clientWidth >= WIDE;
  }

  // -- choosing

  choose(id, byKey = false) {
    this.follows = false;
    if (this.comparing && !byKey) return this.enter(id);
    this.list.selected = id;
    this.list.draw();
    clearTimeout(this.later);
    if (!byKey || this.details.shown) {
      if (byKey) this.later = setTimeout(() => this.list.selected === id && this.details.show(id), 120);
      else this.details.show(id);
    }
  }

  enter(id) {
    clearTimeout(this.later);
    if (!this.comparing) return this.details.show(id);
    this.list.selected = id;
    if (this.list.first === null || this.list.first === id) {
      this.list.first = id;
      this.notices.tell('info', `Comparing ${cellName(this.history.get(id))}: choose the second state.`, [], [['Cancel', () => this.toggleCompare()]]);
      this.list.draw();
      return;
    }
    const [before, after] = [this.list.first, id].sort((one, other) => this.history.at.get(other) - this.history.at.get(one));
    this.toggleCompare();
    this.compare(before, after);
  }

  toggleCompare() {
    this.comparing = !this.comparing;
    this.list.first = null;
    this.both.setAttribute('aria-pressed', String(this.comparing));
    this.root.classList.toggle('kishu-comparing', this.comparing);
    this.list.draw();
    if (!this.comparing) this.notices.clear();
    else this.notices.tell('info', 'Choose the first of two states to compare.', [], [['Cancel', () => this.toggleCompare()]]);
  }

  compare(before, after) {
    this.follows = false;
    return this.details.compare(before, after);
  }

  closeDetails() {
    clearTimeout(this.later);
    this.details.close();
    this.list.element.focus();
  }

  pickFirst() {
    const [first] = this.list.items;
    if (first && !this.list.index.has(this.list.selected)) this.choose(first.row.checkpoint.id, true);
  }

  search(text, fill = true) {
    if (fill) this.field.value = text;
    this.text = text.trim();
    this.list.element.scrollTop = 0;
    this.render();
    if (!this.text) this.list.reveal(this.list.selected);
    this.notices.say(this.text ? `${this.list.items.length} found` : 'All states');
  }

  focusSearch() {
    this.field.focus();
    this.field.select();
  }

  key(event) {
    if (event.key === 'Escape' && this.comparing) this.toggleCompare();
    else if (event.key === 'Escape' && this.details.shown) this.closeDetails();
    else if (event.key === 'Escape' && this.text) this.search('');
    else if (event.key === '/' && !event.target.closest('input, textarea')) (event.preventDefault(), this.focusSearch());
    else return;
    event.stopPropagation();
  }

  openMenu() {
    if (this.menu) return this.closeMenu();
    const items = [
      ['Name the present state …', () => this.commit()],
      [this.onlyWay ? 'Show all branches' : 'Show only the way to here', () => ((this.onlyWay = !this.onlyWay), this.render())],
      ['Save the way to here as a notebook …', () => this.save()],
      ['Read everything anew', () => this.refresh(true)],
    ];
    const move = (event, step) => {
      const all = [...this.menu.children];
      all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
      event.preventDefault();
    };
    this.menu = h('div.menu', {
      role: 'menu', 'aria-label': 'More',
      onkeydown: (event) => {
        if (event.key === 'Escape') (event.stopPropagation(), this.closeMenu(), this.more.focus());
        else if (event.key === 'ArrowDown') move(event, 1);
        else if (event.key === 'ArrowUp') move(event, -1);
      },
      onfocusout: (event) => {
        const next = event.relatedTarget;
        if (this.menu && next !== this.more && !this.menu.contains(next)) this.closeMenu();
      },
    }, items.map(([label, act]) => h('button.item', { type: 'button', role: 'menuitem', onclick: () => (this.closeMenu(), act()) }, label)));
    this.more.setAttribute('aria-expanded', 'true');
    this.more.parentElement.append(this.menu);
    this.menu.firstChild.focus();
  }

  closeMenu() {
    const menu = this.menu;
    this.menu = null; // first: to remove it takes its focus
    menu?.remove();
    this.more.setAttribute('aria-expanded', 'false');
  }

  // -- acting

  /** Does one thing at a time. A word appears only where it takes a while. */
  async during(text, act) {
    if (this.busy) return null;
    this.busy = `${text} …`;
    this.root.setAttribute('aria-busy', 'true');
    const soon = setTimeout(() => this.notices.work(this.busy), 400);
    const late = setTimeout(() => this.notices.say('Waiting for the kernel'), 3000);
    try {
      return await act();
    } finally {
      clearTimeout(soon);
      clearTimeout(late);
      this.busy = null;
      this.root.removeAttribute('aria-busy');
      this.notices.work(null);
    }
  }

  /** Sends what changes the history, and shows it changed. */
  async change(text, content) {
    const reply = await this.during(text, () => this.ask(content));
    if (reply && !this.gone) await this.refresh(!reply.plan);
    return reply;
  }

  goTo(each) {
    const { branch } = this.history;
    const name = each.branches.includes(branch) ? branch : each.branches[0];
    return this.travel({ operation: 'checkout', target: name ?? each.id }, `Going to ${cellName(each)}`);
  }

  /** First the plan; what is then done is no more than what it said. */
  async travel(content, text) {
    this.notices.clear();
    const planned = await this.during(text, () => this.ask({ ...content, dry_run: true }));
    if (!planned) return;
    const { plan } = planned;
    const told = consequences(plan);
    if (told) {
      const yes = plan.replay.length ? 'Re-run and go' : 'Go without them';
      if (!(await this.notices.ask(`${text}: not everything is stored`, told, [[yes, () => true]]))) return;
    }
    const bounds = { replay: plan.replay.length ? 'auto' : 'never', allow_lost: plan.lost.length > 0 };
    const known = new Set(await this.warnings());
    const reply = await this.change(text, { ...content, ...bounds });
    if (reply) this.arrived(reply, (await this.warnings()).filter((each) => !known.has(each)));
  }

  async warnings() {
    return (await this.ask({ operation: 'status' }))?.warnings ?? [];
  }

  arrived(reply, warnings) {
    const head = this.history.get(reply.head);
    const ahead = reply.ahead ?? [];
    const lines = [done(reply.plan, reply.seconds)];
    if (ahead.length) lines.push(`${listed(ahead.map(cellName))} ${ahead.length === 1 ? 'is' : 'are'} ahead of this state.`);
    const back = reply.from && reply.from !== reply.head && this.history.get(reply.from);
    const title = head ? `You are at ${cellName(head)} now.` : 'You are before the first cell now.';
    this.notices.tell('done', title, [...lines, ...warnings], back ? [['Go back', () => this.goTo(back)]] : []);
    this.arrivedAt = reply.head;
    if (head) {
      this.list.selected = head.id;
      if (this.details.shown || this.isWide()) this.details.show(head.id);
      this.list.reveal(head.id);
    }
    this.options.onTravel?.(reply);
  }

  async nameState(kind, each) {
    const where = cellName(each);
    const name = await this.notices.name(kind === 'branch' ? `A branch at ${where}` : `A tag for ${where}`, `Name of the ${kind}`);
    if (!name) return;
    const reply = await this.change(`Making the ${kind}`, { operation: kind, name, target: each.id });
    if (!reply) return;
    const go = kind === 'branch' ? [[`Continue on ${name}`, () => this.travel({ operation: 'checkout', target: name }, `Going to ${name}`)]] : [];
    this.notices.tell('done', `${where} is ${kind === 'branch' ? 'where the branch' : 'tagged'} ${name}${kind === 'branch' ? ' begins' : ''} now.`, [], go);
  }

  async commit() {
    const message = await this.notices.name('Name the present state', 'What is it?');
    if (!message) return;
    const reply = await this.change('Keeping the state', { operation: 'commit', message });
    if (reply) this.notices.tell('done', `The present state is called “${message}” now.`);
  }

  async save() {
    const path = await this.notices.name('Save the cells that led here as a notebook', 'Path, as seen from the kernel', 'history.ipynb');
    if (!path) return;
    const reply = await this.during('Saving', () => this.ask({ operation: 'export', path }));
    if (reply) this.notices.tell('done', `${counted(reply.cells, 'cell')} written to ${reply.path}.`);
  }
}

const sentence = (text) => `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
