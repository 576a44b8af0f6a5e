"""What text and HTML both say of a reply: how a checkpoint is called, what it changed, how long ago.

Law: names, code and messages may be hostile, so whatever comes from a store passes `printable` on its way to a person.
Neighbours: `display` and `text_log` make plain text of it, `html*` make pages.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted

Reply = Mapping[str, Any]
Marked = tuple[str, str]
"""How a variable changed (`+`, `~` or `-`), and its name."""

MARKS = {"created": "+", "modified": "~", "deleted": "-"}
BETWEEN = "(changed between cells)"

_RESULT = re.compile(r"_\d+")
_BRIEF = (("y", 365 * 86400), ("mo", 30 * 86400), ("d", 86400), ("h", 3600), ("min", 60))


@dataclass(frozen=True, slots=True)
class View:
    """What the reply itself does not say, but a person wants to know.

    Attributes:
        asked: the request.
        width: columns of plain text.
        now: when it is looked at; times are told relative to it.
        elsewhere: checkpoints that are not on the way that is shown.
        branch: the branch that the session is on.
        at: the checkpoint that it went to.
    """

    asked: Reply = field(default_factory=dict)
    width: int = 80
    now: float = field(default_factory=time.time)
    elsewhere: int = 0
    branch: str | None = None
    at: Reply | None = None


def short(id: str | None) -> str:
    """As much of an id as a person reads."""
    return printable(id[:8]) if id else "(start)"


def cell(each: Reply) -> str:
    """`In[7]`; `-` where no cell made it."""
    count = each["execution_count"]
    return f"In[{count}]" if count is not None else "-"


def first_line(code: str) -> str:
    """Of the code, with a sign where there is more."""
    lines = [line.strip() for line in code.splitlines() if line.strip()]
    return printable(lines[0][:400]) + (" ..." if len(lines) > 1 else "") if lines else BETWEEN


def code_lines(code: str) -> list[str]:
    """The whole code, line by line."""
    return [printable(line.rstrip("\n").expandtabs(4)) for line in code.replace("\r\n", "\n").split("\n")]


def excerpt(code: str, most: int = 8) -> list[str]:
    """The first lines of a cell."""
    lines = [line for line in code_lines(code) if line.strip()]
    return lines if len(lines) <= most else [*lines[: most - 1], f"... ({counted(len(lines) - most + 1, 'more line')})"]


def changed(each: Reply) -> list[Marked]:
    """The variables that it changed, without what was only displayed."""
    return [(mark, printable(name)) for key, mark in MARKS.items() for name in each[key] if not is_result(name)]


def is_result(name: str) -> bool:
    """`_7`: what a cell displayed. Every other cell has such a one, so that it says little."""
    return _RESULT.fullmatch(name) is not None


def names_at(each: Reply) -> list[str]:
    """Branches and tags that stand on it."""
    return [printable(name) for name in each["branches"]] + [f"tag {printable(tag)}" for tag in each["tags"]]


def notes(each: Reply) -> list[str]:
    """What is wrong with it."""
    said = [] if each["status"] == "ok" else ["failed" if each["status"] == "error" else printable(each["status"])]
    said += ["incomplete"] if each["incomplete"] else []
    return said + [f"not stored: {listed(lost['names'])}" for lost in each["not_stored"]]


def listed(names: Iterable[str], most: int = 10) -> str:
    """`a, b, c and 4 more`."""
    once = [printable(name) for name in dict.fromkeys(names)]
    return ", ".join(once[:most]) + (f" and {len(once) - most} more" if len(once) > most else "")


def lost_names(plan: Reply) -> list[str]:
    """What is lost, by name as far as it has one."""
    return [name for each in plan["lost"] for name in each["names"] or ["other variables"]]


def losses(plan: Reply) -> list[tuple[str, str]]:
    """What is lost, and why: each reason once, after the names that it is of."""
    names: dict[str, list[str]] = {}
    for each in plan["lost"]:
        names.setdefault(each["reason"], []).extend(each["names"] or ["other variables"])
    return [(listed(of), reason) for reason, of in names.items()]


def ahead(reply: Reply, most: int = 8) -> str:
    """`In [7], In [9] are ahead of it`: cells that were run and no longer match the state. Empty if there are none."""
    left: Sequence[Reply] = reply.get("ahead") or ()
    numbered = [f"In [{each['execution_count']}]" for each in left if each["execution_count"] is not None]
    if not numbered:
        return ""
    earlier = [f"{len(numbered) - most} earlier ones"] if len(numbered) > most else []
    return f"{', '.join([*earlier, *numbered[-most:]])} {'is' if len(numbered) == 1 else 'are'} ahead of it"


def seconds_of(timestamp: str) -> float:
    """A time of the protocol, as seconds of the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()


def moment(timestamp: str) -> str:
    """A time of the protocol, on this machine's clock."""
    return datetime.fromisoformat(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def lately(timestamp: str, now: float) -> str:
    """`just now`, `5 min ago`, `3 d ago`."""
    passed = now - seconds_of(timestamp)
    for unit, length in _BRIEF:
        if passed >= length:
            return f"{int(passed // length)} {unit} ago"
    return "just now"


def lasted(seconds: float) -> str:
    """`0.04 s`, `12 s`, `3 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def checkpoints(number: int) -> str:
    """`3 checkpoints`."""
    return counted(number, "checkpoint")


def columns(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def fitted(text: str, width: int) -> str:
    """A text of at most so many columns."""
    if columns(text) <= width:
        return text
    kept, used = "", 0
    for each in text:
        used += columns(each)
        if used > width - 1:
            break
        kept += each
    return kept.rstrip() + "…"


def padded(text: str, width: int) -> str:
    """A text of exactly so many columns."""
    text = fitted(text, width)
    return text + " " * (width - columns(text))
