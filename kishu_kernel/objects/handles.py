"""How objects come apart that hold on to something outside of memory, or only seem to be values. Part of the table.

Law: what comes back must be what was there, and a load must not be harmful. So most of these are refused, and come back
by re-running cells: pickling a `Popen` gives a process id that another process may have by then, a capsule an address
that means nothing elsewhere, an iterator over a dictionary one over a list.

An open file comes back where nothing is unsure: a plain file that is still the same one on the disk, at its offset,
with nothing in its buffer that the disk has not got. It is opened by `rebuild` without being made and without being
truncated, whatever its mode. A closed one comes back without a look at the disk.

Neighbours: `library_reductions`, for libraries that must be installed; `rebuild`, the other way.
"""

from __future__ import annotations

import gc
import io
import operator
import os
import stat
import weakref
from collections.abc import Callable
from typing import Any

from kishu_kernel.objects.classes import contents_of, module_name, mro_of, qualified_name
from kishu_kernel.objects.rebuild.parts import (
    addresses,
    dead_reference,
    make_buffered,
    make_closed,
    make_reference,
    make_text,
    open_again,
    set_exception_state,
)

Reduction = Any


class HeldOutsideError(TypeError):
    """The object cannot be stored: what it holds on to is not in it."""


def handle_entry(kind: type) -> Callable[[Any], Reduction] | None:
    """The reduction for this type, or None. It raises where an object cannot be stored."""
    if kind in _FILES:
        return _FILES[kind]
    for base in mro_of(kind):
        key = (module_name(base), qualified_name(base))
        if key in _ENTRIES and (base is kind or key not in _EXACTLY):
            return _ENTRIES[key]
        if key in _OUTSIDE:
            return _refusing(_OUTSIDE[key])
    return _refusing("an object of C++'s by its address") if _is_swigs(kind) else None


def refusal(kind: type) -> Callable[[Any], Reduction] | None:
    """The reduction for this type where it can do nothing but refuse; None where it may be stored."""
    for base in mro_of(kind):
        key = (module_name(base), qualified_name(base))
        if key in _ENTRIES and (base is kind or key not in _EXACTLY):
            return None
        if key in _OUTSIDE:
            return _refusing(_OUTSIDE[key])
    return None


def _is_swigs(kind: type) -> bool:
    """A class that SWIG made, and that nobody has told how to be pickled."""
    known: set[str] = set()
    for base in mro_of(kind)[:-1]:
        known |= contents_of(base).keys()
    return not known.isdisjoint(("__swig_destroy__", "thisown")) and known.isdisjoint(_PICKLING)


def _refusing(what: str) -> Callable[[Any], Reduction]:
    def refuse(obj: Any) -> Reduction:
        raise HeldOutsideError(f"a {type(obj).__name__} holds on to {what}, and cannot be stored")

    return refuse


# -- files ------------------------------------------------------------------------------------------


