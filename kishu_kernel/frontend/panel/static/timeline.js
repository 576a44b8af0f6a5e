/**
 * The timeline of a notebook: its checkpoints as a graph, newest first, and the buttons that travel along it.
 *
 * The sidebar of JupyterLab imports this module, and its build joins what lies below it. The widget of `%kishu panel` may
 * import nothing: `frontend/panel/javascript.py` joins the same modules for it, without a build step. Both give `mount` an element
 * and a transport (`timeline.d.ts`). It keeps nothing that the kernel does not know.
 *
 * `timeline/model/` knows no page: history, search, selection, layout and words, as values. `timeline/view/` draws them.
 *
 * Law: what comes from the store is set as text, never as HTML. HTML that a cell displayed is shown in a frame in which
 * no script runs and which loads nothing. Nothing is re-run or lost by a click before the plan was shown.
 */

/** @import { mount as declared } from './timeline.js' */
import { Panel } from './timeline/view/panel.js';

/** @type {typeof declared} As timeline.d.ts says. */
export function mount(element, transport, options = {}) {
  const panel = new Panel(element, transport, options);
  panel.start();
  return {
    refresh: () => panel.refresh(true),
    setKernel: (asleep) => panel.setKernel(asleep),
    focusSearch: () => panel.focusSearch(),
    showPictures: (isWanted) => panel.showPictures(isWanted),
    destroy: () => panel.destroy(),
  };
}
