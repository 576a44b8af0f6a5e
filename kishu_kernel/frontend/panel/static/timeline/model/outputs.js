/** Which representation of a cell's output is shown. Pure. */

const IMAGES = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
const TEXTS = ['text/markdown', 'text/latex', 'text/plain'];

/**
 * What is to be shown of an output.
 *
 * @typedef {{kind: 'text', text: string, isError: boolean}
 *   | {kind: 'image', source: string, alternative: string}
 *   | {kind: 'html', html: string, text: string}
 *   | {kind: 'unknown', types: string[]}} Content
 */

/** @returns {Content} Of one output in the form of nbformat. */
export function contentOf(output) {
  if (output.output_type === 'stream') return text(joinLines(output.text), output.name === 'stderr');
  if (output.output_type === 'error') {
    return text(output.traceback?.length ? output.traceback.join('\n') : `${output.ename}: ${output.evalue}`, true);
  }
  return richest(output.data ?? {});
}

/** @returns {Content} Of the representations of one value, by their types. */
function richest(data) {
  const type = IMAGES.find((each) => data[each]);
  if (type) return image(data, `data:${type};base64,${joinLines(data[type]).replace(/\s/g, '')}`);
  const svg = data['image/svg+xml']; // in an image no script runs
  if (svg) return image(data, `data:image/svg+xml;charset=utf-8,${encodeURIComponent(joinLines(svg))}`);
  if (data['text/html']) {
    return { kind: 'html', html: joinLines(data['text/html']), text: joinLines(data['text/plain']) };
  }
  const plain = TEXTS.find((each) => data[each]);
  if (plain) return text(joinLines(data[plain]));
  if (data['application/json']) return text(JSON.stringify(data['application/json'], null, 2));
  return { kind: 'unknown', types: Object.keys(data) };
}

/** @returns {Content} */
const text = (shown, isError = false) => ({ kind: 'text', text: shown, isError });

/** @returns {Content} */
const image = (data, source) => ({
  kind: 'image',
  source,
  alternative: joinLines(data['text/plain']) || 'image that the cell displayed',
});

/** nbformat may have a text as a list of lines. */
const joinLines = (lines) => (Array.isArray(lines) ? lines.join('') : String(lines ?? ''));

/** The height in pixels of a frame for HTML with this text and so many rows of tables. */
export function frameHeight(rows, words) {
  const lines = words.split('\n').length;
  const height = Math.min(320, 16 + Math.max(rows * 25 + (words.length > rows * 10 ? 24 : 0), lines * 8));
  return Math.max(56, height);
}

/** Whether a colour of CSS, as browsers compute it, is nearer to black. */
export function isDark(colour) {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? ['255', '255', '255']).map(Number);
  return red * 0.3 + green * 0.59 + blue * 0.11 < 128;
}
