"""What reductions of a library hide, and attributes show."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from kishu_kernel.objects.codec import encoding, pickling
from kishu_kernel.objects.reduction_table import ReductionTable

CODE = """
class Hider:
    def __init__(self, *held):
        self.held = list(held)
    def __reduce__(self):
        return Hider, ()
"""


def test_a_chain_of_what_is_hidden_takes_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them hides the next one, and what is stored anyway."""
    library = types.ModuleType("hiders_made_up")
    monkeypatch.setitem(sys.modules, library.__name__, library)
    exec(CODE, vars(library))
    passes = []
    dump = pickling._dump_once

    def counted(*arguments: Any) -> Any:
        passes.append(1)
        return dump(*arguments)

    monkeypatch.setattr(pickling, "_dump_once", counted)
    root = [1]
    chain = None
    for _ in range(30):
        chain = library.Hider(chain, root)
    live: dict[str, Any] = {"__name__": "__main__", "chain": chain, "root": root}
    payload = encoding.encode(("chain", "root"), live, ReductionTable(live))
    assert isinstance(payload, pickling.Payload)
    assert len(passes) <= 3
    stored = types.SimpleNamespace(names=payload.names, stream=payload.stream, blobs=(), made_by={})
    back = pickling.decode(stored, live)
    each = back["chain"]
    for _ in range(30):
        following, held = each.held
        assert held is back["root"]
        each = following
    assert each is None
