/** How the cells of a notebook differ from those of a state, cell by cell and line by line. Pure. */

const MOST_PAIRS = 4_000_000; // of lines that are compared with each other; larger cells are replaced as a whole

/**
 * Rows [{kind, now, then, stays}]: what is done to the cells `now` to have those `then`, in the order of `then`. `kind` is "same",
 * "edited", "moved", "removed" (it is there now) or "added"; `stays`: it is among both, and the cells that stay keep their
 * order. Cells are {id, type, source}; the same id and type is the same cell.
 */
export function compareCells(now, then) {
  const key = ({ id, type }) => `${type} ${id}`;
  const placeNow = new Map(now.map((cell, index) => [key(cell), index]));
  const thenKeys = new Set(then.map(key));
  const stay = increasing(then.map((cell) => placeNow.get(key(cell)) ?? -1));
  const rows = [];
  let next = 0;
  const removedBefore = (end) => {
    for (; next < end; next++) {
      if (!thenKeys.has(key(now[next]))) rows.push({ kind: 'removed', now: now[next], then: null, stays: false });
    }
  };
  then.forEach((cell, index) => {
    const place = placeNow.get(key(cell));
    if (place === undefined) {
      rows.push({ kind: 'added', now: null, then: cell, stays: false });
      return;
    }
    const stays = stay.has(index);
    if (stays) removedBefore(place);
    const kind = now[place].source !== cell.source ? 'edited' : stays ? 'same' : 'moved';
    rows.push({ kind, now: now[place], then: cell, stays });
  });
  removedBefore(now.length);
  return rows;
}

/** Pairs of lines [{kind, now, then}]: "same", or "changed" with a line on both sides or on one (null on the other). */
export function compareLines(now, then) {
  const [a, b] = [now.split('\n'), then.split('\n')];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const same = (line) => ({ kind: 'same', now: line, then: line });
  return [
    ...a.slice(0, start).map(same),
    ...between(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map(same),
  ];
}

/** Of lines whose first and last ones differ. */
function between(a, b) {
  const rows = [];
  const matches = a.length * b.length > MOST_PAIRS ? [] : common(a, b);
  let [i, j] = [0, 0];
  for (const [x, y] of [...matches, [a.length, b.length]]) {
    while (i < x || j < y) {
      rows.push({ kind: 'changed', now: i < x ? a[i++] : null, then: j < y ? b[j++] : null });
    }
    if (x < a.length) rows.push({ kind: 'same', now: a[i++], then: b[j++] });
  }
  return rows;
}

/** Pairs of indices of a longest common subsequence. */
function common(a, b) {
  const width = b.length + 1;
  const length = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const at = i * width + j;
      length[at] = a[i] === b[j] ? length[at + width + 1] + 1 : Math.max(length[at + width], length[at + 1]);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const at = i * width + j;
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (length[at + width] >= length[at + 1]) i++;
    else j++;
  }
  return pairs;
}

/** The indices of a longest increasing subsequence of numbers; negative ones are left out. */
function increasing(numbers) {
  const ends = []; // of the subsequence of each length, the index whose number is least
  const before = new Map();
  numbers.forEach((number, index) => {
    if (number < 0) return;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[ends[middle]] < number) low = middle + 1;
      else high = middle;
    }
    before.set(index, ends[low - 1]);
    ends[low] = index;
  });
  const found = new Set();
  for (let at = ends.at(-1); at !== undefined; at = before.get(at)) found.add(at);
  return found;
}
