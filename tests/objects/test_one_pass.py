"""A view that is met after its base is stored in one pass; where that guess is wrong, in two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kishu_kernel.model import Payload
from kishu_kernel.objects.codec import encoding, pickling
from kishu_kernel.objects.reduction_table import ReductionTable


def _made() -> dict[str, tuple[dict[str, Any], int]]:
    base, wide = np.arange(6.0), np.arange(12.0)
    return {
        "base first": ({"a": base, "b": [base[1:4], base[::2]]}, 1),
        "view first": ({"a": [wide[2:5]], "b": [wide]}, 2),
        "no base": ({"a": wide[:6], "b": wide[3:9]}, 2),
        "alone": ({"a": np.arange(4)}, 1),
    }


@pytest.mark.parametrize("case", list(_made()))
def test_as_many_passes_as_are_needed(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objects, passes = _made()[case]
    dumped: list[object] = []
    real = pickling._dump_once
    monkeypatch.setattr(pickling, "_dump_once", lambda *given: dumped.append(1) or real(*given))
    payload = encoding.encode(tuple(objects), objects, ReductionTable({}))
    assert isinstance(payload, Payload)
    assert len(dumped) == passes
