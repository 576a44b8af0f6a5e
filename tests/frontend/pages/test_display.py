"""What a person sees of replies: text that fits, and pages in which no text of a store means anything but itself."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.displaypub import CapturingDisplayPublisher

from kishu_kernel.frontend.magic.republish import republish
from kishu_kernel.frontend.magic.subcommands import SUBCOMMANDS, help_page, help_text
from kishu_kernel.frontend.pages.display import as_bundle, as_text
from kishu_kernel.frontend.pages.html import STYLE
from kishu_kernel.frontend.pages.wording import View, columns, first_line
from kishu_kernel.frontend.protocol.content import sendable
from kishu_kernel.history.graph_layout import graph_rows

NOW = 1_790_000_000.0
EVIL = "<script>alert(1)</script></style></svg>\x1b[2J \ud800 \u202e \"'><img src=x onerror=alert(1)>`x`"
VOID = ("br", "circle", "path", "img")
ALLOWED = {
    *("div", "style", "table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "path", "circle", "span", "code"),
    *("time", "em", "b", "br", "p", "pre", "h4", "details", "summary", "mark"),
}


def checkpoint(number: int = 1, **how: Any) -> dict[str, Any]:
    content = {
        "id": f"{number:016x}",
        "parent": None,
        "session": "s",
        "timestamp": datetime.fromtimestamp(NOW - 60 * (1000 - number), timezone.utc).isoformat(),
        "execution_count": number,
        "code": f"x = {number}",
        "status": "ok",
        "error": None,
        "duration": 0.1,
        "created": [],
        "modified": ["x"],
        "deleted": [],
        "payload_bytes": 1200,
        "not_stored": [],
        "message": None,
        "branches": [],
        "tags": [],
        "incomplete": None,
        "trusted": True,
        **how,
    }
    reply: dict[str, Any] = sendable(content)
    return reply


def evil(number: int = 1) -> dict[str, Any]:
    return checkpoint(
        number,
        code=f"{EVIL}\n'''{EVIL}",
        status="error",
        error=EVIL,
        created=[EVIL],
        deleted=[EVIL * 3],
        message=EVIL,
        branches=[EVIL],
        tags=[EVIL],
        not_stored=[{"names": [EVIL], "reason": EVIL}],
        session=EVIL,
    )


def log(checkpoints: list[dict[str, Any]], head: int = 0, truncated: bool = False) -> dict[str, Any]:
    nodes = [SimpleNamespace(id=each["id"], parent=each["parent"]) for each in checkpoints]
    parents = {node.id: node.parent for node in nodes}
    way, at = set(), nodes[head].id
    while at in parents:
        way.add(at)
        at = parents[at]
    rows = graph_rows(nodes, way)  # type: ignore[arg-type]
    width = 1 + max(at for row in rows for at in (row.lane, *(end for link in row.links for end in link)))
    return {
        "operation": "log",
        "head": nodes[head].id,
        "branch": "main",
        "checkpoints": checkpoints,
        "truncated": truncated,
        "graph": {
            "width": width,
            "rows": [{"lane": row.lane, "links": [list(each) for each in row.links]} for row in rows],
        },
    }


PLAN = {
    "keep": [["k"]],
    "load": [{"names": [EVIL], "bytes": 3}],
    "delete": [EVIL],
    "replay": [{"checkpoint": "a", "code": EVIL, "seconds": 1.0, "gives": [EVIL], "side_effects": [EVIL]}],
    "ambient": [EVIL],
    "lost": [{"names": [EVIL], "reason": EVIL}],
}
TRAVEL = {"head": "ab" * 8, "from": "cd" * 8, "plan": PLAN, "applied": True, "seconds": 0.5}
AHEAD = [{"checkpoint": "a", "execution_count": 7, "code": EVIL}, {"checkpoint": "b", "execution_count": 9, "code": ""}]
CHANGE = {
    "aspects": [{"aspect": EVIL, "before": EVIL, "after": "b"}],
    "cells": [{"row": EVIL, "column": EVIL, "before": EVIL, "after": EVIL}],
    "note": EVIL,
}
STORE = {"path": EVIL, "bytes": 5000, "checkpoints": 3, "chunks": 4}
LISTED = {"name": EVIL, "path": EVIL, "notebook": EVIL, "exists": False, "bytes": 5, "used": checkpoint()["timestamp"]}
REPLIES: list[dict[str, Any]] = [
    log([evil(2), evil(1)]),
    {"operation": "status", "head": None, "branch": EVIL, "session": "s", "store": STORE, "warnings": [EVIL]},
    {"operation": "undo", **TRAVEL, "ahead": AHEAD},
    {"operation": "checkout", **TRAVEL, "applied": False, "ahead": []},
    {
        "operation": "show",
        "checkpoint": evil(),
        "outputs": [],
        "variables": [{"name": EVIL, "type": EVIL, "summary": EVIL, "version": "a", "stored": True, "bytes": 1}],
    },
    {
        "operation": "diff",
        "created": ["c"],
        "modified": [EVIL],
        "deleted": [],
        "details": [
            {"name": EVIL, "before": EVIL, "after": "int: 3", "change": CHANGE},
            {"name": "c", "before": None, "after": EVIL, "change": None},
        ],
    },
    {"operation": "variable", "checkpoints": [evil()]},
    {"operation": "search", "checkpoints": [{**evil(), "found": [{"where": "code", "text": EVIL}]}], "truncated": True},
    {"operation": "branch", "branches": {EVIL: "ab" * 8}},
    {"operation": "tag", "tags": {EVIL: "ab" * 8}},
    {"operation": "stores", "stores": [{**LISTED, "own": True}]},
    {"operation": "attach", "store": EVIL, "sessions": 1},
    {"operation": "commit", "head": "ab" * 8},
    {"operation": "export", "cells": 3, "path": EVIL},
]


class Page(HTMLParser):
    """Which elements a page has; that all are closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def bundle(reply: dict[str, Any]) -> dict[str, str]:
    return as_bundle(sendable(reply), View({"text": "script", "name": EVIL, "target": EVIL, "base": EVIL}, now=NOW))


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply["operation"])
def test_hostile_text_means_nothing(reply: dict[str, Any]) -> None:
    shown = bundle(reply)
    for text in shown.values():
        text.encode()  # no half of a pair
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    if "text/html" in shown:
        page = Page(shown["text/html"])
        assert {tag for tag, _ in page.elements} <= ALLOWED
        for _, attributes in page.elements:
            assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "style")]
        assert shown["text/html"].count("<style>") == 1
        assert "url(" not in STYLE
        assert (
            "<script>alert(1)" in page.text
            or reply["operation"] in ("branch", "tag", "commit")
            or "script" in page.text
        )


