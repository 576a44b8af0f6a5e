"""Open figures go by the variables that lead to them, which are not looked into for nothing."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pytest

from kishu_kernel.objects.libraries import matplotlib as known
from kishu_kernel.objects.live_objects import live_objects
from kishu_kernel.objects.registry import registry


def test_each_variable_is_looked_into_once_however_many_figures_no_variable_leads_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[Any] = []
    real = known._figures_in
    monkeypatch.setattr(known, "_figures_in", lambda value: looked.append(value) or real(value))
    plt.switch_backend("agg")
    plt.close("all")  # what other tests have left open
    try:
        figures = [plt.figure() for _ in range(4)]
        names = {"one": [figures[2]], **{f"x{number}": [number] for number in range(9)}, "by": {figures[3]: 1}}
        monkeypatch.setattr(live_objects, "_namespace", names)
        provider = registry.providers()["figures of pyplot"]
        told = provider.read()
        assert [each[:2] for _, each in told[2:]] == [("figure of", "one"), ("figure of", "by")]
        assert [each[0] for _, each in told[:2]] == ["held", "held"]
        looked.clear()
        assert provider.read() == told
        assert len(looked) <= len(names) + 2 * len(figures)  # and where each was found, which is asked first
        names["late"] = figures[0].add_subplot()  # also what a variable has only now is found
        assert provider.read()[0][1] == ("figure of", "late", 0)
    finally:
        plt.close("all")
