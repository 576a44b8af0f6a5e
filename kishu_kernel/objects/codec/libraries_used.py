"""Which versions of Python and of libraries made a payload, and what that says when it does not load elsewhere.

Law: nothing is imported, and no module is made to load itself: what is known is what lies in the modules.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any

PYTHON = "python"
_LONGEST = 100

_THIS_PYTHON = ".".join(map(str, sys.version_info[:3]))
_contents = vars(types.ModuleType)["__dict__"].__get__
"""`vars`, but past the `__getattribute__` of modules that load themselves when they are touched."""

_known: tuple[tuple[int, str, int], Mapping[str, str]] | None = None


def library_versions() -> Mapping[str, str]:
    """Python's version, and those of the loaded top-level packages that are not Python's and tell theirs.

    The same object as before, not to be changed, as long as no module was loaded meanwhile: 0.2 us; else
    O(loaded modules).
    """
    global _known
    # Modules are added at the end: as many as before, and the same one last, are the same ones.
    last = next(reversed(sys.modules))
    state = len(sys.modules), last, id(sys.modules.get(last))
    known = _known
    if known is None or known[0] != state:
        _known = known = state, _look_around()
    return known[1]


def differences(made_by: Mapping[str, str], packages: Iterable[str]) -> str:
    """What is another version here than where a payload was made, as a clause; empty where nothing is.

    Args:
        packages: top-level packages that the payload refers to; others do not matter.
    """
    here = _look_around()
    told = []
    for name in [PYTHON, *sorted(packages)]:
        then, now = made_by.get(name), here.get(name)
        if then is None or then == now:
            continue
        if now is not None:
            if name != PYTHON or _minor(then) != _minor(now):
                told.append(f"it was stored with {name} {then}; here is {now}")
        elif not _is_there(name):
            told.append(f"it was stored with {name} {then}, which is not installed here")
    return ", ".join(told)


def _look_around() -> Mapping[str, str]:
    found = {PYTHON: _THIS_PYTHON}
    for name, module in list(sys.modules.items()):
        if "." not in name and name not in sys.stdlib_module_names and name != "__main__":
            version = _version(module)
            if version:
                found[name] = version
    return found


def _version(module: Any) -> str:
    if not issubclass(type(module), types.ModuleType):
        return ""
    version = _contents(module).get("__version__")
    return str.__str__(version)[:_LONGEST] if issubclass(type(version), str) else ""


def _is_there(package: str) -> bool:
    try:
        return package in sys.modules or importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