@pytest.mark.parametrize("reply", REPLIES[:1] + REPLIES[4:9] + REPLIES[10:11], ids=lambda reply: reply["operation"])
def test_tables_have_headings(reply: dict[str, Any]) -> None:
    page = Page(bundle(reply)["text/html"])
    assert any(tag == "th" and attributes.get("scope") == "col" for tag, attributes in page.elements)


def parents() -> st.SearchStrategy[list[int]]:
    """Of each checkpoint: how many before it its parent is."""
    return st.lists(st.integers(0, 6), min_size=1, max_size=40)


def history(steps: list[int]) -> list[dict[str, Any]]:
    """Newest first."""
    made: list[dict[str, Any]] = []
    for number, step in enumerate(steps):
        parent = made[number - step]["id"] if 0 < step <= number else None
        made.append(checkpoint(number, parent=parent))
    return made[::-1]


def ends(lines: list[str]) -> dict[int, int]:
    """Follows the lines of a drawing down from each dot: which row's dot it comes to, by number of the row."""
    up, down, right = "│├┤╯╰┴", "│├┤╮╭┬", "─╰╭├┴┬│"
    rows = [at for at, line in enumerate(lines) if set(line) & set("●○")]

    def at(line: int, column: int) -> str:
        return lines[line][column] if line < len(lines) and column < len(lines[line]) else " "

    def follow(line: int, column: int) -> int | None:
        while line < len(lines):
            here = at(line, column)
            if here in "●○":
                return rows.index(line)
            if here in down and here in up:
                line += 1
            elif here in up:  # it bends, always to the left
                column -= 1
                while at(line, column) in "─│┴":
                    column -= 1
                assert at(line, column) in right
                assert at(line, column) in down
                line += 1
            else:
                return None
        return None

    found = {}
    for number, line in enumerate(rows):
        column = next(at for at, each in enumerate(lines[line]) if each in "●○")
        end = follow(line + 1, column)
        if end is not None:
            found[number] = end
    return found


@given(parents(), st.data())
def test_lanes_of_text_lead_from_each_checkpoint_to_its_parent(steps: list[int], data: st.DataObject) -> None:
    checkpoints = history(steps)
    reply = log(checkpoints, data.draw(st.integers(0, len(checkpoints) - 1)))
    if reply["graph"]["width"] > 12:
        return
    lines = as_text(reply, View(now=NOW)).splitlines()
    margin = 2 * reply["graph"]["width"]
    by_id = {each["id"]: at for at, each in enumerate(checkpoints)}
    expected = {at: by_id[each["parent"]] for at, each in enumerate(checkpoints) if each["parent"]}
    assert ends([line[:margin] for line in lines]) == expected


