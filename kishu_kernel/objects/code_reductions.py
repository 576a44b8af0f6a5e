"""What functions and their code are made of. Part of the table. Neighbours: `reducers`, which asks; `rebuild.code`."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from kishu_kernel.objects.library import Reduction
from kishu_kernel.objects.rebuild.code import (
    EMPTY_CELL,
    make_code,
    make_function,
    make_module_function,
    set_cell,
    set_function_state,
)


def reduction_of_function(function: types.FunctionType, shells: set[int]) -> Reduction:
    """Of the notebook: it comes back bound to the live namespace.

    Args:
        shells: gets the ids of its cells. One may hold the function itself: it is saved empty, to be filled then.
    """
    return _reduction(function, shells, make_function)


def reduction_of_dynamic(function: types.FunctionType, shells: set[int]) -> Reduction | None:
    """Of one that was made inside a library; None where its globals are no module's."""
    name = function.__globals__.get("__name__")
    if not is_module_dict(name, function.__globals__):
        return None
    return _reduction(function, shells, make_module_function, str(name))


def reduction_of_function_within(function: types.FunctionType, shells: set[int]) -> Reduction:
    """Of one whose globals are stored beside it: those that come back are its globals again."""
    _, (code, name, cells), *rest = _reduction(function, shells, make_function)
    return types.FunctionType, (code, function.__globals__, name, None, cells), *rest


def _reduction(
    function: types.FunctionType, shells: set[int], make: Callable[..., types.FunctionType], *home: Any
) -> Reduction:
    cells = function.__closure__ or ()
    shells.update(map(id, cells))
    arguments = (*home, function.__code__, function.__name__, cells)
    return make, arguments, state_of_function(function), None, None, set_function_state


def reduction_of_cell(cell: types.CellType, shells: set[int]) -> Reduction:
    """A cell of a closure; an empty one where the function that it is of fills it."""
    if id(cell) in shells:
        return types.CellType, ()
    return types.CellType, (), cell_content(cell), None, None, set_cell


def state_of_function(function: types.FunctionType) -> dict[str, Any]:
    """All that a function has beside its code, its name, its globals and its closure."""
    state = {
        "dict": function.__dict__,
        "defaults": function.__defaults__,
        "kwdefaults": function.__kwdefaults__,
        "annotations": function.__annotations__,
        "qualname": function.__qualname__,
        "module": function.__module__,
        "doc": function.__doc__,
        # of a list: of an iterator, CPython 3.10 makes an empty tuple that is not the one that there is
        "contents": tuple([cell_content(cell) for cell in function.__closure__ or ()]),
    }
    if getattr(function, "__type_params__", ()):
        state["type_params"] = function.__type_params__  # type: ignore[attr-defined]
    return state


def cell_content(cell: types.CellType) -> Any:
    """What stands in a cell of a closure."""
    try:
        return cell.cell_contents
    except ValueError:
        return EMPTY_CELL


def reduction_of_code(code: types.CodeType) -> Reduction:
    """By its fields, so that its source is found again."""
    # cloudpickle gives it another file name from 3.1.3 on: tracebacks and `inspect` would not find the source.
    return make_code, (sys.implementation.cache_tag, *(getattr(code, field) for field in _CODE_FIELDS))


_NEWER = sys.version_info >= (3, 11)
_CODE_FIELDS = (
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_nlocals", "co_stacksize", "co_flags", "co_code"),
    *("co_consts", "co_names", "co_varnames", "co_filename", "co_name", *(("co_qualname",) if _NEWER else ())),
    *("co_firstlineno", "co_linetable", *(("co_exceptiontable",) if _NEWER else ()), "co_freevars", "co_cellvars"),
)
"""In the order in which the constructor takes them."""


def is_module_dict(name: Any, namespace: dict[str, Any]) -> bool:
    """Whether these are the globals of the module of this name, and no others that say so."""
    module = sys.modules.get(name) if isinstance(name, str) else None
    return module is not None and vars(module) is namespace and name != "__main__"
