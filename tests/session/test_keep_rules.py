"""What the user does not want to be stored."""

from __future__ import annotations

import collections
import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kishu_kernel.session.keep_rules import KeepRules


def refusal(rules: KeepRules, **variables: Any) -> str | None:
    return rules.refusal(tuple(sorted(variables)), variables)


def test_without_rules_everything_is_kept() -> None:
    assert refusal(KeepRules(), x=1) is None
    assert KeepRules().refusal(("x",), {}, 10**12) is None


def test_names() -> None:
    rules = KeepRules(exclude=("tmp_*", "cache", "_[0-9]"))
    assert refusal(rules, tmp_a=1) == "excluded by the name pattern 'tmp_*'"
    assert refusal(rules, cache=1) == "excluded by the name pattern 'cache'"
    assert refusal(rules, _3=1) == "excluded by the name pattern '_[0-9]'"
    for kept in ("tmp", "Tmp_a", "caches", "a_tmp_a"):
        assert refusal(rules, **{kept: 1}) is None


def test_one_excluded_name_takes_its_covariable_along() -> None:
    rules = KeepRules(exclude=("tmp_*",), exclude_types=("pandas.*",))
    assert (
        refusal(rules, a=1, tmp_a=2) == "tmp_a, which shares objects with it, is excluded by the name pattern 'tmp_*'"
    )
    reason = refusal(rules, a=1, b=pd.DataFrame())
    assert reason == "b shares objects with it and its type pandas.DataFrame is excluded by the type pattern 'pandas.*'"


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("pandas.DataFrame", pd.DataFrame()),
        ("*.frame.DataFrame", pd.DataFrame()),
        ("pandas.*", pd.Series(dtype=float)),
        ("numpy.ndarray", np.zeros(1)),
        ("list", []),
        ("builtins.list", []),
        ("collections.*", collections.Counter()),
        ("dict", collections.OrderedDict()),
        ("datetime.date", datetime.datetime(2024, 1, 1)),
    ],
)
def test_types(pattern: str, value: object) -> None:
    if pattern.startswith("*.frame") and pd.DataFrame.__module__ == "pandas":
        pytest.skip("pandas 3 says where its classes are to be had, not where they are made")
    reason = refusal(KeepRules(exclude_types=(pattern,)), x=value)
    assert reason is not None
    assert reason.startswith("its type ")
    assert refusal(KeepRules(exclude_types=(pattern,)), x="a string") is None


def test_the_type_is_told_as_a_person_writes_it() -> None:
    assert refusal(KeepRules(exclude_types=("pandas.DataFrame",)), x=pd.DataFrame()) == (
        "its type pandas.DataFrame is excluded"
    )
    assert refusal(KeepRules(exclude_types=("dict",)), x=collections.OrderedDict()) == (
        "its type collections.OrderedDict is excluded by the type pattern 'dict'"
    )


def test_what_lies_inside_is_not_asked() -> None:
    assert refusal(KeepRules(exclude_types=("pandas.DataFrame",)), x=[pd.DataFrame()]) is None
    assert refusal(KeepRules(exclude_types=("object",)), x=1) is None


def test_classes_that_play_tricks_are_not_run() -> None:
    ran: list[str] = []

    class Meta(type):
        def __getattribute__(cls, name: str) -> Any:
            ran.append(name)
            raise RuntimeError

    class Tricky(metaclass=Meta):
        __module__ = 7  # type: ignore[assignment]

        def __getattribute__(self, name: str) -> Any:
            ran.append(name)
            raise RuntimeError

    nameless: dict[str, Any] = {"type": type, "__builtins__": {}}
    exec("made = type('Nameless', (), {})()", nameless)  # of no module
    assert refusal(KeepRules(exclude_types=("*Nameless",)), x=nameless["made"]) is not None
    tricky = Tricky()
    ran.clear()
    assert refusal(KeepRules(exclude_types=("nothing.*",)), x=tricky) is None
    assert refusal(KeepRules(exclude_types=("*Tricky",)), x=tricky) is not None
    assert ran == []


def test_size() -> None:
    rules = KeepRules(exclude=("x",), version_limit=10**9)
    assert rules.refusal(("x",), {"x": 1}, 10**9) is None
    reason = rules.refusal(("x",), {"x": 1}, 3_200_000_000)
    assert reason == "its 3.2 GB are more than the limit of 1.0 GB for one version"
