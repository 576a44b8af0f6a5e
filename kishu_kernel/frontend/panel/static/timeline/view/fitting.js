/** Chips in a line: those for which it has no room give way to "+2 more", so that none is cut. */

const GAP = 5; // pixels, as in timeline.css
const MORE = 62; // pixels that "+99 more" takes

/** Fits the chips of all these lists. First everything is measured, then changed: the page is laid out once. */
export function fitChips(lists) {
  for (const list of lists) for (const each of list.children) each.hidden = each.matches('.kishu-more') && !each.dataset.more;
  const measured = lists.map((list) => [list, list.clientWidth, list.scrollWidth, [...list.children].map((each) => each.offsetWidth)]);
  for (const [list, room, wanted, widths] of measured) if (wanted > room) fit(list, room, widths);
}

function fit(list, room, widths) {
  const children = [...list.children];
  const more = children.find((each) => each.matches('.kishu-more'));
  if (!more) return;
  const isName = (each) => each.matches('.kishu-of-name');
  let left = room - MORE;
  children.forEach((each, index) => {
    if (!isName(each) && each !== more) left -= widths[index] + GAP;
  });
  const hidden = children.filter((each, index) => isName(each) && (left -= widths[index] + GAP) < 0);
  for (const each of hidden) each.hidden = true;
  const count = hidden.length + Number(more.dataset.more || 0);
  more.hidden = count === 0;
  more.textContent = `+${count} more`;
}