@given(parents(), st.integers(80, 160))
def test_the_log_fits_the_terminal(steps: list[int], width: int) -> None:
    checkpoints = [
        {**each, "code": "数据 = " + "x" * (at * 7), "created": ["long_name" * 3] * at, "tags": ["t"] * at}
        for at, each in enumerate(history(steps))
    ]
    for line in as_text(log(checkpoints), View(width=width, now=NOW)).splitlines():
        assert columns(line) <= width


def test_a_long_history_says_what_it_leaves_out() -> None:
    shown = as_bundle(log(history([1] * 100), truncated=True), View(now=NOW))
    assert shown["text/html"].count("<tr") == 101
    assert "Only the newest 100 are shown" in shown["text/html"]
    assert "%kishu log --limit 0" in shown["text/plain"]
    assert len(shown["text/html"]) < 150_000


def test_many_lanes_are_still_drawn() -> None:
    tips = [checkpoint(number, parent=f"{0:016x}") for number in range(60, 0, -1)]
    shown = as_bundle(log([*tips, checkpoint(0)]), View(now=NOW))
    assert max(map(columns, shown["text/plain"].splitlines())) <= 80
    Page(shown["text/html"])


@pytest.mark.parametrize(
    ("left", "sentence"),
    [
        ([], ""),
        ([7], "In [7] is not in this state"),
        ([7, 9], "In [7], In [9] are not in this state"),
        (
            list(range(1, 11)),
            "2 earlier ones, In [3], In [4], In [5], In [6], In [7], In [8], In [9], In [10] are not in this state",
        ),
    ],
)
def test_cells_that_are_ahead(left: list[int], sentence: str) -> None:
    cells = [{"checkpoint": "a", "execution_count": count, "code": "x"} for count in left]
    shown = as_text({"operation": "undo", **TRAVEL, "ahead": cells})
    assert shown.splitlines()[-1] == (sentence or shown.splitlines()[-1])
    assert ("not in this state" in shown) is bool(sentence)


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("# %%\n\nx = 1", "x = 1"),
        ("# %% load\n# all of it\nx = 1\ny = 2", "x = 1 ..."),
        ("# %%\n# only words", "# only words"),
        ("# %%", "# %%"),
        (" \n", "(changed between cells)"),
    ],
)
def test_a_cell_is_called_by_the_first_line_that_says_something(code: str, title: str) -> None:
    assert first_line(code) == title


def test_sessions_are_told_apart() -> None:
    """Each has a cell In[1]."""
    names = ["20261129T230342Z-4e20b1", "20261129T230342Z-4e20b1", "20261128T090000Z-0a1b2c", "20261127T080000Z-3d4e5f"]
    listed = [checkpoint(number, session=name) for number, name in zip((2, 1, 1, 1), names, strict=True)]
    reply = {
        "status": "ok",
        "operation": "log",
        "head": None,
        "branch": None,
        "checkpoints": listed,
        "truncated": False,
    }
    began = [datetime.strptime(name[:16], "%Y%m%dT%H%M%S%z").astimezone() for name in names[2:]]
    told = [f"session of {each:%Y-%m-%d %H:%M}" for each in began]
    for page in (as_text(reply), as_bundle(reply, View(now=NOW))["text/html"]):
        assert re.findall(r"session of [\d-]+ [\d:]+", page) == told


def test_results_say_little() -> None:
    shown = as_text(log([checkpoint(1, created=["_1", "y"])]), View(now=NOW))
    assert "+y" in shown
    assert "_1" not in shown


def test_outputs_are_shown_again_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    shell = SimpleNamespace(display_pub=CapturingDisplayPublisher())
    script = {"text/html": "<script>alert(1)</script>", "application/javascript": "alert(1)"}
    outputs = [
        {"output_type": "display_data", "data": script, "metadata": {}},
        {"output_type": "stream", "name": "stdout", "text": "\x1b[2Jgone\n"},
        {"output_type": "error", "ename": "E", "evalue": "e", "traceback": ["\x1b[31mE: e"]},
    ]
    republish(shell, outputs)
    assert [each["data"] for each in shell.display_pub.outputs] == [script]
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("\x1b[2Jgone\n", "\x1b[31mE: e\n")


def test_it_is_said_where_they_are_not_shown_as_they_were() -> None:
    note = "Outputs are shown as text only: `jupyter kishu trust <b>` shows them."
    told = as_bundle({**REPLIES[4], "outputs": [{"output_type": "stream"}], "outputs_note": note}, View())
    assert "<code>jupyter kishu trust &lt;b&gt;</code>" in told["text/html"]
    assert note in told["text/plain"]


def test_help_names_everything() -> None:
    for text in (help_text(), Page(help_page()).text):
        for each in SUBCOMMANDS:
            assert each.usage in text
            for option in each.options:
                assert option.flag in text
    for each in SUBCOMMANDS:
        for text in (help_text(each.name), Page(help_page(each.name)).text):
            assert each.usage in text
            assert all(option.what.split(":")[0] in text.replace("`", "") for option in each.options)
