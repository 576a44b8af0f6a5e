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
from kishu_kernel.frontend.pages.wording import Reply, View, changed, checkpoints, excerpt
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted, size

HEIGHT, STEP, DOT = 30, 14, 4
"""Of a row, between lanes, and of a dot, in pixels."""
COLOURS = ("#4a8fe2", "#d9822b", "#2da06a", "#a86bd6", "#d6457f", "#1a9ba1", "#8a8d3c")
"""Of lanes. All can be told from white and from black."""
_MOST_LANES = 30

Links = Sequence[tuple[int, int]]


def log_page(reply: Reply, view: View) -> str:
    """The history, newest first."""
    if not reply["checkpoints"]:
        return page("<p>No checkpoints yet: run a cell.</p>", _more(reply, view))
    graph = reply.get("graph") or {"rows": [{"lane": 0, "links": []} for _ in reply["checkpoints"]]}
    width = min(graph.get("width", 1), _MOST_LANES)
    rows = []
    above: Links = []
    for each, row in zip(reply["checkpoints"], graph["rows"], strict=True):
        here = each["id"] == reply["head"]
        below = [(start, end) for start, end in row["links"]]
        rows.append(_row(each, here, _lanes(above, below, row["lane"], width, here), view))
        above = below
    head = ("", "Cell", "Code", "Changed", "Size", "When", "Id")
    branch = f", on branch <b>{esc(reply['branch'])}</b>" if reply["branch"] else ""
    caption = f"{checkpoints(len(rows))}{branch}"
    return page(table(head, rows, caption=caption, kind="k-log"), _more(reply, view))


def search_page(reply: Reply, view: View) -> str:
    """What was found."""
    wanted = view.asked.get("text", "")
    if not reply["checkpoints"]:
        return page(f"<p>Nothing in code, messages or names has <b>{esc(wanted)}</b> in it.</p>")
    rows = []
    for each in reply["checkpoints"]:
        places = [
            ("" if found["where"] == "code" else f'<span class="k-soft">{esc(found["where"])}</span> ')
            + f"<code>{highlighted_search(found['text'], wanted)}</code>"
            for found in each["found"][:5]
        ]
        places += [f'<span class="k-soft">and {len(each["found"]) - 5} more</span>'] if len(each["found"]) > 5 else []
        told = (
            f'<td class="k-wrap">{"<br>".join(places)}</td><td class="k-right">{ago(each["timestamp"], view.now)}</td>'
        )
        rows.append(f"<tr><td>{cell_of(each)}</td>{told}<td>{refs(each)}{id_of(each['id'])}</td></tr>")
    caption = f"{checkpoints(len(rows))} with <mark>{esc(wanted)}</mark>"
    older = '<p class="k-soft">And older ones: add <code>--limit 0</code>.</p>' if reply["truncated"] else ""
    return page(table(("Cell", "Found", "When", "Id"), rows, caption=caption, kind="k-top"), older)


def variable_page(reply: Reply, view: View) -> str:
    """When a variable changed, with the cells."""
    name = view.asked.get("name", "")
    rows = []
    for each in reply["checkpoints"]:
        marked = changed(each)
        mine = [one for one in marked if one[1] == printable(name)]
        others = [one for one in marked if one[1] != printable(name)]
        told = change_chips(mine, 1) + (
            f'<br><span class="k-soft">with</span> {change_chips(others, 3)}' if others else ""
        )
        cells = f"<td>{cell_of(each)}<br>{refs(each)}</td><td>{told}</td>"
        code = f'<td class="k-wrap">{code_block(chr(10).join(excerpt(each["code"], 12)))}</td>'
        rows.append(f"<tr>{cells}{code}<td>{ago(each['timestamp'], view.now)}</td><td>{id_of(each['id'])}</td></tr>")
    caption = f"When did <code>{esc(name)}</code> change? {counted(len(rows), 'cell')}, newest first"
    return page(table(("Cell", "Changed", "Code", "When", "Id"), rows, caption=caption, kind="k-top"))


def _row(each: Reply, here: bool, drawing: str, view: View) -> str:
    told = f"{refs(each, here)}{message(each)}{note_chips(each)}{code_line(each)}"
    weight = size(each["payload_bytes"]) if each["payload_bytes"] else ""
    current = ' class="k-here" aria-current="true"' if here else ""
    return (
        f'<tr{current}><td class="k-lanes">{drawing}</td><td>{cell_of(each)}</td><td class="k-line">{told}</td>'
        f'<td>{changes_of(each)}</td><td class="k-right">{weight}</td>'
        f'<td class="k-right">{ago(each["timestamp"], view.now)}</td><td>{id_of(each["id"])}</td></tr>'
    )


def _lanes(above: Links, below: Links, lane: int, width: int, here: bool) -> str:
    """The part of the graph in one row. A line between two rows is cut where they meet."""
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
        f'<path d="{way}" stroke="{_colour(at)}" stroke-width="2" fill="none"/>' for at, way in lines if at < width
    )
    at, colour = f'cx="{_x(lane):g}" cy="{middle:g}"', _colour(lane)
    ring = f'<circle {at} r="{DOT + 3}" fill="none" stroke="{colour}" stroke-width="2"/>'
    dot = f'<circle {at} r="{DOT}" fill="{colour}"/>'
    drawn = f"{paths}{dot}{ring if here else ''}" if lane < width else paths
    return f'<svg width="{width * STEP + 10}" height="{HEIGHT}" aria-hidden="true">{drawn}</svg>'


def _x(lane: int) -> float:
    return lane * STEP + 10


def _colour(lane: int) -> str:
    return COLOURS[lane % len(COLOURS)]


def _more(reply: Reply, view: View) -> str:
    told = []
    if reply["truncated"]:
        shown = len(reply["checkpoints"])
        told.append(f"Only the newest {shown:,} are shown: <code>%kishu log --limit 0</code> shows all.")
    if view.elsewhere:
        others = checkpoints(view.elsewhere)
        told.append(f"{others} on other branches or in other sessions: <code>%kishu log --all</code> shows all.")
    return f'<p class="k-soft">{" ".join(told)}</p>' if told else ""
