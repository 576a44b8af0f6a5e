"""What functions and their code are made of. Part of the table. Neighbours: `reducers`, which asks; `rebuild.code`."""

from __future__ import annotations

import sys
import types
from typing import Any

from kishu_kernel.objects.library import Reduction
from kishu_kernel.objects.rebuild.code import EMPTY_CELL, make_code


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
        "contents": tuple(map(cell_content, function.__closure__ or ())),
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
