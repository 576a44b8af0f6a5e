"""What goes by its name is found out once, and by its name only as long as its module has it under that."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable
from typing import Any

import cloudpickle
import pytest

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.objects.reduction_table import ReductionTable

SOURCE = "class Thing:\n    size = 1\ndef use(thing=[1]): return thing\n"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module that a session has imported."""
    module = types.ModuleType("lasting_library")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(SOURCE, vars(module))
    return module


def move_away(library: Any) -> None:
    library.Thing, library.use = type("Thing", (), {"__module__": library.__name__}), len


def rename(library: Any) -> None:
    library.Thing.__qualname__ = library.use.__qualname__ = "other"


def give_away(library: Any) -> None:
    library.Thing.__module__ = library.use.__module__ = "nobodys_library"


CHANGES: dict[str, Callable[[Any], Any]] = {
    "its module has another one": move_away,
    "its module is gone": lambda library: sys.modules.pop(library.__name__),
    "another name": rename,
    "another module": give_away,
    "asked to go by what it is": cloudpickle.register_pickle_by_value,
}


@pytest.mark.usefixtures("both_twins")
@pytest.mark.parametrize("name", ["Thing", "use"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_is_found_out_again_where_that_may_have_changed(
    library: Any, name: str, change: Callable[[Any], Any]
) -> None:
    table, held = ReductionTable({}), {"held": [getattr(library, name)]}
    known = [digest_of(held, table) for _ in range(2)]
    change(library)
    try:
        assert digest_of(held, table) == digest_of(held, ReductionTable({}))
        assert digest_of(held, table) != known[0] == known[1]
    finally:
        if change is cloudpickle.register_pickle_by_value:
            cloudpickle.unregister_pickle_by_value(library)


@pytest.mark.usefixtures("both_twins")
def test_nothing_is_kept_alive(library: Any) -> None:
    table = ReductionTable({})
    digest_of({"held": [library.Thing, library.use]}, table)
    assert len(table.lasting_references._known) >= 2
    library.Thing = library.use = None
    gc.collect()
    assert not [each for each in table.lasting_references._known if each.__module__ == library.__name__]
