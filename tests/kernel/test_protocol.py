"""PROTOCOL, version 1, as a client sees it: every field, every channel, bad requests."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path
from types import NoneType
from typing import Any

import nbformat
import pytest

from .conftest import Start
from .driver import PATIENCE, Content, Kernel

# -- shapes ----------------------------------------------------------------------------------------
# A type stands for exactly that type (a bool is no int), a tuple for one of several, [shape] for a
# list, {key: shape} for an object that has these keys, and may have more; a function for itself.


def utc(value: Any) -> bool:
    return type(value) is str and datetime.fromisoformat(value).utcoffset() == timedelta(0)


def seconds(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 3600


def size(value: Any) -> bool:
    return type(value) is int and value >= 0


def checkpoint_id(value: Any) -> bool:
    return type(value) is str and len(value) >= 4


def names(value: Any) -> bool:
    return type(value) is list and all(type(each) is str for each in value) and value == sorted(value)


def some_names(value: Any) -> bool:
    return names(value) and value != []


def refs(value: Any) -> bool:
    return type(value) is dict and all(type(key) is str and checkpoint_id(value[key]) for key in value)


ANY = object
CHECKPOINT = {
    "id": checkpoint_id,
    "parent": (checkpoint_id, NoneType),
    "session": str,
    "timestamp": utc,
    "execution_count": (int, NoneType),
    "code": str,
    "status": ("ok", "error", "interrupted"),
    "duration": seconds,
    "created": names,
    "modified": names,
    "deleted": names,
    "accessed": names,
    "payload_bytes": size,
    "written_bytes": size,
    "not_stored": [{"names": some_names, "reason": str}],
    "message": (str, NoneType),
    "branches": [str],
    "tags": [str],
}
PLAN = {
    "keep": [some_names],
    "load": [{"names": some_names, "bytes": size}],
    "delete": names,
    "replay": [
        {
            "checkpoint": checkpoint_id,
            "code": str,
            "seconds": seconds,
            "gives": some_names,
            "side_effects": [str],
            "execution_count": (int, NoneType),
        }
    ],
    "lost": [{"names": some_names, "reason": str}],
}
TRAVEL = {
    "head": (checkpoint_id, NoneType),
    "from": (checkpoint_id, NoneType),
    "plan": PLAN,
    "applied": bool,
    "seconds": seconds,
    "ahead": [{"checkpoint": checkpoint_id, "execution_count": (int, NoneType), "code": str, "session": str}],
    "told": [str],
}
UNDONE = {"checkpoint": checkpoint_id, "execution_count": (int, NoneType), "code": str, "changed": bool}
VARIABLE = {
    "name": str,
    "type": str,
    "summary": str,
    "version": checkpoint_id,
    "stored": bool,
    "bytes": size,
}
REPLIES: dict[str, Any] = {
    "status": {
        "head": (checkpoint_id, NoneType),
        "branch": (str, NoneType),
        "session": str,
        "latest": (checkpoint_id, NoneType),
        "pending": bool,
        "store": {"path": (str, NoneType), "bytes": size, "checkpoints": size, "chunks": size},
        "warnings": [str],
    },
    "log": {
        "head": (checkpoint_id, NoneType),
        "branch": (str, NoneType),
        "checkpoints": [CHECKPOINT],
        "truncated": bool,
    },
    "checkout": TRAVEL,
    "undo": {**TRAVEL, "undone": [UNDONE]},
    "redo": TRAVEL,
    "resume": TRAVEL,
    "commit": {"head": checkpoint_id},
    "branch": {"branches": refs},
    "tag": {"tags": refs},
    "show": {"checkpoint": CHECKPOINT, "outputs": [dict], "variables": [VARIABLE]},
    "diff": {
        "created": names,
        "modified": names,
        "deleted": names,
        "details": [{"name": str, "type": str, "before": (str, NoneType), "after": (str, NoneType)}],
    },
    "variable": {"checkpoints": [CHECKPOINT]},
    "search": {
        "checkpoints": [
            {**CHECKPOINT, "found": [{"where": ("code", "message", "name", "branch", "tag"), "text": str}]}
        ],
        "truncated": bool,
    },
    "export": {"cells": size},
}
GRAPH = {"width": size, "rows": [{"id": checkpoint_id, "lane": size, "links": [[size]]}]}
CHANGE = {
    "aspects": [{"aspect": str, "before": str, "after": str}],
    "cells": [{"row": str, "column": str, "before": str, "after": str}],
    "note": (str, NoneType),
}


def fits(value: Any, shape: Any) -> bool:
    if isinstance(shape, type):
        return type(value) is shape
    if isinstance(shape, str):
        return bool(value == shape)
    if isinstance(shape, tuple):
        return any(fits(value, each) for each in shape)
    if isinstance(shape, list):
        return type(value) is list and all(fits(each, shape[0]) for each in value)
    if isinstance(shape, dict):
        return type(value) is dict and all(key in value and fits(value[key], shape[key]) for key in shape)
    return bool(shape(value))


def misfits(value: Any, shape: Any, at: str = "") -> list[str]:
    """Where a value is not of a shape."""
    if isinstance(shape, dict) and type(value) is dict:
        missing = [f"{at}.{key} is missing" for key in shape if key not in value]
        present = [key for key in shape if key in value]
        return missing + [text for key in present for text in misfits(value[key], shape[key], f"{at}.{key}")]
    if isinstance(shape, list) and type(value) is list:
        return [text for n, each in enumerate(value) for text in misfits(each, shape[0], f"{at}[{n}]")]
    return [] if fits(value, shape) else [f"{at} is {value!r}"]


def checked(reply: Content) -> Content:
    """The reply, which says all that the protocol promises of it."""
    assert reply["status"] == "ok", reply
    assert (type(reply["protocol"]), reply["protocol"]) == (int, 1)
    assert misfits(reply, REPLIES[reply["operation"]]) == []
    return reply


def refused(reply: Content) -> str:
    """Why; the reply is Jupyter's error form, and its reason one line."""
    assert reply["status"] == "error"
    assert misfits(reply, {"ename": str, "evalue": str, "traceback": [str], "hint": str}) == []
    assert reply["ename"]
    assert reply["hint"].endswith(".")
    assert reply["evalue"].strip()
    assert "\n" not in reply["evalue"]
    assert not reply["evalue"].startswith("unexpected"), reply["evalue"]
    return str(reply["evalue"])


ALL_VARIABLES = (
    "{name: repr(obj) for name, obj in globals().items() if not name.startswith('_') and name not in ('In', 'Out')}"
)


def everything(kernel: Kernel, variables: str = ALL_VARIABLES) -> Any:
    """What no bad request may change: the head, the history with all its names, the variables.

    To look at a generator is to touch it: a test that has one says which variables to look at.
    """
    log = kernel.done("log", limit=0, all=True)
    status = kernel.done("status")
    values = kernel.value(variables)
    return log["checkpoints"], status["head"], status["branch"], status["warnings"], values


