"""One state as a page: its cell, what it changed, its variables. The outputs of the cell follow the page."""

from __future__ import annotations

from collections.abc import Sequence

from kishu_kernel.frontend.pages.html import (
    ago,
    cell_of,
    changes_of,
    code_block,
    esc,
    id_of,
    message,
    note_chips,
    page,
    refs,
    table,
    with_code,
)
from kishu_kernel.frontend.pages.wording import Reply, View, folded, headline, lasted, listed
from kishu_kernel.model.amounts import counted, size

_FOLDED = 12
"""More variables than these are folded away."""


def show_page(reply: Reply, view: View) -> str:
    """Returns the page of a state."""
    each = reply["checkpoint"]
    when = _when(each, view)
    head = f"<h4>{cell_of(each)} {refs(each)}{message(each)}{note_chips(each)}</h4>"
    facts = f'<p>{id_of(each["id"])} <span class="k-soft">{when}; changed</span> {changes_of(each, 120)}</p>'
    lost = "".join(
        f'<p class="k-soft">{esc(listed(one["names"]))} not stored: {esc(one["reason"])}</p>'
        for one in each["not_stored"]
    )
    outputs = reply.get("outputs") or []
    shown = '<p class="k-soft">Its output:</p>' if outputs else '<p class="k-soft">It had no output.</p>'
    if reply.get("outputs_note"):
        shown = f'<p class="k-card">{with_code(reply["outputs_note"])}</p>'
    return page(head, code_block(each["code"]), facts, lost, _variables(reply), shown if each["code"] else "")


def _when(each: Reply, view: View) -> str:
    if not each["code"]:
        return "between cells"
    at = ago(each["timestamp"], view.now)
    return f"{esc(headline(each))} {at}" if each.get("take") else f"ran {at}, took {lasted(each['duration'])}"


def _variables(reply: Reply) -> str:
    variables = folded(reply["variables"])
    if not reply["variables"]:
        return '<p class="k-soft">No variables.</p>'
    heading = f"{counted(len(reply['variables']), 'variable')} in this state"
    shown = f"<p>{heading}</p>" if not variables.shown else _details(heading, variables.shown)
    return shown + (_details(variables.counts, (*variables.modules, *variables.results), 0) if variables.counts else "")


def _details(heading: str, variables: Sequence[Reply], most: int = _FOLDED) -> str:
    """Returns a table of variables behind its heading; open where there are not more than so many."""
    rows = [
        f'<tr><td class="k-name"><code>{esc(row["name"])}</code></td><td class="k-name">{esc(row["type"])}</td>'
        f'<td class="k-right">{size(row["bytes"]) if row["stored"] else "not stored"}</td>'
        f'<td class="k-line"><code title="{esc(row["summary"])}">{esc(row["summary"])}</code></td></tr>'
        for row in variables
    ]
    listing = table(("Name", "Type", "Size", "Value"), rows)
    return f"<details{' open' if len(rows) <= most else ''}><summary>{heading}</summary>{listing}</details>"
