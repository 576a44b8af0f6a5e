"""Replies as plain text, for consoles and `%kishu`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from kishu_kernel.progress import Progress
from kishu_kernel.words import size

Reply = Mapping[str, Any]

_RESULT = re.compile(r"_\d+")


def as_text(reply: Reply) -> str:
    """The reply of an operation, for a person."""
    return _TEXTS[reply["operation"]](reply)


def progress_text(progress: Progress) -> str:
    """How far a checkout is, in a line."""
    if progress.what == "re-running":
        done = f"re-running cell {progress.step} of {progress.steps}"
    else:
        done = f"bringing back {size(progress.done_bytes)} of {size(progress.total_bytes)}"
    left = progress.seconds_left
    return f"[kishu] {done}" + ("" if left is None else f", about {max(1, round(left))} s left")


def _status(reply: Reply) -> str:
    store = reply["store"]
    lines = [
        f"head      {_short(reply['head'])}" + (f"  on branch {reply['branch']}" if reply["branch"] else ""),
        f"session   {reply['session']}",
        f"store     {store['checkpoints']} checkpoints, {size(store['bytes'])} in {store['path'] or 'memory'}",
    ]
    return "\n".join([*lines, *(f"warning   {warning}" for warning in reply["warnings"])])


def _log(reply: Reply) -> str:
    if not reply["checkpoints"]:
        return "no checkpoints yet: run a cell"
    lines = []
    for each in reply["checkpoints"]:
        mark = "*" if each["id"] == reply["head"] else " "
        lines.append(
            f"{mark} {_short(each['id'])}  {_cell(each):8} {_first_line(each['code']):44.44}  {_changes(each)}"
        )
        named = [*each["branches"], *(f"tag {tag}" for tag in each["tags"])]
        notes = [f"({', '.join(named)})"] if named else []
        notes += [repr(each["message"])] if each["message"] else []
        notes += ["incomplete"] if each["incomplete"] else []
        notes += [f"not stored: {', '.join(lost['names'])}" for lost in each["not_stored"]]
        if notes:
            lines.append(f"{'':21}{'  '.join(notes)}")
    if reply["truncated"]:
        lines.append("  ... and older ones: %kishu log --limit 0 shows all")
    return "\n".join(lines)


def _travel(reply: Reply) -> str:
    plan = reply["plan"]
    went = f"went to {_short(reply['head'])} in {reply['seconds']:.2f} s" if reply["applied"] else "would go there"
    parts = [
        _counted(plan["keep"], "kept as they are"),
        _named("brought back", [name for step in plan["load"] for name in step["names"]]),
        _named("re-computed", [name for step in plan["replay"] for name in step["gives"]]),
        _named("removed", plan["delete"]),
        _named("lost", [name for lost in plan["lost"] for name in lost["names"]]),
    ]
    lines = [f"{went}: " + ("; ".join(part for part in parts if part) or "nothing differs")]
    lines += [_rerun(step, reply["applied"]) for step in plan["replay"]]
    lines += [f"  lost: {', '.join(lost['names'])}: {lost['reason']}" for lost in plan["lost"]]
    return "\n".join(lines)


def _rerun(step: Reply, done: bool) -> str:
    notes = [f"{step['seconds']:.1f} s when it first ran", *step["side_effects"]]
    return f"  {'re-run' if done else 're-run needed'}: {_first_line(step['code'])} ({', '.join(notes)})"


def _show(reply: Reply) -> str:
    each = reply["checkpoint"]
    when = datetime.fromisoformat(each["timestamp"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    lines = [
        f"{each['id']}  {_cell(each)}  {when}  {each['duration']:.2f} s  {each['status']}",
        *(["  message: " + each["message"]] if each["message"] else []),
        *(f"    {line}" for line in each["code"].splitlines()),
        f"  {_changes(each)}",
        "",
    ]
    width = max((len(variable["name"]) for variable in reply["variables"]), default=0)
    for variable in reply["variables"]:
        note = "" if variable["stored"] else "  (not stored)"
        lines.append(f"  {variable['name']:{width}}  {variable['type']:20.20}  {variable['summary']:.70}{note}")
    return "\n".join(lines)


def _diff(reply: Reply) -> str:
    marks = {name: mark for key, mark in (("created", "+"), ("modified", "~"), ("deleted", "-")) for name in reply[key]}
    if not marks:
        return "no difference"
    lines = []
    for detail in reply["details"]:
        before, after = detail["before"], detail["after"]
        values = f"{before}  ->  {after}" if before and after else before or after
        lines.append(f"{marks[detail['name']]} {detail['name']}  {values}")
    return "\n".join(lines)


def _variable(reply: Reply) -> str:
    return "\n".join(
        f"{_short(each['id'])}  {_cell(each):8} {_first_line(each['code']):44.44}  {_changes(each)}"
        for each in reply["checkpoints"]
    )


def _commit(reply: Reply) -> str:
    return f"{_short(reply['head'])} has the message"


def _stores(reply: Reply) -> str:
    lines = []
    for each in reply["stores"]:
        used = datetime.fromisoformat(each["used"]).astimezone().strftime("%Y-%m-%d %H:%M")
        notebook = each["notebook"] or "(no notebook)"
        gone = "" if each["exists"] or not each["notebook"] else "  (no longer there)"
        mark = "*" if each["own"] else " "
        lines.append(f"{mark} {each['name']}  {size(each['bytes']):>7}  {used}  {notebook}{gone}")
    return "\n".join(lines) or "there are no stores yet"


def _attach(reply: Reply) -> str:
    return f"this notebook has the history in {reply['store']} now: `%kishu resume` goes to where it ended"


def _gc(reply: Reply) -> str:
    removed, kept = reply["removed"], reply["kept"]
    if not removed["chunks"] and not removed["checkpoints"]:
        return (
            f"nothing to drop: {kept['checkpoints']} checkpoints, {size(kept['bytes'])}, are needed or below the limit"
        )
    verb = "would drop" if reply["dry_run"] else "dropped"
    return (
        f"{verb} {size(removed['bytes'])}: the variables of {removed['checkpoints']} checkpoints, whose code stays; "
        f"{kept['checkpoints']} checkpoints, {size(kept['bytes'])}, are kept"
    )


def _names(key: str) -> Callable[[Reply], str]:
    def text(reply: Reply) -> str:
        return "\n".join(f"{name}  {_short(id)}" for name, id in reply[key].items()) or f"no {key}"

    return text


def _short(id: str | None) -> str:
    return id[:8] if id else "(start)"


def _cell(each: Reply) -> str:
    return f"In[{each['execution_count']}]" if each["execution_count"] is not None else "-"


def _first_line(code: str) -> str:
    lines = [line.strip() for line in code.splitlines() if line.strip()]
    return (lines[0] + (" ..." if len(lines) > 1 else "")) if lines else "(changed between cells)"


def _changes(each: Reply) -> str:
    parts = [
        f"{mark}{name}"
        for key, mark in (("created", "+"), ("modified", "~"), ("deleted", "-"))
        for name in each[key]
        if not _RESULT.fullmatch(name)  # what was displayed: every other cell has one
    ]
    shown = " ".join(parts[:8]) + (f" and {len(parts) - 8} more" if len(parts) > 8 else "")
    status = "" if each["status"] == "ok" else f" [{each['status']}]"
    return (shown or "changed nothing") + (f"  {size(each['payload_bytes'])}" if each["payload_bytes"] else "") + status


def _counted(items: list[Any], text: str) -> str:
    return f"{len(items)} {text}" if items else ""


def _named(text: str, names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    return f"{text}: {shown}" if names else ""


_TEXTS: dict[str, Callable[[Reply], str]] = {
    "status": _status,
    "log": _log,
    "checkout": _travel,
    "undo": _travel,
    "redo": _travel,
    "resume": _travel,
    "stores": _stores,
    "attach": _attach,
    "gc": _gc,
    "show": _show,
    "diff": _diff,
    "variable": _variable,
    "commit": _commit,
    "branch": _names("branches"),
    "tag": _names("tags"),
}