def ids(reply: Content) -> list[str]:
    return [each["id"] for each in reply["checkpoints"]]


# -- a notebook with a past ------------------------------------------------------------------------


def make_past(kernel: Kernel) -> dict[str, str]:
    """Cells by a word for each; two branches; the session stands on `main` after `late`.

    first - shared - hold - error - late    main
                   \\ - aside               idea
    """
    for code in (
        "n = 1",
        "xs = [1, 2]; ys = xs",
        "print('hi'); xs.append(3); xs",
        "n = 2; 1 / 0",
        "del n; maker = (i for i in range(3))",
    ):
        kernel.run(code)
    main = ids(kernel.done("log"))[::-1]
    kernel.done("branch", name="idea", target=main[1])
    kernel.done("checkout", target="idea")
    kernel.ok("aside = 'elsewhere'")
    kernel.done("tag", name="kept", target=main[0])
    aside = kernel.done("status")["head"]
    kernel.done("checkout", target="main")
    words = ("first", "shared", "hold", "error", "late")
    return {**dict(zip(words, main, strict=True)), "aside": aside}


@pytest.fixture(scope="module")
def past(shared: Kernel) -> dict[str, str]:
    """As `make_past` says; nobody adds to it."""
    return make_past(shared)


# -- what is there ---------------------------------------------------------------------------------


def test_clients_can_know_before_they_ask(shared: Kernel) -> None:
    for channel in ("shell", "control"):
        features = shared.message("kernel_info_request", channel=channel)["supported_features"]
        assert "kishu" in features
        assert "kernel subshells" in features  # and what ipykernel has is still there


def test_status(shared: Kernel, past: dict[str, str]) -> None:
    status = checked(shared.request("status"))
    assert (status["head"], status["branch"]) == (past["late"], "main")
    assert status["latest"] == past["aside"]  # what was made last, though the session stands elsewhere
    assert status["store"]["checkpoints"] == len(past)
    assert Path(status["store"]["path"]).is_dir()
    assert status["warnings"] == []


def test_a_checkpoint_says_what_its_cell_did(shared: Kernel, past: dict[str, str]) -> None:
    log = checked(shared.request("log"))
    assert (log["head"], log["branch"], log["truncated"]) == (past["late"], "main", False)
    assert ids(log) == [past[word] for word in ("late", "error", "hold", "shared", "first")]
    late, error, hold, joined, first = log["checkpoints"]

    assert [each["parent"] for each in log["checkpoints"]] == [*ids(log)[1:], None]
    assert [each["execution_count"] for each in log["checkpoints"]] == [5, 4, 3, 2, 1]
    assert {each["session"] for each in log["checkpoints"]} == {shared.done("status")["session"]}
    times = [datetime.fromisoformat(each["timestamp"]) for each in log["checkpoints"]]
    assert times == sorted(times, reverse=True)

    assert (first["code"], first["created"], first["status"]) == ("n = 1", ["n"], "ok")
    assert joined["created"] == ["xs", "ys"]
    assert hold["modified"] == ["xs", "ys"]
    assert {"xs", "ys"} <= set(hold["accessed"])
    assert (error["status"], error["modified"]) == ("error", ["n"])
    assert (late["created"], late["deleted"]) == (["maker"], ["n"])
    assert [each["names"] for each in late["not_stored"]] == [["maker"]]
    assert "generator" in late["not_stored"][0]["reason"]
    assert (first["tags"], first["branches"]) == (["kept"], [])
    assert (late["tags"], late["branches"]) == ([], ["main"])
    assert all(each["payload_bytes"] > 0 for each in (error, hold, joined, first))
    assert all(each["written_bytes"] > 0 for each in log["checkpoints"])


def test_bytes_are_those_on_disk(start: Start) -> None:
    kernel = start()
    before = checked(kernel.request("status"))["store"]
    kernel.ok("import os; data = os.urandom(3_000_000)")
    while kernel.done("status")["pending"]:
        time.sleep(0.02)
    after = checked(kernel.request("status"))["store"]
    assert 3_000_000 <= after["bytes"] - before["bytes"] < 3_600_000
    on_disk = sum(file.stat().st_blocks * 512 for file in Path(after["path"]).rglob("*") if file.is_file())
    assert after["bytes"] <= on_disk
    last = kernel.done("log")["checkpoints"][0]
    assert 3_000_000 <= last["payload_bytes"] < 3_001_000
    assert 3_000_000 <= last["written_bytes"] < 3_100_000


def test_log_of_everything_is_newest_first(shared: Kernel, past: dict[str, str]) -> None:
    log = checked(shared.request("log", all=True))
    assert ids(log) == [past[word] for word in ("aside", "late", "error", "hold", "shared", "first")]
    assert log["checkpoints"][0]["parent"] == past["shared"]
    assert log["checkpoints"][0]["branches"] == ["idea"]


@pytest.mark.parametrize(
    ("limit", "count", "truncated"),
    [(0, 5, False), (1, 1, True), (4, 4, True), (5, 5, False), (6, 5, False), (10**30, 5, False)],
)
def test_log_limit(shared: Kernel, past: dict[str, str], limit: int, count: int, truncated: bool) -> None:
    log = checked(shared.request("log", limit=limit))
    assert ids(log) == ids(shared.done("log"))[:count]
    assert log["truncated"] is truncated


def test_log_limit_is_100_when_not_told(start: Start) -> None:
    kernel = start("--KishuKernel.in_memory=True")
    for _ in range(101):
        kernel.ok("1;")
    log = checked(kernel.request("log"))
    assert (len(log["checkpoints"]), log["truncated"]) == (100, True)
    assert len(checked(kernel.request("log", limit=0))["checkpoints"]) == 101


def test_log_since(shared: Kernel, past: dict[str, str]) -> None:
    def since(word: str, **how: Any) -> list[str]:
        return ids(checked(shared.request("log", since=past[word], **how)))

    assert since("late") == []
    assert since("hold") == [past["late"], past["error"]]
    assert since("hold", all=True) == [past["aside"], past["late"], past["error"]]
    assert since("first", limit=1) == [past["late"]]
    assert ids(checked(shared.request("log", since=None))) == ids(shared.done("log"))


def test_log_with_a_graph(shared: Kernel, past: dict[str, str]) -> None:
    """A row for each checkpoint, in their order; the way of the head in lane 0, the other branch beside it."""
    log = checked(shared.request("log", all=True, graph=True))
    assert misfits(log["graph"], GRAPH) == []
    assert [row["id"] for row in log["graph"]["rows"]] == ids(log)
    lanes = {row["id"]: row["lane"] for row in log["graph"]["rows"]}
    assert lanes == {id: int(word == "aside") for word, id in past.items()}
    assert [row["links"] for row in log["graph"]["rows"]] == [
        [[1, 1]],
        *[[[0, 0], [1, 1]]] * 2,
        [[0, 0], [1, 0]],
        [[0, 0]],
        [],
    ]
    assert log["graph"]["width"] == 2

    way = checked(shared.request("log", graph=True))
    assert [row["links"] for row in way["graph"]["rows"]] == [*[[[0, 0]]] * 4, []]
    cut = checked(shared.request("log", all=True, graph=True, limit=2))
    assert [row["id"] for row in cut["graph"]["rows"]] == [past["aside"], past["late"]]
    assert cut["graph"]["rows"][1]["links"] == []  # it ends where the log is cut
    later = checked(shared.request("log", all=True, graph=True, since=past["hold"]))
    assert [row["id"] for row in later["graph"]["rows"]] == ids(later)
    assert "graph" not in shared.done("log")
    assert {**log, "graph": None} == {**shared.done("log", all=True), "graph": None}


