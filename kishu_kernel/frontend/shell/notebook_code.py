"""Tells whether a function, an object or a call belongs to the notebook, or can touch what belongs to it.

It reads what functions and objects hold, and runs none of their code. Where it does not know, the answer is yes. It is
no for what is a library's and holds nothing of the notebook near by.
Neighbour: `background_code`, which finds the calls that wait.
"""

from __future__ import annotations

import functools
import gc
import sys
import types
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from operator import is_
from typing import Any

from kishu_kernel.objects.classes import has_active_metaclass, module_name

_MAX_OBJECTS = 100
"""Objects that are looked at for one call, nearest first: what a library's thread works on may be large."""

_ASKED_ONE_BY_ONE = 4
"""Objects that are looked for among all variables; for more, a table of these is made."""

_KERNEL = frozenset(
    {
        *("ipykernel", "IPython", "zmq", "traitlets", "comm", "jupyter_client", "kishu_kernel"),
        *("debugpy", "pydevd", "_pydevd_bundle", "_pydev_bundle"),
    }
)
"""Packages whose objects lead to the namespace without being the notebook's."""

_MACHINERY = frozenset(
    {
        *("threading", "_thread", "logging", "selectors", "_socket", "socket", "_contextvars"),
        *("_asyncio", "asyncio.base_events", "asyncio.events", "asyncio.futures", "asyncio.locks", "asyncio.queues"),
        *("asyncio.selector_events", "asyncio.tasks", "asyncio.timeouts", "asyncio.unix_events"),
        *("asyncio.proactor_events", "asyncio.windows_events", "tornado.platform.asyncio"),
    }
)
"""Modules whose objects run calls that wait; those are found where they wait."""

_PASS_ON = frozenset({"asyncio", "concurrent", "multiprocessing", "threading", "tornado"})
"""Packages whose own functions pass on what they are given, and do nothing to it."""

_DATA = frozenset({"builtins", "collections", "array", "mmap", "ctypes", "_ctypes"})
"""Packages of Python's own whose objects are values of the user's."""

_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis), range, slice})
_COMPILED = (
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)
_NOT_FOLLOWED = (types.ModuleType, types.CodeType, types.FrameType)
_FRAMED = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
_CODE = (type, types.FunctionType, types.MethodType, *_COMPILED, *_NOT_FOLLOWED, *_FRAMED)
_NO_DATA = (type, types.FunctionType, types.MethodType, *_COMPILED, *_NOT_FOLLOWED, *_FRAMED)


class NotebookCode:
    """Recognises what belongs to the notebook, by its namespace.

    Args:
        namespace: the live namespace, which is the globals of the notebook's functions.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def touches(self, function: Any, arguments: Sequence[Any] = ()) -> bool:
        """Whether this call runs code of the notebook, or works on its values. Takes some 50 microseconds at most."""
        if type(function) is types.MethodType and self.is_kernels_method(function, arguments):
            return False  # nearly all that a kernel waits for
        arguments = list(arguments)
        while type(function) is functools.partial:
            arguments = [*function.args, *function.keywords.values(), *arguments]
            function = function.func
        if type(function) is types.FunctionType and self._is_kernels_alone(function, arguments):
            return False
        if isinstance_of(function, _COMPILED):
            owner = getattr(function, "__self__", None)
            if owner is not None and not isinstance_of(owner, (types.ModuleType, type)):
                if self._is_not_followed(type(owner)):
                    return False  # it sets an event, it wakes a task
                arguments.append(owner)
            return any(map(self._is_value, arguments)) or self.holds(arguments)
        worked_on = [*arguments, function.__self__] if type(function) is types.MethodType else arguments
        if home_of(function).partition(".")[0] not in _PASS_ON and any(map(self._is_value, worked_on)):
            return True
        return self.holds([function, *arguments])

    def is_kernels_method(self, method: types.MethodType, arguments: Sequence[Any]) -> bool:
        """Whether a method of the kernel's, or of what runs calls that wait, gets nothing but such objects.

        It never becomes another one.
        """
        function = method.__func__
        kinds = (type(method.__self__), *map(type, arguments or ()))
        return all(map(self._is_not_followed, kinds)) and not self.owns(function)

    def holds(self, objects: Iterable[Any]) -> bool:
        """Whether these objects are, or refer to, code or values of the notebook; the nearest are looked at first."""
        todo = deque(objects)
        seen: set[int] = set()
        bound = _Bound(self._namespace)
        for _ in range(_MAX_OBJECTS):
            if not todo:
                return False
            obj = todo.popleft()
            kind = type(obj)
            if type(kind) is not type and has_active_metaclass(kind):  # the notebook's, and not to be looked up
                return True
            if kind in _ATOMS or id(obj) in seen or obj is self._namespace:
                continue
            seen.add(id(obj))
            if self.owns(obj):
                return True
            if _is_data(kind) and obj in bound:
                return True
            if not self._is_not_followed(kind):
                todo.extend(_inside(obj))
        return False

    def owns(self, obj: Any) -> bool:
        """Whether an object is a function, a class, or an instance of a class of the notebook."""
        kind = type(obj)
        if kind is types.FunctionType:
            return obj.__globals__ is self._namespace and not _is_frontends(obj.__code__)
        if issubclass(kind, type):
            return module_name(obj) == "__main__"
        if kind in _FRAMED:
            return self.runs(_frame_of(obj))
        return module_name(kind) == "__main__"

    def runs(self, frame: types.FrameType | None) -> bool:
        """Whether a frame runs code of the notebook."""
        return frame is not None and frame.f_globals is self._namespace and not _is_frontends(frame.f_code)

    def _is_value(self, obj: Any) -> bool:
        kind = type(obj)
        return _is_data(kind) and kind is not tuple

    def _is_not_followed(self, kind: type) -> bool:
        name = module_name(kind)
        return name in _MACHINERY or name.partition(".")[0] in _KERNEL or issubclass(kind, _NOT_FOLLOWED)

    def _is_kernels_alone(self, function: types.FunctionType, arguments: list[Any]) -> bool:
        """Whether a function is the kernel's, and holds and gets nothing but what is the kernel's and atoms."""
        if not is_kernels(function) or function.__kwdefaults__ or function.__dict__:
            return False
        cells = function.__closure__ or ()
        held = (*_contents_of(cells), *(function.__defaults__ or ()), *arguments)
        return all(type(each) in _ATOMS or self._is_not_followed(type(each)) for each in held)


class _Bound:
    """What variables are bound to at this moment. To ask for a few objects takes some microseconds."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._asked = 0
        self._ids: set[int] | None = None

    def __contains__(self, obj: object) -> bool:
        self._asked += 1
        if self._asked <= _ASKED_ONE_BY_ONE:
            return any(map(is_, list(dict.values(self._namespace)), repeat(obj)))
        if self._ids is None:
            self._ids = set(map(id, list(dict.values(self._namespace))))
        return id(obj) in self._ids


