"""The notebook's cells, kept with each state: told by a frontend, given back with the state, never needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from .conftest import Start
from .driver import Content, Kernel


def cells(*sources: str) -> list[Content]:
    return [{"id": f"cell-{number}", "type": "code", "source": source} for number, source in enumerate(sources)]


def keep(kernel: Kernel, *sources: str, **how: Any) -> str:
    """Tells the kernel the notebook; the state that it belongs to."""
    reply = kernel.done("document", cells=cells(*sources), **how)
    assert reply["kept"] is True
    return str(reply["checkpoint"])


def told(document: list[Content]) -> list[tuple[str, str, list[str]]]:
    """Ids, sources, and what the cells printed."""
    return [(each["id"], each["source"], [out.get("text", "") for out in each["outputs"]]) for each in document]


def test_it_comes_back_with_its_state_and_its_outputs(kernel: Kernel) -> None:
    kernel.ok("print('one')")
    first = keep(kernel, "print('one')", "print('two')")
    assert first == kernel.done("status")["head"]
    kernel.ok("print('two')")
    keep(kernel, "print('one')", "print('two')", "x = 1")
    kernel.ok("x = 1")
    second = keep(kernel, "print('other')", "print('two')", "x = 1")
    assert told(kernel.done("show", target=first)["document"]) == [
        ("cell-0", "print('one')", ["one\n"]),
        ("cell-1", "print('two')", []),
    ]
    shown = kernel.done("show", "control", target=second)["document"]
    assert told(shown) == [
        ("cell-0", "print('other')", []),
        ("cell-1", "print('two')", ["two\n"]),
        ("cell-2", "x = 1", []),
    ]
    reply = kernel.done("checkout", target=first, dry_run=True)
    assert told(reply["document"])[0][1] == "print('one')"
    assert told(kernel.done("undo")["document"])[2][1] == "x = 1"
    assert told(kernel.done("undo")["document"])[1][1] == "print('two')"
    assert kernel.done("undo")["document"] is None
    assert told(kernel.done("redo", steps=3)["document"])[0][1] == "print('other')"


def test_where_none_was_told_there_is_none(kernel: Kernel) -> None:
    assert kernel.done("document", cells=cells("x"))["kept"] is False  # no state yet
    kernel.ok("x = 1")
    assert kernel.done("show", target="HEAD")["document"] is None
    kernel.ok("x = 2")
    keep(kernel, "x = 1", "x = 2")
    assert kernel.done("undo")["document"] is None
    keep(kernel, "x = 1", target="HEAD")
    assert [each["source"] for each in kernel.done("show", target="HEAD")["document"]] == ["x = 1"]


def test_a_state_that_no_cell_made_has_that_of_before(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    keep(kernel, "x = 1")
    kernel.ok("x = 2")
    keep(kernel, "x = 2")
    kernel.done("take", names=["x"], target="In[1]")
    assert [each["source"] for each in kernel.done("show", target="HEAD")["document"]] == ["x = 2"]


def test_it_may_be_told_of_cells_by_their_numbers(kernel: Kernel) -> None:
    """A client that has queued several cells tells what they stood in once, when they have run."""
    for source in ("x = 1", "x = 2", "%kishu log", "x = 4"):
        kernel.ok(source)
    last = kernel.done("status")["head"]
    reply = kernel.done("document", cells=cells("x = 1", "x = 2"), ran=[1, 2, 3])
    assert reply["kept"] is True
    assert [len(kernel.done("show", target=f"In[{number}]")["document"] or ()) for number in (1, 2, 4)] == [2, 2, 0]
    kernel.done("undo")
    assert kernel.done("document", cells=cells("x = 4"), ran=[4])["checkpoint"] == last  # it was taken back meanwhile
    for number in (3, 5):  # it made no state; there is none
        assert kernel.done("document", cells=cells("x"), ran=[number])["kept"] is False
    kernel.restart()
    kernel.ok("y = 1")
    assert kernel.done("document", cells=cells("y"), ran=[2])["kept"] is False  # that was another session's


def test_it_outlives_the_kernel(start: Start, tmp_path: Path) -> None:
    kernel = start(environment={"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")})
    kernel.ok("print(1)")
    keep(kernel, "print(1)", "\ud800 half a pair", "")
    kernel.done("status")
    kernel.done("gc")
    kernel.restart(kill=True)
    document = kernel.done("resume")["document"]
    assert document[0]["source"] == "print(1)"
    assert document[0]["outputs"][0]["text"] == "1\n"
    assert len(document) == 3


def test_it_is_stored_once_by_content(kernel: Kernel) -> None:
    sources = [f"value_{number} = {'x' * 500!r}" for number in range(200)]
    kernel.ok("pass")
    keep(kernel, *sources)
    kernel.done("gc")
    before = kernel.done("status")["store"]["chunks"]
    kernel.ok("x = 1")
    now = kernel.done("status")["store"]["chunks"]
    keep(kernel, *sources)
    kernel.done("gc")
    assert kernel.done("status")["store"]["chunks"] <= now
    sources[50] = "edited"
    keep(kernel, *sources)
    kernel.done("gc")
    assert kernel.done("status")["store"]["chunks"] <= now + 2
    assert before > 5


def test_it_goes_with_its_states(kernel: Kernel) -> None:
    kernel.ok("import numpy as np; base = 1")
    kernel.ok("x = np.arange(100_000)")
    lost = keep(kernel, *(f"cell {number} {'y' * 1000}" for number in range(100)))
    kernel.done("undo")
    kernel.ok("z = 1")
    kernel.done("branch", name="there", target=lost)
    kernel.done("branch", name="there", delete=True)
    chunks = kernel.done("status")["store"]["chunks"]
    kernel.done("gc")
    assert kernel.done("status")["store"]["chunks"] < chunks - 5
    assert kernel.done("show", target=lost)["document"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        "x",
        [1],
        [{"id": "a", "type": "code"}],
        [{"id": "a", "type": "other", "source": ""}],
        [{"id": "a", "type": "code", "source": 1}],
        [{"id": "a" * 1000, "type": "code", "source": ""}],
        [{"id": "a", "type": "code", "source": "", "unknown": 1}],
    ],
)
def test_what_is_no_document_is_refused(shared: Kernel, wrong: object) -> None:
    shared.ok("x = 1")
    assert shared.request("document", cells=wrong)["ename"] == "RequestError"


def test_it_is_bounded(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    for large in (cells("y" * 10_000_000), cells(*["z"] * 6000)):
        reply = kernel.done("document", cells=large)
        assert reply["kept"] is False
        assert "at most" in reply["reason"]
    assert kernel.done("show", target="HEAD")["document"] is None
    assert kernel.request("document", cells=[], target="nowhere")["ename"] == "UnknownTargetError"
    assert kernel.request("document", cells=[], ran=["1"])["ename"] == "RequestError"


def test_it_waits_for_nothing(kernel: Kernel) -> None:
    kernel.ok("import numpy as np; big = np.random.default_rng(0).random(30_000_000)")
    head = keep(kernel, "big")
    assert kernel.done("status")["pending"] in (True, False)
    assert [each["source"] for each in kernel.done("show", "control", target=head)["document"]] == ["big"]


def test_the_code_is_shown_and_written_beside(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    kernel.ok("y = 2\nz = 3")
    ran = kernel.ok("%kishu checkout In[1] --code --write then.ipynb")
    went, difference, wrote = (each["text/plain"] for each in ran.results)
    assert went.startswith("Now at In [1]")
    assert difference.splitlines() == ["  1 cell as before", "- [ ]", "- y = 2", "- z = 3"]
    assert "then.ipynb" in wrote
    written = nbformat.read(kernel.home / "then.ipynb", as_version=4)
    assert [cell.source for cell in written.cells] == ["x = 1"]
    ran = kernel.run("%kishu checkout In[1] --code --write then.ipynb")
    assert "already exists" in ran.stderr
    assert "are the same" in ran.results[1]["text/plain"]


def test_the_documents_are_compared_where_there_are_some(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    keep(kernel, "x = 1", "# to do")
    kernel.ok("y = 2")
    keep(kernel, "x = 1", "# done", "y = 2")
    ran = kernel.ok("%kishu checkout In[1] --dry-run --code --write then")
    assert ran.results[0]["text/plain"].startswith("Would go to In [1].")
    assert ran.results[1]["text/plain"].splitlines()[1:] == ["~ [ ]", "- # done", "+ # to do", "- [ ]", "- y = 2"]
    written = nbformat.read(kernel.home / "then.ipynb", as_version=4)
    nbformat.validate(written)
    assert [cell.source for cell in written.cells] == ["x = 1", "# to do"]
    assert kernel.value("y") == 2
