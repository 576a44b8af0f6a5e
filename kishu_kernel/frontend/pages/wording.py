"""Wording that plain text and HTML share: how a state is called, what it changed, how long ago.

Law: names, code and messages may be hostile, so whatever comes from a store passes `printable`.
Neighbours: `display` and `text_log` make plain text of it, `html*` make pages.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from kishu_kernel.frontend.printable import printable
from kishu_kernel.model import amounts
from kishu_kernel.model.amounts import counted
from kishu_kernel.model.dataclass import dataclass, field

Reply = Mapping[str, Any]
Marked = tuple[str, str]
"""How a variable changed (`+`, `~` or `-`), and its name."""

MARKS = {"created": "+", "modified": "~", "deleted": "-"}
BETWEEN = "(changed between cells)"

_WORD = re.compile(r"\w")
_RESULT = re.compile(r"_\d+")
_BRIEF = (("y", 365 * 86400), ("mo", 30 * 86400), ("d", 86400), ("h", 3600), ("min", 60))


@dataclass(frozen=True, slots=True)
class View:
    """What a page says besides the reply.

    Attributes:
        asked: the request.
        width: columns of plain text.
        now: seconds of the epoch; times are shown relative to it.
        elsewhere: how many states are not on the path that is shown.
        branch: the branch that HEAD is on.
        at: the checkpoint of HEAD, after a checkout.
    """

    asked: Reply = field(default_factory=dict)
    width: int = 80
    now: float = field(default_factory=time.time)
    elsewhere: int = 0
    branch: str | None = None
    at: Reply | None = None


def short(id: str | None) -> str:
    """Returns as much of an id as a person reads."""
    return printable(id[:8]) if id else "(start)"


def cell(each: Reply) -> str:
    """Returns `In[7]`; `-` where no cell made the state."""
    count = each.get("execution_count")
    return f"In[{count}]" if count is not None else "-"


def first_line(code: str) -> str:
    """Returns the first line of the code that says something, with `...` where there is more code.

    As the panel does it: no comment, where there is anything else. (In scripts each cell begins with `# %%`.)
    """
    lines = [line.strip() for line in code.splitlines() if line.strip()]
    statements = [line for line in lines if not line.startswith("#")]
    says = statements or [line for line in lines if _WORD.search(line)] or lines
    return printable(says[0][:400]) + (" ..." if len(says) > 1 else "") if says else BETWEEN


def headline(each: Reply) -> str:
    """Returns the line by which a person knows a state: the first of its cell, or what was taken."""
    take = each.get("take")
    if take is None:
        return first_line(each["code"])
    return f"took {listed(renamed(take['names'], take['as']))} from {printable(take['target'])}"


def code_lines(code: str) -> list[str]:
    """Returns the whole code, line by line."""
    return [printable(line.rstrip("\n").expandtabs(4)) for line in code.replace("\r\n", "\n").split("\n")]


def excerpt(code: str, most: int = 8) -> list[str]:
    """Returns the first lines of a cell, and how many more there are."""
    lines = [line for line in code_lines(code) if line.strip()]
    return lines if len(lines) <= most else [*lines[: most - 1], f"... ({counted(len(lines) - most + 1, 'more line')})"]


def changed(each: Reply) -> list[Marked]:
    """Returns the variables that a checkpoint changed, without results that were only displayed."""
    return [(mark, printable(name)) for key, mark in MARKS.items() for name in each[key] if not is_result(name)]


def is_result(name: str) -> bool:
    """Whether a name is that of a cell's result, like `_7`: nearly every cell has one, so they say little."""
    return _RESULT.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Folded:
    """Variables, those apart that say little: results of cells, and modules.

    Attributes:
        shown: the others.
        results: results of cells, like `_7`.
        modules: modules.
    """

    shown: Sequence[Reply]
    results: Sequence[Reply]
    modules: Sequence[Reply]

    @property
    def counts(self) -> str:
        """`and 3 results, 2 modules`: how many say little; empty where none do."""
        counts = [counted(len(each), what) for each, what in self._kinds if each]
        return ("and " if self.shown and counts else "") + ", ".join(counts)

    def line(self, mark: Callable[[str], str] = lambda name: "") -> list[str]:
        """The line in which they are folded away, with their names; none where there are none.

        Args:
            mark: what stands before a name.
        """
        told = [
            f"{counted(len(each), what)} ({listed(mark(row['name']) + row['name'] for row in each)})"
            for each, what in self._kinds
            if each
        ]
        return [("and " if self.shown else "") + ", ".join(told)] if told else []

    @property
    def _kinds(self) -> tuple[tuple[Sequence[Reply], str], ...]:
        return (self.results, "result"), (self.modules, "module")


def folded(variables: Sequence[Reply]) -> Folded:
    """Parts variables, each with its `name` and `type`."""
    results = [each for each in variables if is_result(each["name"])]
    modules = [each for each in variables if each.get("type") == "module" and not is_result(each["name"])]
    apart = {each["name"] for each in (*results, *modules)}
    return Folded([each for each in variables if each["name"] not in apart], results, modules)


def names_at(each: Reply) -> list[str]:
    """Returns the branches and tags that stand on a checkpoint."""
    return [printable(name) for name in each["branches"]] + [f"tag {printable(tag)}" for tag in each["tags"]]


