"""Which names are the user's: sorting them once says what looking at each of them says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kishu_kernel.session.namespace import UserNamespace, is_result

NAMES = (
    "x",
    "In",
    "Out",
    "Index",
    "_",
    "__",
    "___",
    "_1",
    "_2",
    "_17",
    "_i",
    "_i1",
    "_i17",
    "_private",
    "exit",
    "__name__",
)
NAMES = (*NAMES, "__vsc_x", "get_ipython", "__annotations__", "_ih", "_oh", "__DW_OUTPUT__", "front")


class Name(str):
    """A name that is no plain `str`."""


def steps() -> st.SearchStrategy[list[tuple[str, str, bool]]]:
    return st.lists(
        st.tuples(st.sampled_from(("bind", "delete", "inject", "hide")), st.sampled_from(NAMES), st.booleans())
    )


@given(steps())
def test_names_are_sorted_as_if_each_was_looked_at(changes: list[tuple[str, str, bool]]) -> None:
    live: dict[str, Any] = {"In": [], "Out": {}, "__name__": "__main__", "_": "", "exit": object()}
    hidden = dict(live)
    names = UserNamespace(live, hidden)
    shared = object()
    for kind, name, same in changes:
        obj = shared if same else object()
        if kind == "delete":
            live.pop(name, None)
        else:
            live[name] = obj
        if kind == "hide":
            hidden[name] = obj
        if kind == "inject":
            names.note_injected([name])
        aliases = names.aliases()
        expected = [each for each, bound in live.items() if not names._is_injected(each, bound) and each not in aliases]
        assert list(names.notebook_variables()) == expected
        for alias, result in aliases.items():
            assert live[alias] == "" if not result else is_result(result) and live[alias] is live[result]


def test_a_name_of_another_kind_is_the_users_too() -> None:
    live: dict[str, Any] = {"x": 1, Name("y"): 2, "_3": 3, "_": 3}
    names = UserNamespace(live, {})
    assert names.notebook_variables() == {"x": 1, "y": 2, "_3": 3}
    assert names.aliases() == {"_": "_3"}
