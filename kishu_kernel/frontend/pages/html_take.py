"""Variables that were taken from another state, as a page."""

from __future__ import annotations

from kishu_kernel.frontend.pages.html import esc, name_chips, page
from kishu_kernel.frontend.pages.html_state import lost_lines, reruns_table
from kishu_kernel.frontend.pages.wording import Reply, View, lasted, taken_names, untold_notes


def take_page(reply: Reply, view: View) -> str:
    """Returns what was taken, or would be."""
    source = esc(view.asked.get("target", "there"))
    names = name_chips(taken_names(reply), "~") or "nothing"
    if reply["applied"]:
        took = f'<span class="k-soft">in {lasted(reply["seconds"])}</span>'
        title = f'<p class="k-line"><b>Took</b> {names} from {source} {took}</p>'
    elif view.asked.get("dry_run"):
        title = f"<p><b>Would take</b> {names} from {source}: nothing has been done.</p>"
    else:
        title = f"<p>{names} as it was at {source} already: nothing has changed.</p>"
    body = ""
    if reply["along"]:
        why = '<span class="k-soft">came along, since they share objects:</span>'
        body = f"<p>{why} {name_chips(reply['along'], '~')}</p>"
    body += reruns_table(reply["plan"]["replay"], reply["applied"]) + lost_lines(reply)
    body += "".join(f"<p>{esc(note)}</p>" for note in untold_notes(reply))
    if reply["applied"]:
        body += '<p class="k-soft">To go back: <code>%kishu undo</code></p>'
    return page(f'<div class="k-card">{title}{body}</div>')
