/** What a cell displayed. Law: HTML of a cell is shown in a frame in which no script runs and which loads nothing. */

import { truncate, withoutColours } from '../model/format.js';
import { contentOf, frameHeight, isDark } from '../model/outputs.js';
import { h } from './elements.js';

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:";

/** One output. A frame takes its colours from `root`. */
export function drawOutput(output, root) {
  const content = contentOf(output);
  switch (content.kind) {
    case 'text':
      return plain(content.text, content.isError ? '.stderr' : '');
    case 'image':
      return h('img', { src: content.source, alt: content.alternative });
    case 'html':
      return framed(content, root);
    default:
      return h('p.quiet', {}, `An output of type ${content.types.join(', ') || 'unknown'}.`);
  }
}

function plain(text, kind = '') {
  return h(`pre.output${kind}`, { tabindex: '0', 'aria-label': 'Output' }, truncate(withoutColours(text)));
}

/** HTML of a cell, where it can do nothing: no script, no origin, no network. */
function framed({ html, text }, root) {
  const inert = new DOMParser().parseFromString(html, 'text/html'); // runs and loads nothing
  for (const each of inert.querySelectorAll('script, style, meta, link, base')) each.remove();
  const words = inert.body.textContent.trim();
  if (!words && !inert.querySelector('img, svg, table, hr')) {
    return text ? plain(text) : h('p.quiet', {}, 'An interactive output; its scripts do not run here.');
  }
  const srcdoc =
    `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">` +
    `<style>${looks(getComputedStyle(root))}</style>${html}`;
  const height = frameHeight(inert.querySelectorAll('tr').length, words);
  return h('iframe', { sandbox: '', srcdoc, title: 'Output of the cell', style: `height:${height}px` });
}

/** The stylesheet of a frame, which inherits nothing. */
const looks = ({ color, backgroundColor }) =>
  `html{color-scheme:${isDark(backgroundColor) ? 'dark' : 'light'}}` +
  `body{margin:4px;font:12px/1.4 system-ui,sans-serif;color:${color};background:${backgroundColor}}` +
  'table{border-collapse:collapse;border:0}th,td{padding:3px 8px;text-align:right;border:0}' +
  'thead{border-bottom:1px solid #8886}tr:nth-child(even){background:#8881}p{margin:6px 0}img,svg{max-width:100%}';
