"""What is registered with IPython's shell: whose it is, how it is kept, and where it stands.

Neighbour: `libraries.IPython`, whose providers these are.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from operator import is_
from typing import Any

from kishu_kernel.objects.ambient_state import copied, is_plain
from kishu_kernel.objects.classes import module_name
from kishu_kernel.objects.library import REGISTERING_ONCE
from kishu_kernel.objects.live_objects import Reference, live_objects

_OWN = __name__.partition(".")[0]
_EXTENSIONS = "IPython.extensions."
_MADE_BY_USERS = frozenset({"Alias", "MagicAlias", "MacroToEdit"})
"""Classes of IPython's whose instances `%alias` and the like make."""

loaded_extensions: list[str] = []
"""Those that cells have loaded in this process."""


def running_shell() -> Any:
    """The shell that runs cells; None where there is none."""
    core = sys.modules.get("IPython.core.interactiveshell")
    return None if core is None else core.InteractiveShell._instance


def shell_places(*traits: str) -> list[Any]:
    """Where the shell stands, and traits of it."""
    shell = running_shell()
    core = sys.modules["IPython.core.interactiveshell"]
    return [(core.InteractiveShell, "_instance"), *places_of_traits(shell, *traits)]


def places_of_traits(part: Any, *names: str) -> list[Any]:
    """Where traits of a part of the shell stand."""
    return [(part, "_trait_values"), (part._trait_values, *names)] if names else []


def sections_but(known: frozenset[str]) -> dict[str, dict[str, Any]]:
    """What the shell's configuration says of other classes than these, by class: the live dictionaries."""
    config = running_shell().config
    return {name: held for name, held in config.items() if name not in known and isinstance(held, dict)}


def plain_settings(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of a configuration, what can be kept."""
    found = {
        name: {key: copied(each) for key, each in held.items() if is_plain(each)} for name, held in sections.items()
    }
    return {name: held for name, held in found.items() if held}


def configured_traits(part: Any, sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What an object that can be configured has by a configuration, as its traits take it."""
    found = {name: each for section in part.section_names() for name, each in sections.get(section, {}).items()}
    traits = part.traits(config=True) if found else {}
    for name in found.keys() & traits.keys():
        with suppress(Exception):  # it was not taken, then
            found[name] = traits[name]._validate(part, found[name])
    return found


def _home(obj: Any) -> str:
    """The module that a callable, or the instance that holds it, comes from."""
    if issubclass(type(obj), partial):
        obj = obj.func
    if type(obj) in (types.MethodType, types.BuiltinMethodType) and obj.__self__ is not None:
        obj = obj.__self__
    if issubclass(type(obj), type):
        return module_name(obj)
    if type(obj) is types.FunctionType:
        return str(obj.__module__)
    return module_name(type(obj))


def is_theirs(obj: Any) -> bool:
    """It was registered by IPython, by us, or by a library that does so once."""
    home = _home(obj)
    package = home.partition(".")[0]
    if package == "IPython" and not home.startswith(_EXTENSIONS):
        return type(obj).__name__ not in _MADE_BY_USERS
    return package in (_OWN, "ipykernel") or package in REGISTERING_ONCE


def is_of_extension(obj: Any) -> bool:
    """It was registered by an extension that a cell has loaded."""
    home = _home(obj)
    if home.startswith("IPython."):
        return home in loaded_extensions
    return home.partition(".")[0] in {each.partition(".")[0] for each in loaded_extensions}


def reference_to(obj: Any) -> Reference:
    """What leads to it: in another kernel its extension brings its own."""
    return ("of extension", *live_objects.key(obj)) if is_of_extension(obj) else live_objects.reference(obj)


def resolved(reference: Reference, registered: Any = None) -> Any:
    """What a reference leads to.

    Args:
        registered: what its extension has registered in this process, where it was loaded anew.

    Raises:
        LookupError: there is none.
    """
    if reference[0] != "of extension":
        return live_objects.resolve(reference)
    process, number = reference[1:]
    found = live_objects.known(process, number)
    if found is None:
        if registered is None:
            raise LookupError("its extension has not registered it")
        found = registered
        live_objects.know((process, number), found)
    return found


def are_as_seen(now: dict[Any, Any], seen: dict[Any, Any]) -> bool:
    """The very same: what is the notebook's may say itself what it is equal to."""
    return are_same([*now], [*seen]) and are_same([*now.values()], [*seen.values()])


def are_same(some: list[Any], others: list[Any]) -> bool:
    """The very same objects, in their order."""
    return len(some) == len(others) and all(map(is_, some, others))