def test_a_graph_of_nothing(kernel: Kernel) -> None:
    assert checked(kernel.request("log", graph=True))["graph"] == {"width": 0, "rows": []}


def test_search(shared: Kernel, past: dict[str, str]) -> None:
    def found(text: str, **how: Any) -> dict[str, list[tuple[str, str]]]:
        words = {id: word for word, id in past.items()}
        reply = checked(shared.request("search", text=text, **how))
        return {
            words[each["id"]]: [(hit["where"], hit["text"]) for hit in each["found"]] for each in reply["checkpoints"]
        }

    assert found("elseWHERE") == {"aside": [("code", "aside = 'elsewhere'")]}
    assert list(found("xs")) == ["hold", "shared"]  # newest first
    assert ("name", "xs") in found("xs")["shared"]
    assert found("idea") == {"aside": [("branch", "idea")]}
    assert found("kept") == {"first": [("tag", "kept")]}
    assert found("no such text") == {}
    assert found("(i for i") == {"late": [("code", "del n; maker = (i for i in range(3))")]}

    first = checked(shared.request("search", text="xs", limit=1))
    assert (ids(first), first["truncated"]) == ([past["hold"]], True)
    assert checked(shared.request("search", text="xs", limit=0)) == checked(shared.request("search", text="xs"))
    plain = shared.done("log", all=True)["checkpoints"]
    assert all({**each, "found": None} in [{**one, "found": None} for one in plain] for each in first["checkpoints"])


def test_search_in_messages_and_of_code_in_lines(kernel: Kernel) -> None:
    kernel.ok("first = 1\n\n    \nsecond = 'Straße'")
    kernel.done("commit", message="Before the Storm\nand after")
    [hit] = kernel.done("search", text="storm")["checkpoints"]
    assert hit["found"] == [{"where": "message", "text": "Before the Storm\nand after"}]
    [hit] = kernel.done("search", text="STRASSE")["checkpoints"]
    assert hit["found"] == [{"where": "code", "text": "second = 'Straße'"}]


def test_export(shared: Kernel, past: dict[str, str]) -> None:
    reply = checked(shared.request("export"))
    assert reply["cells"] == 5
    nbformat.validate(nbformat.from_dict(reply["notebook"]))
    assert [each["source"] for each in reply["notebook"]["cells"]] == [
        each["code"] for each in reversed(shared.done("log")["checkpoints"])
    ]
    aside = checked(shared.request("export", target="idea"))["notebook"]["cells"]
    assert [each["metadata"]["kishu"]["checkpoint"] for each in aside] == [
        past[w] for w in ("first", "shared", "aside")
    ]
    written = checked(shared.request("export", target="In[3]", path="sub.ipynb"))
    assert (written["cells"], written["path"]) == (3, str(shared.home / "sub.ipynb"))
    assert nbformat.read(written["path"], 4).cells[2].outputs[0]["text"] == "hi\n"
    assert "notebook" not in written


def test_show(shared: Kernel, past: dict[str, str]) -> None:
    shown = checked(shared.request("show", target=past["hold"]))
    assert shown["checkpoint"] == shared.done("log")["checkpoints"][2]
    assert [each["output_type"] for each in shown["outputs"]] == ["stream", "execute_result"]
    assert shown["outputs"][0]["text"] == "hi\n"
    assert shown["outputs"][1]["data"]["text/plain"] == "[1, 2, 3]"

    variables = {each["name"]: each for each in shown["variables"]}
    assert set(variables) == {"n", "xs", "ys", "_3"}
    assert variables["n"]["version"] == past["first"]
    assert (variables["xs"]["type"], variables["xs"]["version"]) == ("list", past["hold"])
    assert variables["xs"]["stored"]
    assert variables["xs"]["bytes"] > 0
    late = {each["name"]: each for each in shared.done("show", target="HEAD")["variables"]}
    assert (late["maker"]["type"], late["maker"]["stored"]) == ("generator", False)
    assert "n" not in late


@pytest.mark.parametrize("word", ["hold", "error", "late"])
def test_outputs_are_a_notebook_s(shared: Kernel, past: dict[str, str], word: str) -> None:
    outputs = checked(shared.request("show", target=past[word]))["outputs"]
    cell = nbformat.v4.new_code_cell("", outputs=[nbformat.from_dict(each) for each in outputs])
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    assert [each["output_type"] for each in outputs] == {
        "hold": ["stream", "execute_result"],
        "error": ["error"],
        "late": [],
    }[word]


def test_diff(shared: Kernel, past: dict[str, str]) -> None:
    back = checked(shared.request("diff", target=past["first"]))
    assert back["created"] == ["n"]
    assert back["deleted"] == ["_3", "maker", "xs", "ys"]
    assert back["modified"] == []
    assert [each["name"] for each in back["details"]] == ["_3", "maker", "n", "xs", "ys"]
    n, xs = back["details"][2:4]
    assert (n["before"], n["after"]) == (None, n["after"])
    assert "1" in n["after"]
    assert "[1, 2, 3]" in xs["before"]
    assert all("\n" not in (each["before"] or "") for each in back["details"])

    there = checked(shared.request("diff", target=past["error"], base=past["shared"]))
    assert (there["created"], there["modified"], there["deleted"]) == (
        ["_3"],
        ["n", "xs", "ys"],
        [],
    )
    assert checked(shared.request("diff", target="HEAD"))["details"] == []


def test_diff_with_values(shared: Kernel, past: dict[str, str]) -> None:
    """In what way each variable differs that is on both sides; the others have nothing to compare."""
    there = checked(shared.request("diff", target=past["error"], base=past["shared"], values=True))
    changes = {each["name"]: each["change"] for each in there["details"]}
    assert all(misfits(each, CHANGE) == [] for each in changes.values() if each)
    assert changes["_3"] is None
    assert changes["n"]["aspects"] == [
        {"aspect": "value", "before": "1", "after": "2"},
        {"aspect": "difference", "before": "", "after": "+1 (+100 %)"},
    ]
    assert {"aspect": "added at [2]", "before": "", "after": "3"} in changes["xs"]["aspects"]
    without = shared.done("diff", target=past["error"], base=past["shared"])
    assert all("change" not in each for each in without["details"])
    assert "shell" in refused(shared.request("diff", channel="control", target="HEAD~1", values=True))


