"""The history as a page: lanes for branches, drawn row by row, so that a table stays a table.

Neighbours: `html` has the pieces, `history/graph_layout` says in which lane each checkpoint stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from kishu_kernel.frontend.pages.html import (
    ago,
    cell_of,
    change_chips,
    changes_of,
    chip,
    code_block,
    code_line,
    esc,
    highlighted_search,
    id_of,
    message,
    note_chips,
    page,
    refs,
    table,
)
from kishu_kernel.frontend.pages.wording import Reply, View, changed, excerpt, sessions_told, states
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted, size

HEIGHT, STEP, DOT = 30, 14, 4
"""Pixels: the height of a row, the distance between lanes, the radius of a dot."""
COLOURS = ("#4a8fe2", "#d9822b", "#2da06a", "#a86bd6", "#d6457f", "#1a9ba1", "#8a8d3c")
"""Colours of lanes, which can be seen on white and on black."""
_MAX_LANES = 30

Links = Sequence[tuple[int, int]]


def log_page(reply: Reply, view: View) -> str:
    """Returns the history, newest first."""
    if not reply["checkpoints"]:
        return page("<p>No states yet: run a cell.</p>", _more(reply, view))
    graph = reply.get("graph") or {"rows": [{"lane": 0, "links": []} for _ in reply["checkpoints"]]}
    width = min(graph.get("width", 1), _MAX_LANES)
    rows = []
    above: Links = []
    sessions = sessions_told(reply["checkpoints"])
    for each, row, session in zip(reply["checkpoints"], graph["rows"], sessions, strict=True):
        is_head = each["id"] == reply["head"]
        below = [(start, end) for start, end in row["links"]]
        rows.append(_row(each, is_head, _lanes(above, below, row["lane"], width, is_head), session, view))
        above = below
    head = ("", "Id", "Cell", "Code", "Changed", "Size", "When")  # the narrow ones first: the last may be cut off
    branch = f", on branch <b>{esc(reply['branch'])}</b>" if reply["branch"] else ""
    caption = f"{states(len(rows))}{branch}"
    return page(table(head, rows, caption=caption, kind="k-log"), _more(reply, view))


def search_page(reply: Reply, view: View) -> str:
    """Returns what was found."""
    wanted = view.asked.get("text", "")
    if not reply["checkpoints"]:
        return page(f"<p>Nothing found: <b>{esc(wanted)}</b> is in no code, message or name.</p>")
    rows = []
    for each in reply["checkpoints"]:
        places = [
            ("" if found["where"] == "code" else f'<span class="k-soft">{esc(found["where"])}</span> ')
            + f"<code>{highlighted_search(found['text'], wanted)}</code>"
            for found in each["found"][:5]
        ]
        places += [f'<span class="k-soft">and {len(each["found"]) - 5} more</span>'] if len(each["found"]) > 5 else []
        columns = (
            f'<td class="k-wrap">{"<br>".join(places)}</td><td class="k-right">{ago(each["timestamp"], view.now)}</td>'
        )
        rows.append(f"<tr><td>{id_of(each['id'])}</td><td>{cell_of(each)} {refs(each)}</td>{columns}</tr>")
    caption = f"{states(len(rows))} with <mark>{esc(wanted)}</mark>"
    older = '<p class="k-soft">There are older ones: add <code>--limit 0</code>.</p>' if reply["truncated"] else ""
    return page(table(("Id", "Cell", "Found", "When"), rows, caption=caption, kind="k-top"), older)


def variable_page(reply: Reply, view: View) -> str:
    """Returns when a variable changed, with the cells."""
    name = view.asked.get("name", "")
    rows = []
    for each in reply["checkpoints"]:
        marked = changed(each)
        mine = [one for one in marked if one[1] == printable(name)]
        others = [one for one in marked if one[1] != printable(name)]
        chips = change_chips(mine, 1) + (
            f'<br><span class="k-soft">with</span> {change_chips(others, 3)}' if others else ""
        )
        cells = f"<td>{cell_of(each)}<br>{refs(each)}</td><td>{chips}</td>"
        code = f'<td class="k-wrap">{code_block(chr(10).join(excerpt(each["code"], 12)))}</td>'
        rows.append(f"<tr><td>{id_of(each['id'])}</td>{cells}{code}<td>{ago(each['timestamp'], view.now)}</td></tr>")
    caption = f"When <code>{esc(name)}</code> changed: {counted(len(rows), 'state')}, newest first"
    return page(table(("Id", "Cell", "Changed", "Code", "When"), rows, caption=caption, kind="k-top"))


def _row(each: Reply, is_head: bool, drawing: str, session: str, view: View) -> str:
    of = chip(session, "k-note", "the newest of its states in this list") if session else ""
    text = f"{refs(each, is_head)}{of}{message(each)}{note_chips(each)}{code_line(each)}"
    weight = size(each["payload_bytes"]) if each["payload_bytes"] else ""
    current = ' class="k-here" aria-current="true"' if is_head else ""
    return (
        f'<tr{current}><td class="k-lanes">{drawing}</td><td>{id_of(each["id"])}</td><td>{cell_of(each)}</td>'
        f'<td class="k-line">{text}</td><td>{changes_of(each)}</td><td class="k-right">{weight}</td>'
        f'<td class="k-right">{ago(each["timestamp"], view.now)}</td></tr>'
    )


def _lanes(above: Links, below: Links, lane: int, width: int, is_head: bool) -> str:
    """Returns the part of the graph in one row. A line between two rows is cut where they meet."""
    middle, quarter = HEIGHT / 2, HEIGHT / 4
    lines = []
    for start, end in above:
        one, other = _x(start), _x(end)
        half = (one + other) / 2
        bend = f"C{(one + 3 * other) / 4:g} {HEIGHT / 8:g} {other:g} {quarter:g} {other:g} {middle:g}"
        lines.append((max(start, end), f"M{half:g} 0{bend}" if one != other else f"M{one:g} 0V{middle:g}"))
    for start, end in below:
        one, other = _x(start), _x(end)
        half = (one + other) / 2
        bend = f"C{one:g} {middle + quarter:g} {(3 * one + other) / 4:g} {HEIGHT * 7 / 8:g} {half:g} {HEIGHT}"
        lines.append((max(start, end), f"M{one:g} {middle:g}{bend if one != other else f'V{HEIGHT}'}"))
    paths = "".join(
        f'<path d="{line}" stroke="{_colour(at)}" stroke-width="2" fill="none"/>' for at, line in lines if at < width
    )
    at, colour = f'cx="{_x(lane):g}" cy="{middle:g}"', _colour(lane)
    ring = f'<circle {at} r="{DOT + 3}" fill="none" stroke="{colour}" stroke-width="2"/>'
    dot = f'<circle {at} r="{DOT}" fill="{colour}"/>'
    drawn = f"{paths}{dot}{ring if is_head else ''}" if lane < width else paths
    return f'<svg width="{width * STEP + 10}" height="{HEIGHT}" aria-hidden="true">{drawn}</svg>'


def _x(lane: int) -> float:
    return lane * STEP + 10


def _colour(lane: int) -> str:
    return COLOURS[lane % len(COLOURS)]


def _more(reply: Reply, view: View) -> str:
    notes = []
    if reply["truncated"]:
        shown = len(reply["checkpoints"])
        notes.append(f"Only the newest {shown:,} are shown: <code>%kishu log --limit 0</code> shows all.")
    if view.elsewhere:
        others = states(view.elsewhere)
        notes.append(f"{others} on other branches or in other sessions: <code>%kishu log --all</code> shows all.")
    return f'<p class="k-soft">{" ".join(notes)}</p>' if notes else ""
