"""Sentences of ours go where they belong: into a reply, to a frontend that shows them, into `%kishu`; into a cell only
where nobody else tells the user what matters."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel

FAILED = "try:\n    1 / 0\nexcept ZeroDivisionError as raised:\n    error = raised"


@pytest.fixture
def homeless(start: Start, tmp_path: Path) -> Kernel:
    """A kernel whose store cannot be on the disk."""
    (tmp_path / "file").touch()
    return start(environment={"KISHU_STORE_DIR": str(tmp_path / "file")})


def test_what_is_to_be_said_of_a_travel_is_part_of_its_reply(kernel: Kernel) -> None:
    kernel.ok(FAILED)
    kernel.ok("error = None")
    [warning] = kernel.done("undo")["warnings"]
    assert "error comes back without" in warning
    assert kernel.ok("pass").outputs == []
    assert kernel.done("log")["untold"] == []
    assert warning in kernel.done("status")["warnings"]
    kernel.done("checkout", target="In[2]")
    shown = kernel.ok("%kishu undo")
    assert shown.stderr == ""
    assert warning in shown.text
    assert warning in shown.results[0]["text/html"]


def test_what_matters_is_printed_once_where_nobody_else_tells_it(homeless: Kernel) -> None:
    assert homeless.ok("x = 1").stderr.count("in memory only") == 1
    assert homeless.ok("x = 2").stderr == ""
    assert homeless.done("log")["untold"] == []


def test_a_frontend_that_shows_warnings_gets_them_instead(homeless: Kernel) -> None:
    homeless.done("told", "control", sentences=[])
    assert homeless.ok("x = 1").outputs == []
    [warning] = homeless.done("log", "control")["untold"]
    assert "in memory only" in warning
    assert homeless.done("told", sentences=[warning])["untold"] == []
    assert homeless.ok("x = 2").outputs == []
    assert homeless.done("status")["warnings"] == [warning]


def test_a_frontend_that_has_gone_leaves_them_to_the_next_cell(homeless: Kernel) -> None:
    homeless.done("told", sentences=[])
    homeless.ok("x = 1")
    assert homeless.ok("x = 2").stderr.count("in memory only") == 1


def test_kishu_shows_what_nobody_has_been_shown(homeless: Kernel) -> None:
    homeless.done("told", sentences=[])
    homeless.ok("x = 1")
    shown = homeless.ok("%kishu undo --dry-run")
    assert "in memory only" in shown.text
    assert shown.stderr == ""
    assert "in memory only" not in homeless.ok("%kishu undo --dry-run").text
