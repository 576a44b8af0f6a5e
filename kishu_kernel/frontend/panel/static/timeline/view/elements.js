/**
 * Elements, icons and buttons.
 *
 * Law: strings become text, never HTML. Classes stand after the tag, as in `h('div.row.head')`, and get the prefix `kishu-`.
 */

const SVG = 'http://www.w3.org/2000/svg';

const ICONS = {
  undo: 'M6 3 2.5 6.5 6 10 M2.5 6.5 H9.5 A3.75 3.75 0 0 1 9.5 14 H6.5',
  redo: 'M10 3 13.5 6.5 10 10 M13.5 6.5 H6.5 A3.75 3.75 0 0 0 6.5 14 H9.5',
  search: 'M7 2.5 A4.5 4.5 0 1 0 7 11.5 A4.5 4.5 0 1 0 7 2.5 M10.4 10.4 14 14',
  compare: 'M2 3 H7 V13 H2 Z M9 3 H14 V13 H9 Z',
  more: 'M3.5 8 h.01 M8 8 h.01 M12.5 8 h.01',
  branch: 'M5 5 V11 M5 9.5 C5 7.5 11 9 11 5.5 M5 2.6 a1.4 1.4 0 1 0 .01 0 M5 10.8 a1.4 1.4 0 1 0 .01 0 M11 2.8 a1.4 1.4 0 1 0 .01 0',
  tag: 'M2.5 2.5 H8 L13.5 8 8 13.5 2.5 8 Z M5.3 5.3 h.01',
  close: 'M4 4 12 12 M12 4 4 12',
  back: 'M10 3 5 8 10 13',
  bring: 'M8 2 V9.5 M5 6.7 8 9.7 11 6.7 M2.5 11 V13.5 H13.5 V11',
  bringAs: 'M5.5 2 V8 M3 5.8 5.5 8.3 8 5.8 M2 10.5 V13.5 H9 M11.5 6.5 V13.5 M9.8 6.5 H13.2 M9.8 13.5 H13.2',
  swap: 'M3 5.5 H13 L10.5 3 M13 10.5 H3 L5.5 13',
};

/**
 * An element. Attributes that begin with "on" are listeners; null, undefined and false are left out, among the attributes
 * and among the children. Children may be lists.
 */
export function h(tag, attributes = {}, ...children) {
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

/** An element of SVG. */
export function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export function icon(name) {
  const made = svg('svg', { viewBox: '0 0 16 16', class: 'kishu-icon', 'aria-hidden': 'true' });
  made.append(svg('path', { d: ICONS[name] }));
  return made;
}

/**
 * A button.
 *
 * @param {string} label
 * @param {(event: Event) => void} onclick
 * @param {{[attribute: string]: any}} options `image` names an icon; with `iconOnly` the label is heard and not seen; the
 *   others are attributes
 */
export function button(label, onclick, { image, primary, iconOnly, ...attributes } = {}) {
  const kind = `button.button${primary ? '.primary' : ''}${iconOnly ? '.bare' : ''}`;
  const shown = [image && icon(image), iconOnly ? null : h('span', {}, label)];
  const named = iconOnly ? { 'aria-label': label, title: label } : {};
  return h(kind, { type: 'button', onclick, ...named, ...attributes }, shown);
}