def _raw(file: io.FileIO) -> Reduction:
    if file.closed:
        return make_closed, ("raw", *_label(file))
    where = os.path.abspath(os.fsdecode(_name(file)))
    there, here = os.stat(where), os.fstat(file.fileno())
    if not stat.S_ISREG(here.st_mode) or (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
        raise HeldOutsideError(f"{where} is no longer the file that was opened, or none that has an offset")
    if vars(file).keys() - {"name"} or not file.closefd:
        raise HeldOutsideError("a file that somebody else closes, or that has attributes of its own, cannot be stored")
    return open_again, (where, file.name, file.mode, (here.st_dev, here.st_ino), file.tell())


def _buffered(file: Any) -> Reduction:
    if file.closed:
        return make_closed, (type(file).__name__, *_label(file.raw))
    if type(file.raw) is not io.FileIO or vars(file):
        raise HeldOutsideError(f"a {type(file).__name__} over something else than a file cannot be stored")
    if type(file) is not io.BufferedReader and _is_pending(file):
        raise HeldOutsideError(f"{file.name} was not written to the disk as far as it goes: it needs a flush()")
    return make_buffered, (type(file).__name__, file.raw, file.tell())


def _is_pending(file: Any) -> bool:
    """Something may be in the buffer that is not in the file. Nobody can look into it."""
    return type(file) is io.BufferedRandom or file.tell() != file.raw.tell()


def _text(file: io.TextIOWrapper) -> Reduction:
    buffer: Any = file.buffer
    if type(buffer) not in (io.BufferedReader, io.BufferedWriter, io.BufferedRandom) or vars(file).keys() - {"mode"}:
        raise HeldOutsideError("a text over something else than a file cannot be stored")
    settings = (file.encoding, file.errors, file.line_buffering, file.write_through)
    mode = vars(file).get("mode")
    if file.closed:
        return make_closed, (type(buffer).__name__, *_label(buffer.raw), mode, *settings)
    newline, pending = _hidden(file)
    if pending:
        raise HeldOutsideError(f"{file.name} was not written to the disk as far as it goes: it needs a flush()")
    _buffered(buffer)  # what it refuses is not to be asked for its offset, which would write it
    return make_text, (buffer, mode, newline, *settings, file.tell())


def _hidden(file: io.TextIOWrapper) -> tuple[str | None, bool]:
    """What a text file does with ends of lines, and whether it holds on to text that is not in its buffer yet.

    It tells neither; but it refers to both, in an order that all versions of Python share: encoding, coders, ends of
    lines, what was read (and with it a snapshot), what is to be written, errors.
    """
    known = (file.encoding, file.errors)
    held = [each for each in gc.get_referents(file) if not any(each is one for one in known)]
    texts = [each for each in held if type(each) in (str, bytes, list)]
    if not file.readable():
        if texts == [""] and os.linesep == "\n":  # or the user wrote nothing, and no newline was told: the same, then
            return "", False
        return None, bool(texts)  # an end of lines, or one that was just written? Taken for the latter
    if not any(type(each) is io.IncrementalNewlineDecoder for each in held):
        return texts[0], False  # else it would have one
    was_read = any(type(each) is tuple for each in held)
    if texts == [""] and was_read:
        raise HeldOutsideError("where this file has been read to, it does not tell what it does with ends of lines")
    return "" if len(texts) > was_read or texts == [""] else None, False


def _label(raw: Any) -> tuple[Any, str]:
    if type(raw) is not io.FileIO:
        raise HeldOutsideError("a closed stream over something else than a file cannot be stored")
    return _name(raw), raw.mode


def _name(raw: io.FileIO) -> Any:
    if not isinstance(raw.name, (str, bytes, os.PathLike)):
        raise HeldOutsideError("a file that was opened by its number cannot be stored")
    return raw.name


# -- others -----------------------------------------------------------------------------------------


def _logger(logger: Any) -> Reduction:
    import logging

    if logger is not logging.root and logger.manager.loggerDict.get(logger.name) is not logger:
        raise HeldOutsideError("a logger that `logging.getLogger` does not know cannot be stored")
    return logging.getLogger, () if logger is logging.root else (logger.name,)


def _reference(reference: Any) -> Reduction:
    target = reference()
    if target is None:
        return dead_reference, ()
    return make_reference, (target, reference.__callback__)


def _proxy(proxy: Any) -> Reduction:
    target = proxy.__sizeof__.__self__
    if weakref.proxy(target) is not proxy:  # there is one without a callback for all, and a callback it does not tell
        raise HeldOutsideError("a weak proxy with a callback cannot be stored")
    return weakref.proxy, (target,)


def _exception(error: BaseException) -> Reduction:
    # Its own reduction leaves out what it came from. Of all of them the tracebacks stay out: they hold frames.
    reduced: Any = error.__reduce_ex__(5)
    make, arguments, *rest = reduced
    if len(rest) > 1 or not (error.__cause__ or error.__context__ or error.__suppress_context__):
        return NotImplemented
    came_from = (error.__cause__, error.__context__, error.__suppress_context__)
    return make, arguments, (rest[0] if rest else None, *came_from), None, None, set_exception_state


def _array_type(kind: Any) -> Reduction:
    # Made anew by every multiplication, and found by no name.
    if kind is not kind._type_ * kind._length_:
        return NotImplemented
    return operator.mul, (kind._type_, kind._length_)


def _function_type(kind: Any) -> Reduction:
    # Found by no name either: one for each signature, which a call of ours finds again.
    import ctypes

    if ctypes.CFUNCTYPE(kind._restype_, *kind._argtypes_) is not kind:
        raise HeldOutsideError("a type of C functions that `ctypes.CFUNCTYPE` does not know cannot be stored")
    return ctypes.CFUNCTYPE, (kind._restype_, *kind._argtypes_)


def _pointer_type(kind: Any) -> Reduction:
    import ctypes

    if ctypes.POINTER(kind._type_) is not kind:
        return NotImplemented
    return ctypes.POINTER, (kind._type_,)


def _foreign(obj: Any) -> Reduction:
    # A copy of an address is a second owner of what stands there, or leads nowhere in another process.
    import ctypes

    start = ctypes.addressof(obj)
    if any(ctypes.string_at(start + one, other - one).strip(b"\0") for one, other in addresses(type(obj))):
        raise HeldOutsideError(f"a {type(obj).__name__} holds an address, and cannot be stored")
    told = {name: member.__get__(obj) for name, member in _of_ctypes(obj).items()}
    if not told["_b_needsfree_"] and told["_b_base_"] is None and told["_objects"] is None:
        raise HeldOutsideError(f"the memory of a {type(obj).__name__} belongs to somebody else, and cannot be stored")
    return NotImplemented


def _of_ctypes(obj: Any) -> dict[str, Any]:
    [base] = (each for each in mro_of(type(obj)) if qualified_name(each) == "_CData")
    return {name: contents_of(base)[name] for name in ("_b_needsfree_", "_b_base_", "_objects")}


def _of_no_state(obj: Any) -> Reduction:
    return type(obj), ()


_FILES: dict[type, Callable[[Any], Reduction]] = {
    io.FileIO: _raw,
    io.BufferedReader: _buffered,
    io.BufferedWriter: _buffered,
    io.BufferedRandom: _buffered,
    io.TextIOWrapper: _text,
}

_ENTRIES: dict[tuple[str, str], Callable[[Any], Reduction]] = {
    ("logging", "Logger"): _logger,
    ("weakref", "ReferenceType"): _reference,
    ("weakref", "ProxyType"): _proxy,
    ("weakref", "CallableProxyType"): _proxy,
    ("_ctypes", "PyCArrayType"): _array_type,
    ("_ctypes", "PyCFuncPtrType"): _function_type,
    ("_ctypes", "PyCPointerType"): _pointer_type,
    ("_ctypes", "_CData"): _foreign,
    ("random", "SystemRandom"): _of_no_state,
    ("builtins", "BaseException"): _exception,
}
_EXACTLY = frozenset({("weakref", "ReferenceType")})
"""What is known of these says nothing of their subclasses."""

_PICKLING = frozenset({"__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__"})

_COPY = "a dictionary or a set that it goes through"
_OUTSIDE = {
    ("threading", "Thread"): "a thread",
    ("_thread", "_ThreadHandle"): "a thread",
    ("subprocess", "Popen"): "a process",
    ("multiprocessing.process", "BaseProcess"): "a process",
    ("multiprocessing.connection", "_ConnectionBase"): "an open connection",
    ("multiprocessing.managers", "BaseProxy"): "another process",
    ("multiprocessing.managers", "BaseManager"): "another process",
    ("multiprocessing.shared_memory", "SharedMemory"): "memory that other processes share",
    ("multiprocessing.shared_memory", "ShareableList"): "memory that other processes share",
    ("selectors", "BaseSelector"): "open files",
    ("socket", "socket"): "an open connection",
    ("tempfile", "TemporaryDirectory"): "a directory that goes when it does",
    ("tempfile", "_TemporaryFileWrapper"): "a file that goes when it does",
    ("shelve", "Shelf"): "an open database",
    ("dbm.dumb", "_Database"): "an open database",
    ("logging", "Handler"): "its place among the handlers of the process",
    ("weakref", "ReferenceType"): "what a subclass of weak references keeps",
    ("weakref", "finalize"): "its place among what is done at the end",
    ("builtins", "PyCapsule"): "an address",
    ("ctypes", "CDLL"): "a loaded library",
    ("_ctypes", "CFuncPtr"): "the address of a function",
    ("_ctypes", "_Pointer"): "an address",
    ("builtins", "CArgObject"): "an address",
    ("_ctypes", "CArgObject"): "an address",
    ("_cffi_backend", "_CDataBase"): "an address",
    ("_cffi_backend", "Lib"): "a loaded library",
    ("_cffi_backend", "Library"): "a loaded library",
    ("builtins", "SwigPyObject"): "an address",
    ("builtins", "SwigPyPacked"): "an address",
    ("builtins", "PyCObject"): "an address",
    ("builtins", "dict_keyiterator"): _COPY,
    ("builtins", "dict_valueiterator"): _COPY,
    ("builtins", "dict_itemiterator"): _COPY,
    ("builtins", "dict_reversekeyiterator"): _COPY,
    ("builtins", "dict_reversevalueiterator"): _COPY,
    ("builtins", "dict_reverseitemiterator"): _COPY,
    ("builtins", "odict_iterator"): _COPY,
    ("collections", "odict_iterator"): _COPY,
    ("builtins", "set_iterator"): _COPY,
}
"""What pickling would copy, by module and class, and what its copy would lack."""
