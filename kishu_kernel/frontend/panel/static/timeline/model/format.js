/** Numbers, times and lists of names, as a person reads them. Pure. */

const UNITS = ['B', 'kB', 'MB', 'GB'];
const TEXT_LIMIT = 20000; // characters of one output

/** 1536000 is "1.5 MB". */
export function formatBytes(bytes) {
  let amount = bytes;
  for (const unit of UNITS) {
    if (amount < 1000 || unit === 'GB') {
      return `${amount.toFixed(unit === 'B' || amount >= 100 ? 0 : 1)} ${unit}`;
    }
    amount /= 1000;
  }
}

/** How long something took: from "1 ms" to "2 h 5 min". */
export function formatDuration(seconds) {
  if (seconds < 0.0995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long ago something was; its clock time after eight hours, its date besides on another day. */
export function formatAge(timestamp, now = new Date()) {
  const then = new Date(timestamp);
  const seconds = (now.getTime() - then.getTime()) / 1000;
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 8 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  const clock = then.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  if (then.toDateString() === now.toDateString()) return clock;
  return `${then.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${clock}`;
}

/** "1 cell", "1,200 cells". */
export const countOf = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;

/** "a, b and 3 more", where there are more than `most`. */
export function joinNames(names, most = 6) {
  const more = names.length - most;
  return names.slice(0, most).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** "a", "a and b", "a, b and c"; "a, b and 3 more", where there are more than `most`. */
export function listNames(names, most = 6) {
  if (names.length > most || names.length < 2) return joinNames(names, most);
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** Begins with a capital letter and ends with a full stop. */
export const asSentence = (text) => capitalize(text) + (/[.!?]$/.test(text) ? '' : '.');

export const capitalize = (text) => `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;

/** A text without the codes by which a terminal changes colours. */
export const withoutColours = (text) => text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, '');

/** The beginning of a text that is too long for a page, and how much is left out. */
export function truncate(text, limit = TEXT_LIMIT) {
  const more = text.length - limit;
  return more > 0 ? `${text.slice(0, limit)}\n… and ${countOf(more, 'more character')}` : text;
}