def test_diff_with_values_of_what_the_notebook_makes(kernel: Kernel) -> None:
    """Functions by their lines, instances of its classes by their attributes, generators not at all."""
    kernel.ok(
        "class C:\n    def __repr__(self): 1 / 0\nc = C(); c.n = 1; df = None; f = lambda: 0; lazy = (i for i in '')"
    )
    kernel.ok("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})\ndef f(x):\n    return x + 1")
    kernel.ok("c.n = 2; df.loc[1, 'a'] = 7; del df['b']; lazy = (i for i in 'a')\ndef f(x):\n    return x + 2")
    before = everything(kernel, "c.n, df.to_dict(), f(1)")
    reply = checked(kernel.request("diff", target="HEAD", base="HEAD~1", values=True))
    changes = {each["name"]: each["change"] for each in reply["details"]}
    told = {name: [tuple(each.values()) for each in change["aspects"]] for name, change in changes.items() if change}
    assert told["c"] == [("n", "1", "2")]
    assert ("line 2", "    return x + 1", "    return x + 2") in told["f"]
    assert ("columns removed", "b", "") in told["df"]
    assert changes["df"]["cells"] == [{"row": "1", "column": "a", "before": "2", "after": "7"}]
    assert "generator" in changes["lazy"]["note"]
    assert everything(kernel, "c.n, df.to_dict(), f(1)") == before


def test_variable(shared: Kernel, past: dict[str, str]) -> None:
    changed = checked(shared.request("variable", name="n"))
    assert ids(changed) == [past["late"], past["error"], past["first"]]
    assert ids(checked(shared.request("variable", name="n", limit=2))) == ids(changed)[:2]
    assert ids(checked(shared.request("variable", name="n", limit=0))) == ids(changed)


# -- targets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("HEAD", "late"),
        ("HEAD~0", "late"),
        ("HEAD~", "error"),
        ("HEAD~1", "error"),
        ("HEAD~4", "first"),
        ("main", "late"),
        ("main~2", "hold"),
        ("idea", "aside"),
        ("idea~1", "shared"),
        ("kept", "first"),
        ("In[1]", "first"),
        ("In[3]", "hold"),
    ],
)
def test_target(shared: Kernel, past: dict[str, str], target: str, word: str) -> None:
    assert checked(shared.request("show", target=target))["checkpoint"]["id"] == past[word]


@pytest.mark.parametrize("length", [4, 5, 8, None])
def test_a_prefix_of_an_id_is_a_target(shared: Kernel, past: dict[str, str], length: int | None) -> None:
    for id in past.values():
        assert checked(shared.request("show", target=id[:length]))["checkpoint"]["id"] == id


def test_a_prefix_of_three_is_not(shared: Kernel, past: dict[str, str]) -> None:
    for id in past.values():
        assert id[:3] in refused(shared.request("show", target=id[:3]))


def test_a_cell_s_number_means_the_newest_on_the_way_here(kernel: Kernel) -> None:
    """Numbers come again: in a new session on the same notebook, and on two branches."""
    kernel.ok("old = 1")
    kernel.ok("get_ipython().execution_count = 1")  # the next cell has it, or one more: IPython 9 or 8
    kernel.ok("new = 2")
    newest, *older = kernel.done("log")["checkpoints"]
    number = newest["execution_count"]
    before = next(each for each in older if each["execution_count"] == number)
    assert checked(kernel.request("show", target=f"In[{number}]"))["checkpoint"]["id"] == newest["id"]
    kernel.done("checkout", target=before["id"])
    assert checked(kernel.request("show", target=f"In[{number}]"))["checkpoint"]["id"] == before["id"]


def test_ambiguous_names(shared: Kernel, past: dict[str, str]) -> None:
    shared.done("branch", name="twice", target=past["first"])
    shared.done("tag", name="twice", target=past["late"])
    try:
        before = everything(shared)
        for operation in ("show", "checkout", "diff"):
            reason = refused(shared.request(operation, target="twice"))
            assert "branch twice" in reason
            assert "tag twice" in reason
        assert everything(shared) == before
    finally:
        shared.done("branch", name="twice", delete=True)
        shared.done("tag", name="twice", delete=True)


def test_ambiguous_prefix(shared: Kernel, past: dict[str, str]) -> None:
    """A tag that is called as an id begins."""
    prefix = past["shared"][:4]
    shared.done("tag", name=prefix, target=past["late"])
    try:
        before = everything(shared)
        reason = refused(shared.request("checkout", target=prefix))
        assert past["shared"] in reason
        assert f"tag {prefix}" in reason
        assert everything(shared) == before
        # The whole id is as clear as ever.
        shown = checked(shared.request("show", target=past["shared"]))
        assert shown["checkpoint"]["id"] == past["shared"]
    finally:
        shared.done("tag", name=prefix, delete=True)


# -- what changes something ------------------------------------------------------------------------


def test_checkout(kernel: Kernel) -> None:
    kernel.ok("a = [1]; b = 'b'; c = 0")
    kernel.ok("a.append(2); d = 4; del c")
    second, first = ids(kernel.done("log"))
    identity = kernel.value("id(b)")

    plan = checked(kernel.request("checkout", target=first, dry_run=True))
    assert (plan["applied"], plan["head"], plan["from"]) == (False, second, second)
    assert kernel.value("a, d") == ([1, 2], 4)
    assert kernel.done("status")["head"] == second

    there = checked(kernel.request("checkout", target=first))
    assert (there["applied"], there["head"], there["from"]) == (True, first, second)
    assert there["plan"] == plan["plan"]
    assert there["plan"]["keep"] == [["b"]]
    assert sorted(step["names"] for step in there["plan"]["load"]) == [["a"], ["c"]]
    assert all(step["bytes"] > 0 for step in there["plan"]["load"])
    assert there["plan"]["delete"] == ["d"]
    assert (there["plan"]["replay"], there["plan"]["lost"]) == ([], [])
    assert kernel.value("a, b, c, 'd' in globals()") == ([1], "b", 0, False)
    assert kernel.value("id(b)") == identity
    assert kernel.done("status")["head"] == first

    here = checked(kernel.request("checkout", target="HEAD"))
    assert (here["applied"], here["head"], here["from"]) == (True, first, first)
    assert sorted(here["plan"]["keep"]) == [["a"], ["b"], ["c"]]


def test_names_of_one_covariable_stand_together(kernel: Kernel) -> None:
    kernel.ok("a = []; b = [a]; c = 1")
    kernel.ok("a.append(1); c = 2; d = 3")
    plan = checked(kernel.request("undo", dry_run=True))["plan"]
    assert sorted(step["names"] for step in plan["load"]) == [["a", "b"], ["c"]]
    kernel.ok("e = 1")
    assert ["a", "b"] in checked(kernel.request("undo", dry_run=True))["plan"]["keep"]