def notes(each: Reply) -> list[str]:
    """Returns what is wrong with a checkpoint, and whose it is where it is somebody else's."""
    found = [] if each["status"] == "ok" else ["failed" if each["status"] == "error" else printable(each["status"])]
    found += ["incomplete"] if each["incomplete"] else []
    found += [f"by {printable(each['by'])}"] if each.get("by") not in (None, "you") else []
    return found + [f"not stored: {listed(lost['names'])}" for lost in each["not_stored"]]


def listed(names: Iterable[str], most: int = 10) -> str:
    """Returns `a, b, c and 4 more`."""
    once = [printable(name) for name in dict.fromkeys(names)]
    return ", ".join(once[:most]) + (f" and {len(once) - most} more" if len(once) > most else "")


def joined(names: Iterable[str], most: int = 6) -> str:
    """Returns `a, b and c`, or `a, b and 4 more`."""
    return amounts.joined([printable(name) for name in dict.fromkeys(names)], most)


def variables_of(names: Iterable[str]) -> list[str]:
    """Returns names without those of results; these, where there are no others."""
    names = list(names)
    return [name for name in names if not is_result(name)] or names


def lost_names(plan: Reply) -> list[str]:
    """Returns the names of what is lost."""
    return [name for each in plan["lost"] for name in each["names"] or ["other variables"]]


def losses(plan: Reply) -> list[tuple[str, str]]:
    """Returns what is lost and why: names, and the reason that they have in common."""
    names: dict[str, list[str]] = {}
    for each in plan["lost"]:
        names.setdefault(each["reason"], []).extend(each["names"] or ["other variables"])
    return [(listed(of), reason) for reason, of in names.items()]


def taken_names(reply: Reply) -> list[str]:
    """Returns what was taken, as `df as df_old` where it has another name."""
    return renamed(reply["taken"], reply.get("as") or {})


def renamed(names: Iterable[str], copies: Mapping[str, str]) -> list[str]:
    """Returns names, each as `df as df_old` where it has another one of `copies`."""
    return [f"{name} as {copies[name]}" if name in copies else name for name in names]


def untold_notes(reply: Reply) -> Sequence[str]:
    """Returns the notes of a plan; of one that is carried out, all that there is to say of it."""
    notes: Sequence[str] = reply.get("warnings", ()) if reply["applied"] else reply["plan"].get("notes", ())
    return notes


def remote_lines(reply: Reply, now: float) -> list[str]:
    """Returns how the remote of a history stands that is pushed by itself."""
    remote = reply.get("remote")
    if not remote:
        return []
    pushed = f"pushed {time_ago(remote['pushed'], now)}" if remote["pushed"] else "nothing pushed yet"
    found = [f"{printable(remote['url'])}: {pushed}"]
    if remote["error"]:
        again = ". It is tried again" if remote["doing"] == "failed" else ""
        found.append(f"what came since is not there: {printable(remote['error'])}{again}")
    return found


def told(reply: Reply) -> list[str]:
    """Returns what a travel did, as the kernel says it."""
    sentences = reply.get("told") or [f"Now at {short(reply['head'])}." if reply["applied"] else "Would go there."]
    return [printable(each) for each in sentences]


def not_in_state(reply: Reply, most: int = 8) -> str:
    """Returns `In [7], In [9] are not in this state`: cells that were run, and are undone. Empty if there are none."""
    cells: Sequence[Reply] = reply.get("ahead") or ()
    numbered = [f"In [{each['execution_count']}]" for each in cells if each["execution_count"] is not None]
    if not numbered:
        return ""
    earlier = [f"{len(numbered) - most} earlier ones"] if len(numbered) > most else []
    return f"{', '.join([*earlier, *numbered[-most:]])} {'is' if len(numbered) == 1 else 'are'} not in this state"


def seconds_of(timestamp: str) -> float:
    """Returns a time of the protocol as seconds of the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()


def moment(timestamp: str) -> str:
    """Returns a time of the protocol on this machine's clock."""
    return datetime.fromisoformat(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def sessions_told(checkpoints: Sequence[Reply]) -> list[str]:
    """Returns for each row of a log, newest first, of which session it is, where the row above is of another one.

    Cells of two sessions can bear the same number.
    """
    sessions = [str(each["session"]) for each in checkpoints]
    above = [*sessions[:1], *sessions[:-1]]
    return ["" if one == before else _session(one) for one, before in zip(sessions, above, strict=True)]


def _session(session: str) -> str:
    """Returns `session of 2026-11-29 14:05`: its name begins with the time at which it began."""
    try:
        began = datetime.strptime(session[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return "another session"
    return f"session of {began.astimezone():%Y-%m-%d %H:%M}"


def time_ago(timestamp: str, now: float) -> str:
    """Returns `just now`, `5 min ago`, `3 d ago`."""
    passed = now - seconds_of(timestamp)
    for unit, length in _BRIEF:
        if passed >= length:
            return f"{int(passed // length)} {unit} ago"
    return "just now"


def lasted(seconds: float) -> str:
    """Returns `0.04 s`, `12 s`, `3 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def states(number: int) -> str:
    """Returns `3 states`."""
    return counted(number, "state")


def columns(text: str) -> int:
    """Returns how many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def fitted(text: str, width: int) -> str:
    """Returns a text of at most so many columns."""
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
    """Returns a text of exactly so many columns."""
    text = fitted(text, width)
    return text + " " * (width - columns(text))
