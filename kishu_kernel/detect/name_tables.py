"""Questions about all names at once, which every cell asks: in C, where there is the native module (`process.native`).

Law: no code of the user's runs, and no name costs more than some nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kishu_kernel.detect.walk.twins import Links, chosen
from kishu_kernel.process.native import WALKER


def _rebound(variables: Mapping[str, Any], bindings: Mapping[str, int]) -> set[str]:
    changed = {name for name, obj in variables.items() if bindings.get(name) != id(obj)}
    return changed | (bindings.keys() - variables.keys())


def _bound_among(variables: Mapping[str, Any], links: Links) -> list[str]:
    return [name for name, obj in variables.items() if id(obj) in links]


def _unsorted(namespace: dict[Any, Any], known: set[str]) -> list[str] | None:
    names = list(dict.keys(namespace))
    return None if set(map(type, names)) - {str} else [each for each in names if each not in known]


def rebound(variables: Mapping[str, Any], bindings: Mapping[str, int]) -> set[str]:
    """The names that are bound to another object than before, that are new, or that are gone.

    Args:
        bindings: name -> the id of the object before.
    """
    native = WALKER is not None and type(variables) is dict and type(bindings) is dict
    found: set[str] = WALKER.rebound(variables, bindings) if native else _rebound(variables, bindings)
    return found


def bound_among(variables: Mapping[str, Any], links: Sequence[Links]) -> Iterable[str]:
    """The names whose very objects are among any of these links: one pass over the names, or over the links."""
    if not links:
        return ()
    if len(links) > 1 and len(links) * len(variables) > sum(map(len, links)):
        links = (_merged(links),)
    return dict.fromkeys(name for each in links for name in _bound_in(variables, each))


def _bound_in(variables: Mapping[str, Any], links: Links) -> list[str]:
    native = WALKER is not None and type(variables) is dict and type(links) is WALKER.Memo
    found: list[str] = WALKER.bound_among(variables, links) if native else _bound_among(variables, links)
    return found


def _merged(several: Iterable[Links]) -> Links:
    twin = chosen()
    together: Links = twin.memo()
    for links in several:
        twin.claim(together, links, 0)
    return together


unsorted: Callable[[dict[Any, Any], set[str]], list[str] | None] = _unsorted if WALKER is None else WALKER.unsorted
"""The names of a namespace that are not in this set yet; None where a name is no plain `str`."""
