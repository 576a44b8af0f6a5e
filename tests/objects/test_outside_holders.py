"""To whom nothing leads but variables: of these nobody is asked who holds them."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from kishu_kernel.objects import outside_holders
from kishu_kernel.objects.outside_holders import drop_what_variables_explain

LIBRARY: Any = types.ModuleType("plugboard")

HELD_BY_VARIABLES = {
    "a list": "x = [given]",
    "containers in containers": "x = {'a': [({'b': given},)]}; x['me'] = x",
    "instances, slots and a class": "class C:\n    __slots__ = ('a',)\nx = C(); x.a = given\n"
    "class D:\n    held = given\ny = D()",
    "a closure": "def outer(held):\n    return lambda: held\nx = outer(given)",
    "an error with its frames": "def fail(own): raise KeyError(own)\ntry: fail(given)\nexcept KeyError as e: x = e",
    "a generator": "def run(own):\n    yield own\nx = run(given); next(x)",
    "a closure of a library's": "import contextlib\nx = contextlib.contextmanager(given)",
    "a function that dispatches": "import functools\nx = functools.singledispatch(lambda a: a)\n"
    "x.register(int, lambda a, own=given: own); x(1)",
    "a part of a call": "import functools\nx = functools.partial(print, given)",
}
HELD_ELSEWHERE = {
    "a list": "lib.held = [given]",
    "what a variable holds, too": "x = {'a': [given]}; lib.held = x['a']",
    "what leads there by others": "class C: pass\nx = [C()]; x[0].a = C(); x[0].a.b = [given]; lib.held = x[0].a",
    "what tells nobody what it holds": "import numpy as np\nx = np.array([given, None], dtype=object)",
    "a closure that a library has, too": "import contextlib\nx = lib.held = contextlib.contextmanager(given)",
    "what a closure shares with a library": "x = lib.remember(given); lib.held = x.__closure__",
    "a value of its own that a variable has": "x = lib.Value(); lib.Value.all.append(given)",
    "beside a list of variables": "x = [given] * 9; lib.held = given",
}


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec("class Value:\n    all = []\ndef remember(held):\n    return lambda: held", vars(LIBRARY))
    main.lib = LIBRARY  # type: ignore[attr-defined]
    exec("class Given: pass\ngiven = Given()", vars(main))
    return vars(main)


def left(namespace: dict[str, Any], name: str = "given") -> bool:
    """Whether the search is still to ask who holds it."""
    targets = [namespace[name]]
    drop_what_variables_explain(targets, lambda: (namespace,), namespace)
    return bool(targets)


@pytest.mark.parametrize("case", HELD_BY_VARIABLES)
def test_what_variables_explain(namespace: dict[str, Any], case: str) -> None:
    exec(HELD_BY_VARIABLES[case], namespace)
    assert not left(namespace)
    LIBRARY.held = namespace["x"]
    assert left(namespace)


@pytest.mark.parametrize("case", HELD_ELSEWHERE)
def test_what_somebody_else_may_have(namespace: dict[str, Any], case: str) -> None:
    exec(HELD_ELSEWHERE[case], namespace)
    assert left(namespace)


def test_what_no_variable_leads_to(namespace: dict[str, Any]) -> None:
    exec("lib.held = [lambda: 1]", namespace)
    targets = [LIBRARY.held[0]]
    drop_what_variables_explain(targets, lambda: (namespace,), namespace)
    assert targets


def test_where_there_is_too_much_nothing_is_known(namespace: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    exec("x = [[n] for n in range(100)]", namespace)
    assert not left(namespace)
    monkeypatch.setattr(outside_holders, "MOST_INSIDE", 50)
    assert left(namespace)