def test_replay_is_told_and_can_be_refused(kernel: Kernel) -> None:
    kernel.ok("numbers = (i * i for i in range(5))")
    kernel.ok("got = next(numbers), next(numbers)")
    first = ids(kernel.done("log"))[1]
    before = everything(kernel, "got")

    assert "numbers" in refused(kernel.request("checkout", target=first, replay="never"))
    assert everything(kernel, "got") == before
    never = checked(kernel.request("checkout", target=first, replay="never", dry_run=True))
    assert [each["names"] for each in never["plan"]["lost"]] == [["numbers"]]
    plan = checked(kernel.request("checkout", target=first, dry_run=True))["plan"]
    assert everything(kernel, "got") == before

    there = checked(kernel.request("checkout", target=first))
    assert there["plan"] == plan
    [step] = there["plan"]["replay"]
    assert (step["checkpoint"], step["gives"]) == (first, ["numbers"])
    assert step["code"] == "numbers = (i * i for i in range(5))"
    assert kernel.ok("list(numbers)").results[0]["text/plain"] == "[0, 1, 4, 9, 16]"


def test_lost_is_told_and_must_be_allowed(kernel: Kernel) -> None:
    kernel.ok("stays = 1; hidden = None")
    kernel.ok("hidden = (i for i in range(3))", silent=True)  # no cell to run again
    kernel.ok("seen = 2")
    kernel.ok("del hidden; seen = 3")
    target = ids(kernel.done("log"))[1]
    before = everything(kernel, "stays, seen")

    assert "hidden" in refused(kernel.request("checkout", target=target))
    assert everything(kernel, "stays, seen") == before
    told = checked(kernel.request("checkout", target=target, dry_run=True))
    assert [each["names"] for each in told["plan"]["lost"]] == [["hidden"]]
    assert told["plan"]["lost"][0]["reason"]
    assert everything(kernel, "stays, seen") == before

    there = checked(kernel.request("checkout", target=target, allow_lost=True))
    assert there["applied"]
    assert [each["names"] for each in there["plan"]["lost"]] == [["hidden"]]
    assert kernel.value("stays, seen, 'hidden' in globals()") == (1, 2, False)


def test_undo_and_redo(kernel: Kernel) -> None:
    for number in range(1, 5):
        kernel.ok(f"n = {number}")
    fourth, third, second, first = ids(kernel.done("log"))

    def went(operation: str, **how: Any) -> tuple[Any, Any]:
        reply = checked(kernel.request(operation, **how))
        assert reply["applied"]
        return reply["from"], reply["head"]

    assert went("undo") == (fourth, third)
    assert kernel.value("n") == 3
    assert went("undo", steps=2) == (third, first)
    assert kernel.value("n") == 1
    assert went("undo") == (first, None)
    assert kernel.value("'n' in globals()") is False
    assert kernel.done("status")["head"] is None
    assert ids(kernel.done("log")) == []
    assert refused(kernel.request("undo"))
    assert went("redo", steps=3) == (None, third)
    assert kernel.value("n") == 3
    assert checked(kernel.request("redo", dry_run=True))["applied"] is False
    assert went("redo") == (third, fourth)
    assert refused(kernel.request("redo"))
    assert refused(kernel.request("undo", steps=5))
    assert kernel.value("n") == 4

    # To the child last left, not to the first one.
    went("undo", steps=2)
    kernel.ok("n = 'other'")
    other = kernel.done("status")["head"]
    assert went("undo") == (other, second)
    assert went("redo") == (second, other)
    assert kernel.value("n") == "other"