def _contents_of(cells: Iterable[types.CellType]) -> Iterator[Any]:
    for cell in cells:
        try:
            yield cell.cell_contents
        except ValueError:  # an empty one
            continue


def _is_frontends(code: types.CodeType) -> bool:
    """Whether VS Code runs this code on a thread of its own, after each cell, to show variables: it changes nothing.

    Before Python 3.11 a code object knows only its own name: helper functions of that code count as the notebook's.
    """
    qualified = getattr(code, "co_qualname", None)
    if qualified is None:
        return code.co_name in ("__jupyter_exec_background__", "bg_main", "do_implementation")
    return str(qualified).partition(".")[0] == "__jupyter_exec_background__"


def is_kernels(obj: Any) -> bool:
    """Whether an object, or a function, is the kernel's own."""
    return home_of(obj).partition(".")[0] in _KERNEL


def isinstance_of(obj: Any, kinds: tuple[type, ...]) -> bool:
    """As `isinstance`, without asking the object."""
    return issubclass(type(obj), kinds)


def home_of(function: Any) -> str:
    """Returns the name of the module that a function, a coroutine or an instance comes from."""
    if type(function) is types.MethodType:
        function = function.__func__
    if type(function) is types.FunctionType:
        return str(function.__globals__.get("__name__"))
    if type(function) in _FRAMED:
        frame = _frame_of(function)
        return "" if frame is None else str(frame.f_globals.get("__name__"))
    return module_name(type(function))


def _is_data(kind: type) -> bool:
    if kind in _ATOMS or issubclass(kind, _CODE):
        return False
    package = module_name(kind).partition(".")[0]
    if package in _DATA:
        return True
    from kishu_kernel.objects.questions import makes_user_values

    return makes_user_values(package)


def _frame_of(obj: Any) -> types.FrameType | None:
    if type(obj) is types.CoroutineType:
        return obj.cr_frame
    return obj.gi_frame if type(obj) is types.GeneratorType else obj.ag_frame


def _inside(obj: Any) -> list[Any]:
    """Returns the objects that an object refers to; of a function not its globals."""
    kind = type(obj)
    if kind is types.FunctionType:
        cells = obj.__closure__ or ()
        return [*cells, *(obj.__defaults__ or ()), *(obj.__kwdefaults__ or {}).values(), *vars(obj).values()]
    if kind in _FRAMED and sys.version_info < (3, 11):
        frame = _frame_of(obj)
        held: list[Any] = [] if frame is None else list(frame.f_locals.values())
        return [*held, obj.cr_await] if kind is types.CoroutineType else held
    if issubclass(kind, type):
        return []
    if issubclass(kind, weakref.ref):
        return [weakref.ref.__call__(obj)]
    return gc.get_referents(obj)
