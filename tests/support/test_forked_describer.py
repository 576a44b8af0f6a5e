"""A forked child tells what a process holds, and leaves it as it is."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import forked_describer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")


class Asked:
    """Something that is another one once it was looked at."""

    __slots__ = ()
    times = 0

    def __reduce_ex__(self, protocol: object) -> str:
        Asked.times += 1
        return f"asked {Asked.times} times"


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """The variables of a shell that is taken for the running one."""
    monkeypatch.syspath_prepend(str(Path(forked_describer.__file__).parent))
    variables: dict[str, object] = {}
    shell = SimpleNamespace(user_ns=variables, user_ns_hidden={})
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    yield variables
    for name in ("describer", "settings_told"):
        sys.modules.pop(name, None)


def test_it_tells_what_the_process_itself_would_tell(cells: dict[str, object]) -> None:
    cells |= {"a": [1, 2], "b": "x" * 100_000, "numbers": random.random, "c": [{"k": n} for n in range(2000)]}
    assert json.loads(forked_describer.of_shell()) == json.loads(forked_describer.seen())
    assert "list [1, 2]" in forked_describer.of_shell()


def test_to_look_changes_nothing(cells: dict[str, object]) -> None:
    asked, state = Asked(), random.getstate()
    cells["asked"] = asked
    assert "asked 1 times" in forked_describer.of_shell()
    assert "asked 1 times" in forked_describer.of_shell()
    assert Asked.times == 0
    assert random.getstate() == state
    assert "asked 1 times" in forked_describer.seen()  # in this process: that is seen
    assert f"asked {Asked.times + 1} times" in forked_describer.of_shell()


def test_a_child_that_dies_is_an_error(cells: dict[str, object]) -> None:
    class Deadly:
        __slots__ = ()

        def __reduce_ex__(self, protocol: object) -> str:
            os._exit(7)

    cells["deadly"] = Deadly()
    with pytest.raises(RuntimeError, match="the child ended with 7"):
        forked_describer.of_shell()
