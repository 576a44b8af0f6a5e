"""Replies for a person: as plain text, which every console shows, and as HTML where that says more.

Neighbours: `text_log` draws the history, `html*` make the pages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kishu_kernel.frontend.pages.confirmation import made_by
from kishu_kernel.frontend.pages.html_diff import diff_page
from kishu_kernel.frontend.pages.html_log import log_page, search_page, variable_page
from kishu_kernel.frontend.pages.html_show import show_page
from kishu_kernel.frontend.pages.html_state import names_page, status_page, stores_page, travel_page
from kishu_kernel.frontend.pages.html_take import take_page
from kishu_kernel.frontend.pages.text_log import log_text, search_text, variable_text
from kishu_kernel.frontend.pages.wording import (
    MARKS,
    Reply,
    View,
    cell,
    changed,
    code_lines,
    first_line,
    fitted,
    folded,
    is_result,
    lasted,
    listed,
    losses,
    lost_names,
    moment,
    names_at,
    not_in_state,
    notes,
    padded,
    remote_lines,
    short,
    states,
    taken_names,
    told,
    untold_notes,
)
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import size
from kishu_kernel.session.progress import Progress

Rendering = Callable[[Reply, View], str]


def as_text(reply: Reply, view: View | None = None) -> str:
    """Returns a reply as plain text."""
    return _TEXTS[reply["operation"]](reply, view or View())


def as_bundle(reply: Reply, view: View) -> dict[str, Any]:
    """Returns a reply as a mimebundle: plain text, and HTML where that says more."""
    bundle = {"text/plain": as_text(reply, view)}
    page = _PAGES.get(reply["operation"])
    return {**bundle, "text/html": page(reply, view)} if page else bundle


def progress_text(progress: Progress) -> str:
    """Returns how far a checkout is, in a line."""
    if progress.what == "re-running":
        done = f"re-running cell {progress.step} of {progress.steps}"
    else:
        done = f"loading {size(progress.done_bytes)} of {size(progress.total_bytes)}"
    left = progress.seconds_left
    return f"[kishu] {done}" + ("" if left is None else f", about {max(1, round(left))} s left")


def _status(reply: Reply, view: View) -> str:
    store = reply["store"]
    lines = [
        f"HEAD      {short(reply['head'])}" + (f"  on branch {printable(reply['branch'])}" if reply["branch"] else ""),
        f"session   {reply['session']}",
        f"store     {states(store['checkpoints'])}, {size(store['bytes'])} in {printable(store['path'] or 'memory')}",
        *(f"remote    {line}" for line in remote_lines(reply, view.now)),
        *(f"warning   {printable(warning)}" for warning in reply["warnings"]),
    ]
    return "\n".join(
        [*lines, "%kishu log shows the history, %kishu undo takes back the last cell, %kishu help lists all commands"]
    )


def _travel(reply: Reply, view: View) -> str:
    plan = reply["plan"]
    first, *rest = told(reply)
    took = f" ({short(reply['head'])}, {lasted(reply['seconds'])})" if reply["applied"] else ""
    parts = [
        f"{len(plan['keep'])} kept as they are" if plan["keep"] else "",
        _named("brought back", [name for step in plan["load"] for name in step["names"]]),
        _named("re-run to get", [name for step in plan["replay"] for name in step["gives"]]),
        _named("removed", plan["delete"]),
        _named("restored", plan["ambient"]),
        _named("lost", lost_names(plan)),
    ]
    lines = [first.rstrip(".") + took if took else first, *rest]
    lines.append("  " + ("; ".join(part for part in parts if part) or "nothing differs"))
    lines += [_rerun(step, reply["applied"]) for step in plan["replay"]]
    lines += [f"  lost: {names}: {printable(reason)}" for names, reason in losses(plan)]
    lines += [f"  {printable(note)}" for note in untold_notes(reply)]
    lines += [not_in_state(reply)] if not_in_state(reply) else []
    return "\n".join(lines)


def _take(reply: Reply, view: View) -> str:
    source = printable(view.asked.get("target", "there"))
    names = listed(taken_names(reply)) or "nothing"
    if reply["applied"]:
        first = f"took {names} from {source} in {lasted(reply['seconds'])}; %kishu undo takes it back"
    elif view.asked.get("dry_run"):
        first = f"would take {names} from {source}"
    else:
        first = f"nothing has changed: {names} as at {source} already"
    lines = [first]
    lines += [f"  along, since they share objects: {listed(reply['along'])}"] if reply["along"] else []
    lines += [_rerun(step, reply["applied"]) for step in reply["plan"]["replay"]]
    lines += [f"  lost: {names}: {printable(reason)}" for names, reason in losses(reply["plan"])]
    return "\n".join([*lines, *(f"  {printable(note)}" for note in untold_notes(reply))])


def _rerun(step: Reply, done: bool) -> str:
    details = [f"{step['seconds']:.1f} s when it first ran", *map(printable, step["side_effects"])]
    what = f"{made_by(step)}: {first_line(step['code'])}"
    return f"  {'re-run' if done else 'would re-run'}: {what} ({', '.join(details)})"


def _named(text: str, names: list[str]) -> str:
    names = [name for name in names if not is_result(name)]
    return f"{text}: {listed(names)}" if names else ""


def _show(reply: Reply, view: View) -> str:
    each = reply["checkpoint"]
    marked = " ".join(mark + name for mark, name in changed(each)) or "changed nothing"
    lines = [
        f"{printable(each['id'])}  {cell(each)}  {moment(each['timestamp'])}  {lasted(each['duration'])}",
        *([f"  {', '.join(names_at(each))}"] if names_at(each) else []),
        *([f"  message: {printable(each['message'])}"] if each["message"] else []),
        *(f"    {line}" for line in code_lines(each["code"])),
        *(f"  {fitted(text, view.width - 2)}" for text in (marked, *notes(each))),
        "",
    ]
    variables = folded(reply["variables"])
    rows = variables.shown
    name_width = min(30, max((len(printable(row["name"])) for row in rows), default=0))
    type_width = min(24, max((len(printable(row["type"])) for row in rows), default=0))
    room = max(20, view.width - name_width - type_width - 8 - 2 * 4)
    for row in rows:
        cells = [
            padded(printable(row["name"]), name_width),
            padded(printable(row["type"]), type_width),
            (size(row["bytes"]) if row["stored"] else "not stored").rjust(8),
            fitted(printable(row["summary"]), room),
        ]
        lines.append("  " + "  ".join(cells))
    lines += [f"  {fitted(line, view.width - 2)}" for line in variables.line()]
    if reply.get("outputs_note"):
        lines += ["", printable(reply["outputs_note"])]
    return "\n".join(lines)


def _diff(reply: Reply, view: View) -> str:
    marks = {name: mark for key, mark in MARKS.items() for name in reply[key]}
    if not marks:
        return "no difference"
    target, base = (printable(view.asked.get(key, "HEAD")) for key in ("target", "base"))
    lines = [f"from {base} to {target}:"]
    details = folded(reply["details"])
    for detail in details.shown:
        before, after = detail["before"], detail["after"]
        values = f"{printable(before)}  ->  {printable(after)}" if before and after else printable(before or after)
        lines.append(f"{marks[detail['name']]} {printable(detail['name'])}  {values}")
        change = detail.get("change") or {"aspects": [], "cells": [], "note": None}
        rows = [(each["aspect"], each["before"], each["after"]) for each in change["aspects"]]
        rows += [(_place(each), each["before"], each["after"]) for each in change["cells"]]
        name_width = min(24, max((len(printable(name)) for name, _, _ in rows), default=0))
        for name, one, other in rows:
            text = f"{padded(printable(name), name_width)}  {printable(one)}  ->  {printable(other)}"
            lines.append("    " + fitted(text, max(40, view.width - 4)))
        lines += [f"    {printable(change['note'])}"] if change["note"] else []
    return "\n".join([*lines, *details.line(marks.__getitem__)])


def _place(each: Reply) -> str:
    return f"row {each['row']}" + (f", {each['column']}" if each["column"] else "")


def _commit(reply: Reply, view: View) -> str:
    return f"{short(reply['head'])} has the message now"


def _stores(reply: Reply, view: View) -> str:
    lines = []
    for each in reply["stores"]:
        notebook = printable(each["notebook"] or "(no notebook)")
        gone = "" if each["exists"] or not each["notebook"] else "  (no longer there)"
        mark = "*" if each["own"] else " "
        used = moment(each["used"])[:-3]
        lines.append(f"{mark} {printable(each['name'])}  {size(each['bytes']):>7}  {used}  {notebook}{gone}")
    return "\n".join(lines) or "there are no stores yet"


def _attach(reply: Reply, view: View) -> str:
    return f"this notebook now has the history in {printable(reply['store'])}: `%kishu resume` goes to where it ended"


def _gc(reply: Reply, view: View) -> str:
    removed, kept = reply["removed"], reply["kept"]
    held = f"{states(kept['checkpoints'])}, {size(kept['bytes'])}"
    if not removed["chunks"] and not removed["checkpoints"]:
        return f"nothing to drop: {held}, are needed or within the limit"
    verb = "would drop" if reply["dry_run"] else "dropped"
    return (
        f"{verb} {size(removed['bytes'])}: the values of {states(removed['checkpoints'])}, "
        f"whose code stays; {held}, are kept"
    )


def _hibernate(reply: Reply, view: View) -> str:
    remote = reply.get("remote")
    lines = [f"its remote does not have all of it: {printable(remote['error'])}"] if remote and remote["error"] else []
    if reply["durable"]:
        first = "everything is written: the kernel can be ended, and `%kishu resume` goes on from here"
        return "\n".join([first, *lines])
    missing = [f"  {short(each['checkpoint'] or '-')}  {printable(each['reason'])}" for each in reply["missing"]]
    return "\n".join(["not written yet, or not at all:", *missing, *lines])


def _export(reply: Reply, view: View) -> str:
    cells = f"{reply['cells']} cell{'s' * (reply['cells'] != 1)}"
    return f"wrote {cells} to {printable(reply['path'])}: open it in Jupyter, and run it from the top"


def _names(key: str) -> Rendering:
    def text(reply: Reply, view: View) -> str:
        here = view.branch if key == "branches" else None
        lines = [f"{'*' if name == here else ' '} {printable(name)}  {short(id)}" for name, id in reply[key].items()]
        return "\n".join(lines) or f"no {key}"

    return text


_TEXTS: dict[str, Rendering] = {
    "status": _status,
    "log": log_text,
    "checkout": _travel,
    "promote": _travel,
    "undo": _travel,
    "redo": _travel,
    "resume": _travel,
    "take": _take,
    "stores": _stores,
    "attach": _attach,
    "gc": _gc,
    "hibernate": _hibernate,
    "show": _show,
    "diff": _diff,
    "variable": variable_text,
    "search": search_text,
    "export": _export,
    "commit": _commit,
    "branch": _names("branches"),
    "tag": _names("tags"),
}

_PAGES: dict[str, Rendering] = {
    "status": status_page,
    "log": log_page,
    "checkout": travel_page,
    "promote": travel_page,
    "undo": travel_page,
    "redo": travel_page,
    "resume": travel_page,
    "take": take_page,
    "stores": stores_page,
    "show": show_page,
    "diff": diff_page,
    "variable": variable_page,
    "search": search_page,
    "branch": names_page,
    "tag": names_page,
}
