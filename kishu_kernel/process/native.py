"""The native module, where there is one (`kishu_kernel/native`, in C), and what it can see that Python cannot.

Law: whoever uses it has a twin in Python, which does the same. That is used where no compiler was at hand, where the
interpreter is not CPython with its global lock, where KISHU_PURE is 1, where objects are not laid out as they were
for whom the module was built, and where it was built from other sources than those that lie beside it.
"""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

from kishu_kernel.process.native_sources import sources_digest

PURE_SWITCH = "KISHU_PURE"
OUTDATED = (
    "The native module of kishu-kernel was built from other sources than those that are here now, so its slower twin "
    "in Python is used: install kishu-kernel again (`pip install -e .` where its sources are), which builds it anew."
)

_complaints: list[str] = []
"""Not told yet."""


def _native() -> Any:
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    if os.environ.get(PURE_SWITCH) == "1" or sys.implementation.name != "cpython" or free_threaded:
        return None
    try:
        module = importlib.import_module("kishu_kernel.native.walker")
    except ImportError:
        return None
    if not _is_built_from(module, sources_digest()):
        _complaints.append(OUTDATED)
        return None
    return module if _reads_rightly(module.peek) else None


def _is_built_from(module: Any, sources: int) -> bool:
    """Whether these are its sources; they are, where none are here (0)."""
    built_from = getattr(module, "sources", None)  # a module that does not know them is older than all that do
    return built_from is not None and sources in (0, built_from)


def complaints() -> list[str]:
    """What has to be told to the user, in sentences. Each is given once."""
    if not _complaints:
        return []
    told = _complaints.copy()
    _complaints.clear()
    return told


class _Sample:
    pass


def _reads_rightly(peek: Callable[[Any], dict[str, Any] | None]) -> bool:
    """Whether attributes are where the module looks for them: their layout is no public promise."""
    for names in (("a", "b", "c"), ("c", "a"), (), ("b", "d", "a", "c")):
        obj = _Sample()
        for name in names:
            setattr(obj, name, [name])
        if "d" in names:
            del obj.b  # type: ignore[attr-defined]
        seen = peek(obj)
        if seen is not None and list(seen.items()) != list(vars(obj).items()):
            return False
    return True


def _nothing(obj: Any) -> None:
    return None


def _none_broken(watches: list[Any]) -> list[int]:
    return []  # without the module there are none


def _no_shape(obj: Any, is_whole: Callable[[type], bool]) -> None:
    return None


def _none(reduction: Any, keys: set[int]) -> set[int] | None:
    return None


def _no(obj: Any) -> bool:
    return False


def _unknown(obj: Any) -> int:
    return 0


def _immutable(kind: type) -> int:
    return int(bool(kind.__flags__ & _IMMUTABLE))


_IMMUTABLE = 1 << 8
"""A flag of types that no code can change."""

WALKER: Any = _native()
"""The native module; None where there is none, or it is not wanted."""

peek: Callable[[Any], dict[str, Any] | None] = _nothing if WALKER is None else WALKER.peek
"""The attributes of an instance in a new dictionary, where it has none, and to ask for it would make one: on CPython
3.11 and 3.12 every access to an attribute is slower from there on. None elsewhere, and where it is not known."""

untouched: Callable[[Any], bool] = _no if WALKER is None else WALKER.untouched
"""Whether `peek` would give something."""

told_state: Callable[[Any], Any] = _nothing if WALKER is None else WALKER.told_state
"""What the `__getstate__` of an instance gives, where it has all attributes; in a tuple with a list of names and
values, where it may have others of these. None: ask in full. Asked of types that `objects.told_states` names."""

not_told_by: Callable[[Any, set[int]], set[int] | None] = _none if WALKER is None else WALKER.not_told_by
"""Those of some objects, by their ids, that a reduction does not tell (`hidden_links`). None: they are too many."""

type_version: Callable[[type], int] = _immutable if WALKER is None else WALKER.type_version
"""Another number whenever something of a type was changed, or of what it derives from. 0: that is not known."""

dict_version: Callable[[dict[Any, Any]], int] = _unknown if WALKER is None else WALKER.dict_version
"""Another number whenever something of a dictionary was changed. 0: that is not known."""

shape_of: Callable[[Any, Callable[[type], bool]], Any] = _no_shape if WALKER is None else WALKER.shape
"""What is reachable from an object, to know it again by a look (`detect.known_again`). None: it cannot be known so.
Whether a class of the notebook's is walked, and not told by a token, is asked."""

watch: Callable[[list[Any]], Any] = _nothing if WALKER is None else WALKER.watch
"""What some places hold; `holds()` of it says whether they hold it still. None: nobody could tell. A place is

- a dictionary, a list, a set: all that it holds;
- a tuple of an object and names: what these are bound to in a dictionary, in a class itself, or among the attributes of
  an instance;
- a tuple of a function made in C and a tuple of its arguments: what it gives;
- a tuple of an object, an address and a size: memory of its own.

Python's own containers are entered, unless they are places themselves; where there is one of a class that derives from
theirs, nobody can tell. Of all else it counts which it is. No code of Python's runs, and nothing is kept alive but the
objects of the places, atoms, and objects that functions give."""

broken_watches: Callable[[list[Any]], list[int]] = _none_broken if WALKER is None else WALKER.broken
"""The places in a list of what `watch` gave of those that do not hold any more."""

settle: Callable[[list[Any]], None] = _nothing if WALKER is None else WALKER.settle
"""Makes instances that were loaded, and that nobody has seen yet, as fast as those that their class makes."""
