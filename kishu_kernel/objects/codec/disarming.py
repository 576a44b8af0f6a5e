"""Copies that were loaded, or computed again, and that nobody gets: they end without doing anything.

A copy of an object with a destructor is dangerous: when it goes, it removes the file, or closes the connection, of
the object that lives. So what a checkout does not hand over is *disarmed* before it is let go of: destructors
(`__del__`) and what waits for an end (`weakref.finalize`) are taken away. What cannot be disarmed (a generator that
is in the middle of something) is kept for the life of the process.

Law: only what would die is disarmed. Whether it would is counted, as the collector does: an object to which more
refers than what is let go of stays as it is, with all that it leads to: results, and what libraries hold.
Neighbours: `codec.pickling`, which notes what it loads; `restore`, which knows who gets it.
"""

from __future__ import annotations

import dis
import gc
import io
import itertools
import sys
import traceback
import types
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from kishu_kernel.objects.arrays import array_type, is_array_type
from kishu_kernel.objects.classes import flags_of, made_in_c_of, module_name, qualified_name
from kishu_kernel.objects.codec.load_guard import has_destructor
from kishu_kernel.process.interrupts import uninterrupted

KEPT_AT_MOST = 10_000
"""Objects that are kept for the life of the process, since they cannot be disarmed."""

_KEPT = "Copies that nobody needs ({}) stay in memory until this kernel ends: to free them would run code of yours."
_AT_ONCE = 50_000
_ATOMS = frozenset(map(id, (int, float, complex, str, bytes, bool, type(None), type(Ellipsis), range)))
"""By their ids: a class may have a way of its own to be looked up, which is not to be asked."""
_NO_COPIES = (types.ModuleType, types.CodeType, types.FrameType, types.TracebackType, types.BuiltinFunctionType)
_FRAMED = frozenset(map(id, (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)))
_OPEN = frozenset(map(id, (io.FileIO, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)))
"""A copy of an open file has an offset and a number of its own, and nothing in its buffer: it is closed."""
_OF_EVERY_GENERATOR = ("CALL_INTRINSIC_1", "CLEANUP_THROW")
"""How handlers begin that Python 3.12 puts around all of a generator, and around each `yield from`."""
_SPECIAL = _FRAMED | _OPEN | {id(weakref.ref)}
_HEAP_TYPE = 1 << 9
_KERNELS = frozenset(
    {
        *("kishu_kernel", "ipykernel", "IPython", "jupyter_client", "traitlets", "zmq", "tornado", "comm"),
        *("asyncio", "_asyncio", "logging", "threading"),
    }
)
"""Packages whose objects lead into the running kernel, and are no copies."""

_kept: list[Any] = []
"""What could not be disarmed. Nobody frees this list: it would be gone through when the process ends."""


class UnclaimedObjects:
    """Objects that were loaded for a checkout, until it is known who gets them.

    Args:
        tell: is told, in a sentence, of what is kept because it cannot be disarmed.
    """

    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        self._tell = tell
        self._objects: list[Any] = []
        self._armed: list[type] = []
        """Of all loads since the last that were handed over: some of their objects are noted again when that fails."""
        self._since = _finalizers_so_far()
        self._used = False

    def note(self, objects: Iterable[Any], armed: Iterable[type] = ()) -> None:
        """These were loaded or left over, and with them classes were made that have a destructor."""
        self._used = True
        self._objects += objects
        self._armed += armed

    def note_held(self, error: BaseException) -> None:
        """What calls held that this error has ended is left over."""
        self.note(_held_by_frames(error))

    def hand_over(self) -> None:
        """All that was noted has found who takes it: a name, or a cell that is re-run."""
        self._objects.clear()
        self._armed.clear()

    def let_go(self) -> None:
        """Lets go of everything that was noted, and that nobody holds. The rest may still fail."""
        uninterrupted(self._let_go)

    def failed(self, error: BaseException) -> None:
        """Lets go of everything that was noted, and of what calls held that have ended: nobody takes anything of it."""
        if self._used:
            uninterrupted(lambda: self._let_go_of_all(error))

    def _let_go_of_all(self, error: BaseException) -> None:
        self.note_held(error)
        while self._armed:
            _without_destructor(self._armed.pop())  # nobody else has instances of it
        self._let_go()

    def _let_go(self) -> None:
        roots, self._objects = self._objects, []
        kept = {qualified_name(type(each)) for each in disarm(roots, self._since)}
        if kept:
            self._tell(_KEPT.format(", ".join(sorted(kept))))


