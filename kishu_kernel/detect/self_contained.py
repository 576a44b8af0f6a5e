"""Does a cell run nothing but its own code, on plain data? Then it can have done nothing but to these variables.

No library's code runs in such a cell, nor a function's that was there before it: it draws no number, changes no
setting, starts no thread. What would have to be asked after any other cell need not be asked after this one.

Law: doubt means no. It is asked before the cell runs, of all that its names are bound to then: what it makes of plain
data by operators, by methods of plain data and by the builtins here, is plain data again, or what its own code defines.
What the collector frees while it runs (`__del__`) is not seen, as nowhere.
Neighbours: `access` says what the code spells; who calls knows what else runs around a cell.
"""

from __future__ import annotations

import builtins
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from kishu_kernel.detect.access import OUTPUT_NAMES
from kishu_kernel.model import Access
from kishu_kernel.process.native import WALKER

_MOST = 10_000
"""Objects that are looked at behind one name; some 100 microseconds."""

_MOST_IN_PYTHON = 200

_NAMES = frozenset(
    {
        *("abs", "all", "any", "ascii", "bin", "bool", "bytes", "chr", "complex", "dict", "divmod", "enumerate"),
        *("filter", "float", "format", "frozenset", "hash", "hex", "int", "isinstance", "iter", "len", "list", "map"),
        *("max", "min", "next", "oct", "ord", "pow", "print", "range", "repr", "reversed", "round", "set", "slice"),
        *("sorted", "str", "sum", "tuple", "zip"),
    }
)
"""Builtins that work on what they are given, and lead nowhere else."""

_NOT_PLAIN = OUTPUT_NAMES | {"get_ipython", "display", "exit", "quit"}
"""Names that lead to what was displayed, or to the shell: it makes some of them builtins while a cell runs."""

_LEADS_AWAY = ("_", "ag_", "cr_", "f_", "gi_", "tb_")
"""How attributes begin that lead to classes, and to the frames of whoever called: from there anywhere."""

_BUILTINS: dict[str, Any] = {
    name: each
    for name, each in vars(builtins).items()
    if name in _NAMES or (type(each) is type and issubclass(each, BaseException))
}

_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, range})


def is_self_contained(source: str, access: Access, namespace: Mapping[str, Any]) -> bool:
    """Whether a cell that is about to run will run nothing but its own code, on plain data. Some microseconds.

    Args:
        source: the cell as IPython runs it.
        access: what it may touch.
        namespace: the live one, with all that is bound there.
    """
    if access.dynamic or access.imports or access.assigned or "await" in source or "async" in source:
        return False
    if any(name.startswith(_LEADS_AWAY) for name in access.looked_up):
        return False
    own = namespace.get("__builtins__", builtins)
    if own is not builtins and own is not vars(builtins):  # the cell gets what somebody put there
        return False
    return all(_is_plain(name, namespace) for name in access.names)


def _is_plain(name: str, namespace: Mapping[str, Any]) -> bool:
    if name[:1] == "_" or name in _NOT_PLAIN:
        return False
    if name in namespace:
        return is_data(namespace[name], _MOST)
    known = vars(builtins).get(name, _BUILTINS)
    return known is _BUILTINS or _BUILTINS.get(name) is known


def _is_data(obj: Any, most: int) -> bool:
    """Whether an object is an atom of Python's own, or a container of Python's own with such in it, and so on.

    Args:
        most: false of more objects than that.
    """
    todo, left = [obj], min(most, _MOST_IN_PYTHON)
    while todo:
        each = todo.pop()
        kind = type(each)
        if type(kind) is not type:  # to look it up may run code of its metaclass
            return False
        if kind in _ATOMS:
            continue
        if kind is dict:
            held = [*each, *each.values()]
        elif kind in (list, tuple) or (kind in (set, frozenset) and not weakref.getweakrefcount(each)):
            held = list(each)
        else:
            return False
        left -= len(held)
        if left < 0:
            return False
        todo.extend(held)
    return True


is_data: Callable[[Any, int], bool] = _is_data if WALKER is None else WALKER.is_data
"""Whether an object consists of plain data of Python's own; false of more objects than that."""
