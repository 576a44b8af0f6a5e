"""The history as plain text: lanes of box characters, one line for each state, and a second one for its names.

Neighbours: `display` makes the other texts, `html_log` the same as a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kishu_kernel.frontend.pages.wording import (
    Reply,
    View,
    cell,
    changed,
    columns,
    excerpt,
    fitted,
    headline,
    listed,
    names_at,
    notes,
    padded,
    remote_lines,
    sessions_told,
    short,
    time_ago,
)
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted, size

HEAD_DOT, DOT = "●", "○"
MAX_LANES = 12
"""Further ones are drawn in the last column: the text beside them matters more."""

_BOX = {
    "": " ",
    "ud": "│",
    "udr": "├",
    "udl": "┤",
    "ul": "╯",
    "ur": "╰",
    "dl": "╮",
    "dr": "╭",
    "lr": "─",
    "ulr": "┴",
    "dlr": "┬",
    "udlr": "│",  # one line passes behind the other
    "u": "│",
    "d": "│",
    "l": "─",
    "r": "─",
}


def log_text(reply: Reply, view: View) -> str:
    """Returns the history, newest first."""
    if not reply["checkpoints"]:
        return "no states yet: run a cell" + _elsewhere(reply, view)
    graph = reply.get("graph")
    rows: Sequence[Reply] = graph["rows"] if graph else [{"lane": 0, "links": []} for _ in reply["checkpoints"]]
    heads = [each["id"] == reply["head"] for each in reply["checkpoints"]]
    drawn = list(_drawn(rows, heads, min(graph["width"], MAX_LANES) if graph else 1))
    margin = max(columns(node) for node, _, _ in drawn)
    table = _Table(reply["checkpoints"], view, margin)
    lines = []
    sessions = sessions_told(reply["checkpoints"])
    for each, session, (node, beside, below) in zip(reply["checkpoints"], sessions, drawn, strict=True):
        lines += table.lines(each, node, beside, session)
        lines += [] if below is None else [below.rstrip()]
    unpushed = "".join(f"\n{line}" for line in remote_lines(reply, view.now)[1:])
    return "\n".join(lines) + _older(reply) + _elsewhere(reply, view) + unpushed


def variable_text(reply: Reply, view: View) -> str:
    """Returns when a variable changed, with the cells."""
    name = view.asked.get("name", "it")
    how = {"+": "made", "~": "changed", "-": "deleted"}
    lines = []
    for each in reply["checkpoints"]:
        marks = [mark for mark, changed_name in changed(each) if changed_name == printable(name)]
        verb = how[marks[0]] if marks else "changed"
        line = f"{cell(each)}  {verb} {time_ago(each['timestamp'], view.now)}"
        also = [changed_name for _, changed_name in changed(each) if changed_name != printable(name)]
        line += f", with {listed(also, 5)}" if also else ""
        lines.append(fitted(f"{short(each['id'])}  {line}", view.width))
        lines += [f"    {fitted(line, view.width - 4)}" for line in excerpt(each["code"])]
    return "\n".join(lines)


def search_text(reply: Reply, view: View) -> str:
    """Returns what was found, newest first."""
    if not reply["checkpoints"]:
        return f"nothing found: {printable(view.asked.get('text', ''))!r} is in no code, message or name"
    table = _Table(reply["checkpoints"], view, 0)
    lines = []
    for each in reply["checkpoints"]:
        lines += table.lines(each)
        for found in each["found"][:5]:
            where = "" if found["where"] == "code" else f"{found['where']}: "
            lines.append(f"    {fitted(where + printable(found['text']), view.width - 4)}")
        if len(each["found"]) > 5:
            lines.append(f"    and {len(each['found']) - 5} more places")
    return "\n".join(lines) + ("\n... and older ones: add --limit 0" if reply["truncated"] else "")


class _Table:
    """Formats rows with the same columns, which fit into a width."""

    def __init__(self, checkpoints: Sequence[Reply], view: View, margin: int) -> None:
        self._view = view
        self._margin = margin
        self._cell = max(len(cell(each)) for each in checkpoints)
        self._when = max(len(time_ago(each["timestamp"], view.now)) for each in checkpoints)
        room = max(20, view.width - margin - 8 - self._cell - self._when - 5 * 2)
        wanted = max(columns(headline(each)) for each in checkpoints)
        self._code = min(wanted, max(room * 6 // 10, room - max(map(_width_of_changes, checkpoints))))
        self._changes = room - self._code

    def lines(self, each: Reply, node: str = "", beside: str = "", session: str = "") -> list[str]:
        """Returns a line for a checkpoint, and one for its names and notes, if it has any."""
        fields = [
            *([padded(node, self._margin)] if self._margin else []),
            padded(short(each["id"]), 8),
            padded(cell(each), self._cell),
            padded(headline(each), self._code),
            padded(_changes(each, self._changes), self._changes),
            time_ago(each["timestamp"], self._view.now).rjust(self._when),
        ]
        second = [session] if session else []
        second += [f"({', '.join(names_at(each))})"] if names_at(each) else []
        second += [f'"{printable(each["message"])}"'] if each["message"] else []
        second += notes(each)
        lines = ["  ".join(fields).rstrip()]
        if second:
            indent = (padded(beside, self._margin) + "  " if self._margin else "") + " " * 10
            lines.append(fitted(indent + "  ".join(second), self._view.width))
        return lines


def _width_of_changes(each: Reply) -> int:
    return columns(_changes(each, 10_000))


def _changes(each: Reply, width: int) -> str:
    """Returns `+a ~b  12 kB`: as many names as fit."""
    marked = [mark + name for mark, name in changed(each)]
    amount = f"  {size(each['payload_bytes'])}" if each["payload_bytes"] else ""
    if not marked:
        return fitted("changed nothing" + amount, width)
    for most in range(len(marked), 0, -1):
        more = f" +{len(marked) - most} more" if most < len(marked) else ""
        text = " ".join(marked[:most]) + more + amount
        if columns(text) <= width:
            return text
    return fitted(marked[0], max(4, width - len(more + amount))) + more + amount


def _older(reply: Reply) -> str:
    return "\n... and older ones: %kishu log --limit 0 shows all" if reply["truncated"] else ""


def _elsewhere(reply: Reply, view: View) -> str:
    if not view.elsewhere:
        return ""
    return f"\n{counted(view.elsewhere, 'state')} on other branches or in other sessions: %kishu log --all shows all"


# --- the lanes


def _drawn(rows: Sequence[Reply], heads: Sequence[bool], width: int) -> Iterable[tuple[str, str, str | None]]:
    """Yields for each row: its lanes, with the dot; the lanes of its second line; a line of bends below it, or None."""
    arriving: set[int] = set()
    for row, head, following in zip(rows, heads, [*rows[1:], None], strict=True):
        links = [(start, end) for start, end in row["links"]]
        going = {start for start, _ in links}
        passing = (going | arriving) - {row["lane"]}
        dot = {min(row["lane"], width - 1): HEAD_DOT if head else DOT}
        node = " ".join(dot.get(at, "│" if at in passing else " ") for at in range(width))
        beside = " ".join("│" if at in going else " " for at in range(width))
        arriving = {end for _, end in links}
        below = _bent(links, width) if any(start != end for start, end in links) else None
        under = following is not None and following["lane"] == row["lane"]
        if below is None and under and row["lane"] not in arriving:
            below = beside  # else the next dot, which is no relative, would seem to be one
        yield node.rstrip(), beside.rstrip(), below


def _bent(links: Sequence[tuple[int, int]], width: int) -> str:
    """Returns the line between two rows in which lanes meet."""
    sides: dict[int, set[str]] = {at: set() for at in range(width + 1)}

    def add(at: int, side: str) -> None:
        if at in sides:
            sides[at].add(side)

    for start, end in links:
        add(start, "u")
        add(end, "d")
        low, high = sorted((start, end))
        for at in range(low, high):
            add(at, "r")
            add(at + 1, "l")
    text = ""
    for at in range(width):
        key = "".join(side for side in "udlr" if side in sides[at])
        text += _BOX[key] + ("─" if "r" in sides[at] and at < width - 1 else " ")
    return text