def disarm(roots: list[Any], since: int = 0) -> list[Any]:
    """Takes what they would do at their end from all objects that die with these. Empties the list.

    Args:
        since: `weakref.finalize` made before this number belong to somebody else.

    Returns:
        What could not be disarmed. It is kept for the life of the process.
    """
    found: dict[int, Any] = {}
    try:
        return _disarm(roots, since, found)
    except Exception:  # an error of ours is no reason to run destructors, nor the answer to a request
        left = [*roots, *found.values()]
        _keep(left)
        return left


def _disarm(roots: list[Any], since: int, found: dict[int, Any]) -> list[Any]:
    finalizers = _finalizers_since(since)
    roots += _awaited(finalizers)
    _reach(roots, found)
    if not finalizers and not _armed(found):
        return []
    doomed = _doomed(found)
    waiting = [each for each in finalizers if not _may_run(each, doomed)]
    if waiting:  # what they would call with dies now, too
        roots += [each.detach() for each in waiting]
        roots += found.values()
        found.clear()
        _reach(roots, found)
        doomed = _doomed(found)
    stubborn = [_culprit(obj) for key, obj in _armed(found).items() if key in doomed and not _disarmed(obj)]
    _keep(stubborn)
    return stubborn


# -- what is reachable, and what of it would die ----------------------------------------------------


def reachable_from(objects: Iterable[Any]) -> set[int]:
    """The ids of all that these lead to, without code, modules, the kernel, and classes of libraries."""
    found: dict[int, Any] = {}
    _reach(list(objects), found)
    return set(found)


def _reach(roots: list[Any], found: dict[int, Any]) -> None:
    """Finds all that is reachable from these, by id: not code, modules, the kernel, or classes of libraries."""
    while roots:
        fresh = {id(obj): obj for obj in roots if id(type(obj)) not in _ATOMS}
        fresh = {key: obj for key, obj in fresh.items() if key not in found and not _is_no_copy(obj)}
        roots.clear()
        found.update(fresh)
        roots += _referents(fresh)


def _doomed(found: dict[int, Any]) -> set[int]:
    """Those to which nothing refers but others of them."""
    inside = Counter(map(id, _referents(found)))
    found[-1] = object()  # to see what the counting itself adds
    outside = {key: sys.getrefcount(obj) - inside[key] for key, obj in found.items()}
    del found[-1]
    spare = outside.pop(-1)
    alive = {key for key, count in outside.items() if count > spare}
    level = {key: found[key] for key in alive}
    while level:
        level = {id(obj): obj for obj in _referents(level) if id(obj) in found and id(obj) not in alive}
        alive.update(level)
    return found.keys() - alive


def _referents(objects: dict[int, Any]) -> list[Any]:
    """What these refer to, as often as they do."""
    referents: list[Any] = []
    values = iter(objects.values())
    while batch := tuple(itertools.islice(values, _AT_ONCE)):
        referents += gc.get_referents(*batch)
    if array_type() is not None:
        arrays = (obj for obj in objects.values() if is_array_type(type(obj)))
        for array in arrays:  # which does not tell the collector what it holds
            referents.append(array.base)
            if array.dtype.hasobject and array.flags.owndata:
                referents += array.ravel(order="K").tolist()
    return referents


def _is_no_copy(obj: Any) -> bool:
    """Code, modules and what is in them, classes of libraries, the kernel: nothing of it is a copy."""
    kind = type(obj)
    if kind is dict:
        return "__builtins__" in obj
    if issubclass(kind, type):
        return not (flags_of(obj) & _HEAP_TYPE and module_name(obj) == "__main__")
    return issubclass(kind, _NO_COPIES) or module_name(kind).partition(".")[0] in _KERNELS


# -- what is armed, and how it is disarmed ----------------------------------------------------------


def _armed(found: dict[int, Any]) -> dict[int, Any]:
    """Objects that do something at their end, by id."""
    kinds = {id(kind): kind for kind in map(type, found.values())}
    suspects = {key for key, kind in kinds.items() if key in _SPECIAL or has_destructor(kind)}
    if not suspects:
        return {}
    return {key: obj for key, obj in found.items() if id(type(obj)) in suspects and _acts(obj)}


def _acts(obj: Any) -> bool:
    kind = type(obj)
    if id(kind) in _FRAMED:
        return _is_suspended(obj) and (kind is not types.GeneratorType or _hears_its_end(obj.gi_code))
    return kind is not weakref.ref or _calls_the_notebook(obj)


