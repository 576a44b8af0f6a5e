/** One row of the list: two lines about a checkpoint. */

import { cellLabel, headline, sessionLabel, spokenLabel } from '../model/checkpoint.js';
import { formatBytes, formatDuration } from '../model/format.js';
import { changeChips, labels } from './badges.js';
import { h } from './elements.js';
import { marked } from './text.js';

/** The element. `state` is what `rowState` says; `domId` is unique on the page; `picture` is the source of an image, if any. */
export function drawRow(item, state, domId, picture = null) {
  const { checkpoint } = item.row;
  const classes = [
    'row',
    state.isHead && 'head',
    !state.inLineage && 'aside',
    state.isSelected && 'selected',
    state.isFirstOfTwo && 'first',
    picture && 'pictured',
  ].filter(Boolean);
  return h(
    `div.${classes.join('.')}`,
    {
      role: 'option',
      id: domId,
      'data-id': checkpoint.id,
      'aria-selected': String(state.isSelected),
      'aria-setsize': state.count,
      'aria-posinset': state.position,
      'aria-label': spokenLabel(checkpoint, state),
      style: `padding-left:${state.indent}px`,
    },
    upperLine(checkpoint, item.text, state),
    lowerLine(checkpoint, item, state),
    picture && h('img.thumbnail', { src: picture, alt: '' }));
}

/** Which cell it was, what it began with, and when it ran. */
function upperLine(checkpoint, text, { age }) {
  return h('div.line', {},
    h('span.in', {}, !checkpoint.take && cellLabel(checkpoint)),
    h(`span.headline${checkpoint.code && !checkpoint.take ? '' : '.quiet'}`, {}, marked(headline(checkpoint), text)),
    h('span.when', { title: new Date(checkpoint.timestamp).toLocaleString() }, age));
}

/** Where it stands, what it changed, and what it cost. */
function lowerLine(checkpoint, { text, hint }, { isHead, branch, beginsSession }) {
  const { status, error, message, payload_bytes: bytes, duration } = checkpoint;
  return h('div.line', {},
    isHead && h('span.here', { title: 'the state that you are in' }, 'here'),
    labels(checkpoint, branch),
    status !== 'ok' && h(`span.chip.${status}`, {}, status === 'error' ? error || 'error' : status),
    hint ? h('span.hint', {}, marked(hint, text)) : changeChips(checkpoint, text),
    message && h('span.message', {}, marked(message, text)),
    beginsSession && h('span.quiet.session', {}, sessionLabel(checkpoint.session)),
    h('span.meta', {}, [bytes && formatBytes(bytes), duration && formatDuration(duration)].filter(Boolean).join(' · ')));
}