def test_an_undo_says_what_it_takes_back_also_where_that_changed_nothing(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    kernel.ok("x = 2")
    kernel.run("1 +")
    kernel.ok("x + 1")
    last = "The last change is that of In [2]"
    would = checked(kernel.request("undo", dry_run=True))["told"]
    assert would == ["Would take back In [4], which changed no variable.", f"{last}: 2 more undos take it back."]
    undone = checked(kernel.request("undo"))
    now = "now at In [3]"
    assert undone["told"] == [f"Took back In [4], which changed no variable: {now}.", would[1]]
    assert [(each["execution_count"], each["changed"]) for each in undone["undone"]] == [(4, False)]
    assert kernel.done("undo")["told"][1] == f"{last}: one more undo takes it back."
    assert kernel.value("x") == 2
    assert kernel.done("redo", steps=2)["told"] == ["Brought back In [3] and In [4]: now at In [4]."]
    told = kernel.done("undo", steps=3)["told"]
    assert told == ["Took back In [4], In [3] and In [2] (In [4] and In [3] changed no variable): now at In [1]."]
    assert kernel.value("x") == 1
    kernel.ok("x = 5")
    kernel.value("globals().__setitem__('x', 6)")
    told = kernel.done("undo")["told"]
    assert told == ["Took back what had changed between cells and In [5]: now at In [1]."]
    assert kernel.done("checkout", target="In[2]")["told"] == ["Now at In [2]."]
    assert kernel.done("undo", steps=2)["told"] == ["Took back In [2] and In [1]: now before the first cell."]


def test_cells_that_are_left_ahead(kernel: Kernel) -> None:
    """Oldest first: what they did is not in the state any more, whether they are left now or were left before."""
    for code in ("a = 1", "b = 2", "c = 3"):
        kernel.ok(code)
    third, second, first = ids(kernel.done("log"))

    def ahead(operation: str, **how: Any) -> list[tuple[Any, ...]]:
        reply = checked(kernel.request(operation, **how))
        return [(each["checkpoint"], each["execution_count"], each["code"]) for each in reply["ahead"]]

    assert ahead("undo", steps=2, dry_run=True) == [(second, 2, "b = 2"), (third, 3, "c = 3")]
    assert ahead("undo") == [(third, 3, "c = 3")]
    assert ahead("undo") == [(second, 2, "b = 2"), (third, 3, "c = 3")]
    assert ahead("redo") == [(third, 3, "c = 3")]
    assert ahead("redo") == []
    assert ahead("checkout", target=third) == []
    assert ahead("checkout", target=first) == [(second, 2, "b = 2"), (third, 3, "c = 3")]
    kernel.ok("d = 4")
    fourth = kernel.done("status")["head"]
    assert ahead("checkout", target=second) == [(third, 3, "c = 3"), (fourth, 4, "d = 4")]  # `first` is on both ways
    assert ahead("checkout", target=fourth) == [(second, 2, "b = 2"), (third, 3, "c = 3")]
    kernel.ok("e = 5", silent=True)
    assert ahead("undo") == [(fourth, 4, "d = 4")]  # what was changed between the cells is no cell
    assert ahead("undo") == [(first, 1, "a = 1"), (fourth, 4, "d = 4")]


def test_cells_of_an_earlier_session_can_be_ahead(start: Start, tmp_path: Path) -> None:
    """The notebook still shows them."""
    named = {"JPY_SESSION_NAME": str(tmp_path / "same.ipynb")}
    earlier = start(environment=named)
    earlier.ok("a = 1")
    earlier.ok("b = 2")
    earlier.close(gracefully=True)
    later = start(environment=named)
    later.ok("own = 1")
    own = later.done("status")["head"]
    resumed = checked(later.request("resume"))
    assert [each["checkpoint"] for each in resumed["ahead"]] == [own]
    assert [each["code"] for each in checked(later.request("undo"))["ahead"]] == ["b = 2"]


def test_commit(kernel: Kernel) -> None:
    assert refused(kernel.request("commit", message="nothing yet"))
    kernel.ok("n = 1")
    [head] = ids(kernel.done("log"))
    assert checked(kernel.request("commit", message="a 'first' one\nin two lines"))["head"] == head
    assert [each["message"] for each in kernel.done("log")["checkpoints"]] == ["a 'first' one\nin two lines"]

    kernel.ok("n = 2", silent=True)
    own = checked(kernel.request("commit", message="changed between cells"))["head"]
    newest, older = kernel.done("log")["checkpoints"]
    assert (newest["id"], newest["message"]) == (own, "changed between cells")
    assert (newest["modified"], newest["execution_count"]) == (["n"], None)
    assert older["message"] == "a 'first' one\nin two lines"
    kernel.done("undo")
    assert kernel.value("n") == 1


def test_branch_and_tag(kernel: Kernel) -> None:
    kernel.ok("n = 1")
    kernel.ok("n = 2")
    second, first = ids(kernel.done("log"))
    assert checked(kernel.request("tag", name="v1"))["tags"] == {"v1": second}
    assert checked(kernel.request("tag", name="v1", target="HEAD~1"))["tags"] == {"v1": first}
    assert checked(kernel.request("branch", name="früh/1", target=first))["branches"] == {
        "früh/1": first,
        "main": second,
    }
    newest, oldest = kernel.done("log")["checkpoints"]
    assert (newest["branches"], newest["tags"]) == (["main"], [])
    assert (oldest["branches"], oldest["tags"]) == (["früh/1"], ["v1"])

    checked(kernel.request("checkout", target="früh/1"))
    assert kernel.done("status")["branch"] == "früh/1"
    kernel.ok("n = 3")
    third = kernel.done("status")["head"]
    assert checked(kernel.request("tag", name="v1", rename="v2"))["tags"] == {"v2": first}
    assert checked(kernel.request("branch", name="früh/1", rename="spät"))["branches"] == {
        "main": second,
        "spät": third,
    }
    assert kernel.done("status")["branch"] == "spät"  # the session is still on it
    for new in ("main", "HEAD", "früh 1"):
        assert kernel.request("branch", name="spät", rename=new)["ename"] == "RequestError"
    assert checked(kernel.request("branch", name="spät", delete=True))["branches"] == {"main": second}
    assert checked(kernel.request("tag", name="v2", delete=True))["tags"] == {}
    assert third in ids(kernel.done("log", all=True))  # its checkpoints stay


def test_the_line_that_one_works_on_keeps_its_name(kernel: Kernel) -> None:
    """What is left is a side line, without a name until somebody gives it one. Names that were given stay there."""

    def ran(code: str) -> str:
        kernel.ok(code)
        return str(kernel.done("status")["head"])

    def named() -> Content:
        reply = kernel.done("log", all=True)
        return {name: each["id"] for each in reply["checkpoints"] for name in each["branches"]}

    first, left = ran("n = 1"), ran("n = 2")
    kernel.done("undo")
    assert (kernel.done("status")["branch"], named()) == ("main", {"main": left})  # until there is something new
    other = ran("n = 3")
    assert named() == {"main": other}
    assert kernel.done("gc")["removed"]["chunks"] == 0
    kernel.done("checkout", target=left)
    assert (kernel.value("n"), kernel.done("status")["branch"]) == (2, "main")

    kernel.done("branch", name="idea", target=left)
    kernel.done("checkout", target="idea")
    idea = ran("n = 4")
    assert named() == {"main": other, "idea": idea}
    kernel.done("undo")
    assert kernel.done("status")["branch"] == "idea"  # still among its own states
    kernel.done("checkout", target=first)
    assert kernel.done("status")["branch"] == "main"
    assert named() == {"main": other, "idea": idea}
    last = ran("n = 5")
    assert named() == {"main": last, "idea": idea}
    kernel.done("checkout", target=other)
    assert kernel.value("n") == 3


# -- channels --------------------------------------------------------------------------------------


READ_ONLY: list[tuple[str, Content]] = [
    ("status", {}),
    ("log", {"all": True}),
    ("show", {"target": "HEAD"}),
    ("diff", {"target": "HEAD~1"}),
    ("variable", {"name": "xs"}),
    ("log", {"all": True, "graph": True}),
    ("search", {"text": "xs"}),
    ("export", {}),
]
CHANGING: list[tuple[str, Content]] = [
    ("checkout", {"target": "HEAD~1"}),
    ("undo", {}),
    ("redo", {}),
    ("commit", {"message": "no"}),
    ("branch", {"name": "no"}),
    ("tag", {"name": "no"}),
]


def test_control_reads_while_a_cell_runs(kernel: Kernel) -> None:
    """In a kernel of its own: the checkpoint of the cell stays in the history."""
    make_past(kernel)
    idle = [kernel.done(name, **how) for name, how in READ_ONLY]
    with kernel.hold("xs.append('running')") as held:
        for (name, how), reply in zip(READ_ONLY, idle, strict=True):
            assert checked(kernel.request(name, channel="control", **how)) == reply
        for name, how in CHANGING:
            assert "shell channel" in refused(kernel.request(name, channel="control", **how))
        assert held.let_go().status == "ok"
    assert kernel.done("log")["checkpoints"][0]["code"] == held.code


def test_control_changes_nothing(shared: Kernel, past: dict[str, str]) -> None:
    before = everything(shared)
    for name, how in CHANGING:
        assert "shell channel" in refused(shared.request(name, channel="control", **how))
    assert everything(shared) == before


def test_shell_answers_between_cells_and_in_order(kernel: Kernel) -> None:
    with kernel.hold("first = 1") as held:
        log = kernel.send("kishu_request", {"operation": "log"})
        second = kernel.begin("second = 2")
        status = kernel.send("kishu_request", {"operation": "status"})
        undo = kernel.send("kishu_request", {"operation": "undo"})
        third = kernel.begin("third = 3; ('second' in globals(), first)")
        held.let_go()
    after_first = checked(kernel.reply(log))
    assert [each["code"] for each in after_first["checkpoints"]] == [held.code]
    kernel.end(second)
    assert checked(kernel.reply(status))["store"]["checkpoints"] == 2
    assert checked(kernel.reply(undo))["head"] == after_first["head"]
    assert kernel.end(third).results[0]["text/plain"] == "(False, 1)"


def test_a_read_never_waits_for_the_first_cell(kernel: Kernel) -> None:
    """The store is opened when it is first needed: also by a reader, while the first cell runs."""
    with kernel.hold("a = 1") as held:
        assert checked(kernel.request("log", channel="control"))["checkpoints"] == []
        assert checked(kernel.request("status", channel="control"))["head"] is None
        for name in ("show", "diff"):
            refused(kernel.request(name, channel="control", target="HEAD"))
        assert held.let_go().status == "ok"
    assert len(kernel.done("log")["checkpoints"]) == 1


def test_a_client_that_goes_away_harms_nothing(kernel: Kernel) -> None:
    kernel.ok("n = 1")
    kernel.ok("n = 2")
    second, first = ids(kernel.done("log"))
    gone = kernel.second_client()
    gone.start_channels(hb=False)
    gone.wait_for_ready(timeout=PATIENCE)  # what is sent before there is a connection may never leave
    with kernel.hold() as held:
        for content in (
            {"operation": "log"},
            {"operation": "show", "target": "HEAD"},
            {"operation": "unknown"},
            {"operation": "checkout", "target": first},
        ):
            gone.shell_channel.send(gone.session.msg("kishu_request", content))
            gone.control_channel.send(gone.session.msg("kishu_request", content))
        gone.stop_channels()
        held.let_go()
    # Its request was on the way when it went. ipykernel's shell thread may sleep through a message that comes just as
    # another client goes: the next one wakes it.
    while kernel.done("status", channel="control")["head"] != first:
        kernel.send("kernel_info_request", {})
        time.sleep(0.05)
    time.sleep(0.5)  # by now the client has gone for ipykernel, too
    kernel.send("kernel_info_request", {})
    assert kernel.value("n") == 1
    assert kernel.ok("n + 1").results[0]["text/plain"] == "2"
    assert second in ids(kernel.done("log", all=True))
    assert kernel.done("status", channel="control")["warnings"] == []


def test_requests_leave_no_trace(kernel: Kernel) -> None:
    """A request is no cell: no number, no history entry, no output."""
    kernel.ok("n = 1")
    sent = kernel.send("kishu_request", {"operation": "undo"})
    assert kernel.reply(sent)["status"] == "ok"
    assert [kind for kind, _ in kernel.idle(sent)] == ["status", "status"]
    assert kernel.ok("n2 = 2").reply["execution_count"] == 2
    history = kernel.message("history_request", {"hist_access_type": "tail", "n": 10, "output": False, "raw": True})
    assert [entry[2] for entry in history["history"]] == ["n = 1", "n2 = 2"]


# -- bad requests ----------------------------------------------------------------------------------


BAD: list[Any] = [
    # what is no request at all
    [],
    ["status"],
    "status",
    "",
    7,
    True,
    {},
    {"target": "HEAD"},
    {"Operation": "status"},
    # operations
    *({"operation": each} for each in (None, True, 1, 1.5, [], ["status"], {}, {"status": 1}, "", "STATUS", "status ")),
    *({"operation": each} for each in ("unknown", "answer", "_traveled", "__init__", "\x00", "\ud800", "a" * 100_000)),
    # keys
    {"operation": "status", "limit": 1},
    {"operation": "status", "": None},
    {"operation": "log", "limits": 5},
    {"operation": "log", "self": 1},
    {"operation": "checkout", "target": "HEAD~1", "dryrun": True},
    {"operation": "checkout", "target": "HEAD~1", "may_change": True},
    {"operation": "undo", "target": "HEAD~1"},
    {"operation": "commit", "message": "m", "msg": "m"},
    {"operation": "variable", "name": "xs", "all": True},
    {"operation": "show", "target": "HEAD", "\ud800": 1},
    # missing ones
    {"operation": "checkout"},
    {"operation": "checkout", "dry_run": True},
    {"operation": "commit"},
    {"operation": "branch"},
    {"operation": "branch", "target": "HEAD"},
    {"operation": "tag"},
    {"operation": "tag", "delete": True},
    {"operation": "show"},
    {"operation": "diff"},
    {"operation": "diff", "base": "HEAD"},
    {"operation": "variable"},
    {"operation": "search"},
    {"operation": "search", "text": ""},
    {"operation": "search", "text": " \n\t"},
    # numbers
    *(
        {"operation": "log", "limit": each}
        for each in (-1, True, False, "5", 5.0, None, [5], float("nan"), float("inf"))
    ),
    *(
        {"operation": each, "steps": steps}
        for each in ("undo", "redo")
        for steps in (0, -1, True, "1", 1.0, None, 10**6, 10**400)
    ),
    {"operation": "variable", "name": "xs", "limit": True},
    {"operation": "variable", "name": "xs", "limit": -1},
    # booleans
    *(
        {"operation": "checkout", "target": "HEAD~1", key: each}
        for key in ("dry_run", "allow_lost")
        for each in (0, 1, "true", None, [])
    ),
    {"operation": "undo", "dry_run": 1},
    {"operation": "log", "all": 1},
    {"operation": "log", "all": "yes"},
    {"operation": "log", "graph": 1},
    {"operation": "diff", "target": "HEAD~1", "values": 1},
    {"operation": "export", "force": 1},
    {"operation": "branch", "name": "no", "delete": 1},
    {"operation": "tag", "name": "no", "delete": None},
    # choices
    *(
        {"operation": "checkout", "target": "HEAD~1", "replay": each}
        for each in ("always", "", "AUTO", None, True, ["auto"])
    ),
    *(
        {"operation": "checkout", "target": "HEAD~1", "shown": each}
        for each in (0, [], {}, {"target": None}, {"target": 1, "replay": []}, {"target": None, "replay": [1]})
    ),
    {"operation": "undo", "shown": {"target": None, "replay": "auto", "more": 1}},
    # texts
    {"operation": "commit", "message": None},
    {"operation": "commit", "message": ["m"]},
    {"operation": "variable", "name": None},
    {"operation": "variable", "name": "never_made"},
    {"operation": "variable", "name": ""},
    {"operation": "search", "text": None},
    {"operation": "search", "text": ["xs"]},
    {"operation": "search", "text": "xs", "limit": -1},
    {"operation": "export", "path": 5},
    {"operation": "export", "path": "nowhere/to/be/found.ipynb"},
    {"operation": "export", "path": ""},
    {"operation": "export", "path": "/", "force": True},
    {"operation": "export", "path": "\x00"},
    {"operation": "export", "path": "a" * 100_000},
    {"operation": "export", "target": "nowhere"},
    {"operation": "export", "target": None},
    {"operation": "log", "since": 5},
    {"operation": "log", "since": "nowhere"},
    {"operation": "log", "since": ""},
    # targets
    *(
        {"operation": "checkout", "target": each}
        for each in (
            *(
                None,
                True,
                0,
                ["HEAD"],
                {"id": "HEAD"},
                "",
                " ",
                "nowhere",
                "head",
                "HEAD ",
                " HEAD",
            ),
            *(
                "HEAD~-1",
                "HEAD~x",
                "HEAD~99",
                "HEAD~" + "9" * 5000,
                "~",
                "~1",
                "~" * 3000,
                "kept~1",
            ),
            *("In[99]", "In[0]", "In[-1]", "In[]", "In[x]", "In[" + "9" * 5000 + "]", "Out[1]"),
            *("branch/main", "tag/kept", "head/", "branch/", "0" * 16, "0" * 17, "ffff" * 4),
            *("main\n", "\x00", "\ud800", "../..", "%s", "*", ".", "a" * 1_000_000),
        )
    ),
    {"operation": "show", "target": "nowhere"},
    {"operation": "diff", "target": "nowhere"},
    {"operation": "diff", "target": "HEAD", "base": "nowhere"},
    {"operation": "diff", "target": "HEAD", "base": None},
    # names
    *(
        {"operation": operation, "name": each}
        for operation in ("branch", "tag")
        for each in (
            *(None, 5, "", " ", "HEAD", "a b", "a\nb", "-x", "~", "a~1", "In[1]", "_x", "a" * 101),
            *("\x00", "\ud800", "../x", "a\x00b", "x:y", "'; drop", "🙂", "e\u0301 x"),
        )
    ),
    {"operation": "branch", "name": "no", "target": "nowhere"},
    {"operation": "tag", "name": "no", "target": None},
    {"operation": "branch", "name": "never_made", "delete": True},
    {"operation": "tag", "name": "main", "delete": True},
    {"operation": "branch", "name": "kept", "delete": True},
    {"operation": "tag", "name": "", "delete": True},
]


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_bad_requests_get_one_error_each_and_change_nothing(shared: Kernel, past: dict[str, str], channel: str) -> None:
    before = everything(shared)
    wrong = []
    for content in BAD:
        reply = shared.ask(content, channel)
        try:
            refused(reply)
            assert len(reply["evalue"]) < 2000
        except AssertionError as error:
            wrong.append((str(content)[:150], str(error)[:300]))
    assert wrong == []
    shared.nothing_more()
    assert everything(shared) == before


def nested(depth: int) -> Any:
    content: Any = "HEAD"
    for _ in range(depth):
        content = [content]
    return content


@pytest.mark.parametrize(
    "content",
    [
        {"operation": "show", "target": nested(200)},
        {"operation": "status", **{f"key{n}": n for n in range(10_000)}},
        {"operation": "show", "target": {"target": {"target": "HEAD"}}},
    ],
    ids=["deep", "wide", "like itself"],
)
def test_large_nonsense(shared: Kernel, past: dict[str, str], content: Content) -> None:
    before = everything(shared)
    refused(shared.ask(content))
    shared.nothing_more()
    assert everything(shared) == before


@pytest.mark.parametrize(
    "message",
    [
        "",
        "'); import os; os.abort(); ('",
        '"""); raise SystemExit #',
        "{0.__class__} %s %(x)s \\N{DIGIT ONE} \\",
        "\x00\x1b[31m\r\n\u2028\ufeff\U0001f600",
        "half a pair: \ud83d",
        "long " * 50_000,
    ],
    ids=["empty", "code", "more code", "formats", "controls", "surrogate", "long"],
)
def test_a_message_is_only_text(kernel: Kernel, message: str) -> None:
    kernel.ok("n = 1")
    kernel.done("commit", message=message)
    [kept] = checked(kernel.request("log"))["checkpoints"]
    if message.isprintable() or "\ud83d" not in message:
        assert kept["message"] == message
    else:  # JSON in UTF-8 cannot carry it back
        assert kept["message"].startswith("half a pair: ")
    assert kernel.value("n") == 1
    kernel.done("undo")
    kernel.done("redo")
    assert checked(kernel.request("show", target="HEAD"))["checkpoint"] == kept


def test_python_that_json_cannot_carry(kernel: Kernel) -> None:
    """Names, values, code and errors with half a surrogate pair, or not printable at all."""
    kernel.run(
        "half = '\\ud83d'\n"
        "globals()['a \\ud83d'] = 1\n"
        "class Odd:\n"
        "    def __repr__(self): raise ValueError('no repr')\n"
        "odd = Odd()\n"
        "raise ValueError('\\ud83d')"
    )
    kernel.ok("half = 2; del globals()['a \\ud83d']")
    first = checked(kernel.request("log"))["checkpoints"][1]
    assert {"half", "odd"} <= set(first["created"])
    assert len(first["created"]) == 4
    shown = checked(kernel.request("show", target=first["id"]))
    assert {"half", "odd", "Odd"} <= {each["name"] for each in shown["variables"]}
    assert "half" in checked(kernel.request("diff", target=first["id"]))["modified"]
    assert checked(kernel.request("checkout", target=first["id"]))["applied"]
    assert kernel.value("half == '\\ud83d' and globals()['a \\ud83d']") == 1


def test_half_a_surrogate_pair_anywhere(kernel: Kernel) -> None:
    """JSON can say it, UTF-8 cannot: the kernel answers, and what it stores comes back."""
    kernel.ok("S = '\\udfff'; globals()['\\ud800'] = 1; print(S + 'x')")
    assert kernel.run("y = '\ud800'  # \udfff").status == "error"
    newest, before = kernel.done("log")["checkpoints"]
    assert newest["code"] == "y = '\\ud800'  # \\udfff"
    assert before["created"] == ["S", "\\ud800"]
    assert kernel.done("show", target=before["id"])["outputs"][0]["text"] == "\\udfffx\n"
    assert checked(kernel.request("commit", message="\ud800"))["head"] == newest["id"]
    assert ids(checked(kernel.request("search", text="\ud800"))) == [newest["id"], before["id"]]
    for operation in ("tag", "branch"):
        assert "letters" in refused(kernel.request(operation, name="\ud800"))
    for operation in ("show", "checkout", "diff"):
        refused(kernel.request(operation, target="\ud800"))
    assert kernel.done("inspect", names=["\ud800"])["variables"][0]["summary"] == "1"
    assert ids(kernel.done("variable", name="\ud800")) == [before["id"]]
    for steps in ("undo", "redo"):
        kernel.done(steps, steps=2)
    assert kernel.value("S, globals()['\\ud800']") == ("\udfff", 1)


@pytest.mark.parametrize("timeout", [0, 1e-300, 2**63, 1e308])
def test_a_timeout_may_be_any_number(shared: Kernel, past: dict[str, str], timeout: float) -> None:
    assert shared.done("hibernate", "control", timeout=timeout)["durable"] is True


def test_a_request_is_answered_where_no_file_can_be_opened(kernel: Kernel) -> None:
    kernel.ok("import resource; before = resource.getrlimit(resource.RLIMIT_NOFILE); print()")  # which makes a pipe
    kernel.ok("resource.setrlimit(resource.RLIMIT_NOFILE, (8, before[1]))")
    reply = kernel.request("log")
    assert (reply["status"], bool(reply["hint"])) == ("error", True)
    kernel.ok("resource.setrlimit(resource.RLIMIT_NOFILE, before)")
    assert checked(kernel.request("log"))["checkpoints"]
