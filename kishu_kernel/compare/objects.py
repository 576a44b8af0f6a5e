"""Instances of classes, by their attributes: models above all. No attribute is asked for that could be code."""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Mapping
from typing import Any

from kishu_kernel.compare.code import classes
from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import (
    fingerprint,
    is_plain,
    is_valued,
    listed,
    members_of,
    mro_of,
    named_alike,
    state_of,
    text,
)
from kishu_kernel.objects.classes import module_name, qualified_name
from kishu_kernel.objects.questions import is_compared_inside

_STEPS = {"steps", "transformers", "estimators", "transformer_list", "transformers_", "estimators_"}
"""Where estimators of scikit-learn keep others, in tuples that begin with a name."""


# -- estimators --------------------------------------------------------------------------------------


def is_estimator(kind: type) -> bool:
    """Follows scikit-learn: it has `get_params`, and keeps its parameters under the names that `__init__` takes."""
    return not issubclass(kind, type) and any("get_params" in members_of(base) for base in mro_of(kind))


def estimators(before: Any, after: Any, findings: Findings) -> None:
    """Parameters, then what was fitted; of the steps of a pipeline too, as `clf__C`."""
    sides = _parts(before), _parts(after)
    for what, chosen in (("parameters", False), ("fitted attributes", True)):
        one, other = ({name: each for name, (each, fitted) in side.items() if fitted is chosen} for side in sides)
        added_and_removed(what, one, other, findings)
        findings.parts(((f".{name}", one[name], other[name]) for name in one if name in other), what)
    _class(before, after, findings)


def _parts(estimator: Any, path: str = "", depth: int = 0) -> dict[str, tuple[Any, bool]]:
    """By its name, each attribute, and whether fitting has made it."""
    found: dict[str, tuple[Any, bool]] = {}
    parameters = _parameters(type(estimator))
    for name, held in state_of(estimator).items():
        fitted = name not in parameters
        inside = [(name, held)] if depth < 4 and is_estimator(type(held)) else []
        if name in _STEPS and type(held) is list and depth < 4:
            inside = [
                (each[0], each[1])
                for each in held
                if type(each) is tuple and len(each) > 1 and type(each[0]) is str and is_estimator(type(each[1]))
            ]
            if len(inside) < len(held):
                inside = []
        if not inside:
            found[path + name] = (held, fitted)
        elif not fitted:  # what was fitted besides is told by the step itself, or is one of many
            for step, part in inside:
                found[path + step] = (type(part), False)
                found |= _parts(part, f"{path}{step}__", depth + 1)
        else:
            found[path + name] = (held, True)
    return found


def _parameters(kind: type) -> set[str]:
    found: set[str] = set()
    for base in mro_of(kind):
        make = members_of(base).get("__init__")
        if type(make) is types.FunctionType:
            code = make.__code__
            found.update(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
    return found


# -- parts that a library names --------------------------------------------------------------------------


def named_parts(one: Mapping[str, Any], other: Mapping[str, Any], findings: Findings) -> None:
    """Parts that were added, removed or changed."""
    added_and_removed("parts", one, other, findings)
    found = findings.parts(((f".{name}", one[name], other[name]) for name in one if name in other), "parts")
    findings.all_compared = not found


# -- instances ---------------------------------------------------------------------------------------


def instances(before: Any, after: Any, findings: Findings) -> None:
    """Attributes that were added, removed or changed; the class, where the notebook has made it anew."""
    if issubclass(type(before), enum.Enum):
        findings.add("", text(before), text(after))
        return
    if issubclass(type(before), BaseException):
        args = [BaseException.__dict__["args"].__get__(each) for each in (before, after)]
        findings.parts([(".args", *args)], "arguments")
    attributes(before, after, findings)


def attributes(before: Any, after: Any, findings: Findings) -> None:
    """What an instance has besides what its base keeps.

    An object of a library may lead to half of the library: of its attributes only values are looked at.
    """
    one, other = state_of(before), state_of(after)
    added_and_removed("attributes", one, other, findings)
    own = not _is_of_a_library(type(before))
    both = [name for name in one if name in other and (own or (_is_value(one[name]) and _is_value(other[name])))]
    found = findings.parts(((f".{name}", one[name], other[name]) for name in both), "attributes")
    findings.all_compared = own and not found
    _class(before, after, findings)


def _is_of_a_library(kind: type) -> bool:
    """It is installed, and not the user's own, in the notebook or beside it."""
    root = module_name(kind).partition(".")[0]
    if root == "__main__":
        return False
    file = getattr(sys.modules.get(root), "__file__", None)
    return root in sys.stdlib_module_names or type(file) is not str or "-packages" in file


def _is_value(held: Any, depth: int = 0) -> bool:
    """A number, a text, an array, or a container of nothing else that is soon looked through."""
    kind = type(held)
    if kind in (list, tuple, set, frozenset, dict):
        if kind is dict and not is_plain(held):
            return False
        inside = held.values() if kind is dict else held
        return is_plain(inside) or (
            depth < 3 and len(held) <= 100 and all(_is_value(each, depth + 1) for each in inside)
        )
    return is_valued([held]) or is_compared_inside(kind)


def _class(before: Any, after: Any, findings: Findings) -> None:
    one, other = type(before), type(after)
    if one is not other and named_alike(one, other) and fingerprint(one) != fingerprint(other):
        name = qualified_name(one).rpartition(".")[2]
        classes(one, other, findings.at(f".{name}" if findings.path else f"class {name}"))


def added_and_removed(what: str, one: Mapping[str, Any], other: Mapping[str, Any], findings: Findings) -> None:
    """Says which names are on one side only."""
    removed, added = [name for name in one if name not in other], [name for name in other if name not in one]
    if removed:
        findings.add(f"{what} removed", listed(removed, len(removed), str), "")
    if added:
        findings.add(f"{what} added", "", listed(added, len(added), str))