def _culprit(obj: Any) -> Any:
    """What must not be freed lest `obj` acts."""
    return obj() if type(obj) is weakref.ref else obj


def _disarmed(obj: Any) -> bool:
    """Takes from an object what it would do at its end. False where that cannot be done."""
    kind = type(obj)
    if id(kind) in _OPEN:
        return _closed(obj)
    if id(kind) in _SPECIAL:
        return False
    for husk in _husks(kind):
        try:
            object.__dict__["__class__"].__set__(obj, husk())
            return True
        except Exception:  # it lies in memory in another way
            continue
    return False


def _husks(kind: type) -> tuple[Callable[[], type], ...]:
    """Classes without a destructor that an instance of `kind` may be turned into; made when they are tried."""
    solid = made_in_c_of(kind)
    name = qualified_name(kind).rpartition(".")[2]
    return (
        lambda: type(name, (solid,), {}),
        lambda: type(name, (solid,), {"__slots__": ()}),
        lambda: type.__new__(type(kind), name, (_Quiet, kind), {"__slots__": ()}),
    )


class _Quiet:
    """Comes before a class in the bases of a husk: of that class no line runs."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        pass

    def __del__(self) -> None:
        pass


def _is_suspended(framed: Any) -> bool:
    """It is in the middle of something: to free it would go on there."""
    known = [
        getattr(framed, name) for name in ("gi_suspended", "cr_suspended", "ag_suspended") if hasattr(framed, name)
    ]
    if known:  # from Python 3.11, of asynchronous generators 3.12
        return bool(known[0])
    frame = next(
        (getattr(framed, name) for name in ("gi_frame", "cr_frame", "ag_frame") if hasattr(framed, name)), None
    )
    return frame is not None and frame.f_lasti >= 0


def _hears_its_end(code: types.CodeType) -> bool:
    """A generator of this code has something to do where it is closed early: `finally`, `except`, `with`."""
    if not hasattr(code, "co_exceptiontable"):  # before Python 3.11
        return any(each.opname.startswith("SETUP_") for each in dis.get_instructions(code))
    instructions = {each.offset: each for each in dis.get_instructions(code)}
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    handlers = {entry.target for entry in entries}
    return any(instructions[target].opname not in _OF_EVERY_GENERATOR for target in handlers)


def _calls_the_notebook(reference: Any) -> bool:
    callback = reference.__callback__
    if type(callback) is types.FunctionType or type(callback) is types.BuiltinFunctionType:
        return callback.__module__ not in ("weakref", "_weakrefset", "abc", "_abc")
    return callback is not None


def _closed(file: Any) -> bool:
    try:
        file.close()
    except Exception:
        return False
    return True


def _without_destructor(cls: type) -> None:
    if "__del__" in type.__dict__["__dict__"].__get__(cls):
        type.__delattr__(cls, "__del__")


def _keep(stubborn: list[Any]) -> None:
    if not stubborn:
        return
    if not _kept:
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(_kept))
    _kept.extend(stubborn[: KEPT_AT_MOST - len(_kept)])


# -- finalizers -------------------------------------------------------------------------------------


def _finalizers_so_far() -> int:
    """The number that the next `weakref.finalize` will have. Counts none."""
    return int("".join(filter(str.isdigit, repr(_registered._index_iter))) or 0)


def _finalizers_since(number: int) -> list[weakref.finalize[..., Any]]:
    """Those that wait for the end of something, made since then."""
    recent = itertools.takewhile(lambda item: item[1].index >= number, reversed(_registered._registry.items()))
    return [finalizer for finalizer, _ in recent]


_registered: Any = weakref.finalize


def _awaited(finalizers: list[Any]) -> list[Any]:
    """What they wait for the end of."""
    known = [each.peek() for each in finalizers]
    return [each[0] for each in known if each is not None]


def _may_run(finalizer: Any, doomed: set[int]) -> bool:
    """It waits for what goes on."""
    known = finalizer.peek()
    return known is None or id(known[0]) not in doomed


def _held_by_frames(error: BaseException) -> list[Any]:
    """What calls held that have ended with an error. They hold it no more."""
    held: list[Any] = []
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        for frame, _ in traceback.walk_tb(each.__traceback__):
            held += _cleared(frame)
        todo += [each.__cause__, each.__context__]
    return held


def _cleared(frame: types.FrameType) -> list[Any]:
    """What a frame held that has ended."""
    held = gc.get_referents(frame)
    try:
        frame.clear()
    except RuntimeError:  # it goes on
        return []
    return held
