"""Two states side by side: which variables were created, modified or deleted, and how."""

from __future__ import annotations

from collections.abc import Sequence

from kishu_kernel.frontend.pages.html import SIGNS, chip, esc, page, table
from kishu_kernel.frontend.pages.wording import MARKS, Reply, View, folded

_KINDS = {"created": "k-add", "modified": "k-mod", "deleted": "k-del"}


def diff_page(reply: Reply, view: View) -> str:
    """Returns the variables that differ between base and target."""
    target, base = (view.asked.get(key, "HEAD") for key in ("target", "base"))
    kinds = {name: kind for kind in MARKS for name in reply[kind]}
    if not kinds:
        return page(f"<p>No difference between <b>{esc(base)}</b> and <b>{esc(target)}</b>.</p>")
    counts = ", ".join(f"{len(reply[kind])} {kind}" for kind in MARKS if reply[kind])
    details = folded(reply["details"])

    def rows(part: Sequence[Reply]) -> list[str]:
        return [_rows(kinds[each["name"]], each) for each in part]

    head = ("Variable", f"at {base}", f"at {target}")
    caption = f'From {esc(base)} to {esc(target)}: <span class="k-soft">{counts}</span>'
    shown = table(head, rows(details.shown), caption=caption, kind="k-top k-diff") if details.shown else ""
    apart = table(head, rows((*details.modules, *details.results)), kind="k-top k-diff")
    more = f"<details><summary>{details.counts}</summary>{apart}</details>" if details.counts else ""
    return page(shown or f"<p>{caption}</p>", more)


def _rows(kind: str, detail: Reply) -> str:
    mark = chip(SIGNS[MARKS[kind]] + detail["name"], _KINDS[kind], kind)
    rows = [_row(mark, _value(detail["before"]), _value(detail["after"]))]
    change = detail.get("change")
    if change:
        shown = {detail["before"], detail["after"]}
        rows += [
            _row(esc(each["aspect"]), _value(each["before"]), _value(each["after"]), "k-part")
            for each in change["aspects"]
            if {each["before"], each["after"]} != shown
        ]
        rows += [
            _row(_place(each["row"], each["column"]), _value(each["before"]), _value(each["after"]), "k-part")
            for each in change["cells"]
        ]
        if change["note"]:
            rows.append(f'<tr><td></td><td colspan="2" class="k-wrap k-soft">{esc(change["note"])}</td></tr>')
    return "".join(rows)


def _row(name: str, before: str, after: str, kind: str = "") -> str:
    values = "".join(f'<td class="k-wrap">{value}</td>' for value in (before, after))
    return f'<tr class="{kind}"><th scope="row">{name}</th>{values}</tr>'


def _place(row: str, column: str) -> str:
    return f"row <code>{esc(row)}</code>" + (f", <code>{esc(column)}</code>" if column else "")


def _value(text: str | None) -> str:
    return '<span class="k-soft">not in this state</span>' if text is None else f"<code>{esc(text)}</code>"
