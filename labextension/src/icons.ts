/** Icons of our own, in the theme's colours: it colours the strokes of `jp-icon3`, and would fill what has a fill there. */

import { LabIcon } from '@jupyterlab/ui-components';

/** Lanes of checkpoints. */
export const timelineIcon = new LabIcon({
  name: 'kishu-kernel:timeline',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24" fill="none">
  <g class="jp-icon3" stroke="#616161" stroke-width="2">
    <path d="M8 7.5V9.7M8 14.3V16.5M16.2 9.3C15.6 11.6 12 11.4 9.6 13.4" stroke-linecap="round"/>
    <circle cx="8" cy="5" r="2.4"/><circle cx="8" cy="12" r="2.4"/>
    <circle cx="8" cy="19" r="2.4"/><circle cx="16.7" cy="6.8" r="2.4"/>
  </g>
</svg>`
});

/** Back; as on the timeline's own button. */
export const undoIcon = new LabIcon({
  name: 'kishu-kernel:undo',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16" fill="none">
  <path class="jp-icon3" stroke="#616161" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"
    d="M6 3 2.5 6.5 6 10M2.5 6.5H9.5A3.75 3.75 0 0 1 9.5 14H6.5"/>
</svg>`
});

/** To the state before a cell: an arrow to a line above it; and after it. */
export const beforeIcon = new LabIcon({ name: 'kishu-kernel:before', svgstr: besideCell('M3 2.5H13M8 13.5V5.5M4.8 8.5 8 5.3 11.2 8.5') });
export const afterIcon = new LabIcon({ name: 'kishu-kernel:after', svgstr: besideCell('M3 13.5H13M8 2.5V10.5M4.8 7.5 8 10.7 11.2 7.5') });

function besideCell(path: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16" fill="none">
  <path class="jp-icon3" stroke="#616161" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" d="${path}"/>
</svg>`;
}
