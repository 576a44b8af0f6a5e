"""Open files, weak references, objects of ctypes.

Nothing here is made or truncated: a file that a variable held open is opened again where it is still the same one.
"""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Iterator
from typing import Any

from kishu_kernel.objects.rebuild.instances import mro_of, vars_of


def open_again(where: str, name: Any, mode: str, identity: tuple[int, int], position: int) -> io.FileIO:
    """An open file as it was: the same one on this disk, at its offset. It is neither made nor truncated.

    Raises:
        FileNotFoundError: there is another one at its place, or none.
    """

    def opener(_: Any, flags: int) -> int:
        return os.open(where, flags & ~(os.O_CREAT | os.O_TRUNC | os.O_EXCL))

    file = io.FileIO(name, mode, opener=opener)
    found = os.fstat(file.fileno())
    if (found.st_dev, found.st_ino) != identity:
        file.close()
        raise FileNotFoundError(f"{where} is another file than the one that was open")
    file.seek(position)
    return file


def make_buffered(kind: str, raw: io.FileIO, position: int) -> Any:
    """The buffered face of an open file: `kind` is `BufferedReader` or another of `io`'s."""
    file = getattr(io, kind)(raw)
    file.seek(position)
    return file


def make_text(
    buffer: Any,
    mode: str | None,
    newline: str | None,
    encoding: str,
    errors: str,
    line_buffering: bool,
    write_through: bool,
    position: int,
) -> Any:
    """The text face of an open file. `position` is what its `tell` has told."""
    file: Any = io.TextIOWrapper(buffer, encoding, errors, newline, line_buffering, write_through)
    if mode is not None:
        file.mode = mode
    file.seek(position)
    return file


def make_closed(kind: str, name: Any, raw_mode: str, mode: str | None = None, *settings: Any) -> Any:
    """A file that is closed, and still tells what it was. No file is opened for it but the null device.

    Args:
        kind: `raw`, or the class of `io` that buffers it.
        settings: of a text file: encoding, errors, line_buffering, write_through.
    """
    raw = io.FileIO(os.open(os.devnull, os.O_RDWR), raw_mode)
    raw.name = name
    file: Any = raw if kind == "raw" else getattr(io, kind)(raw)
    if settings:
        encoding, errors, *how = settings
        file = io.TextIOWrapper(file, encoding, errors, None, *how)
        if mode is not None:
            file.mode = mode
    file.close()
    return file


def make_foreign(kind: Any, state: tuple[dict[str, Any], bytes]) -> Any:
    """An object of ctypes', as `_ctypes._unpickle` makes it, unless its bytes hold an address.

    Raises:
        TypeError: they do: it was another process's, or is another object's.
    """
    import _ctypes

    if any(state[1][start:end].strip(b"\0") for start, end in addresses(kind)):
        raise TypeError(f"a {kind.__name__} holds an address, which leads nowhere any more")
    return _ctypes._unpickle(kind, state)  # type: ignore[attr-defined]


def addresses(kind: Any) -> Iterator[tuple[int, int]]:
    """Where in an object of ctypes' addresses stand: from, to."""
    import ctypes

    if issubclass(kind, ctypes._SimpleCData):
        if kind._type_ in "PzZOsX":
            yield 0, ctypes.sizeof(kind)
    elif issubclass(kind, ctypes.Array):
        size = ctypes.sizeof(kind._type_)
        inside = list(addresses(kind._type_)) if kind._length_ else []
        for at in range(kind._length_ if inside else 0):
            yield from ((at * size + start, at * size + end) for start, end in inside)
    elif issubclass(kind, (ctypes.Structure, ctypes.Union)):
        for base in mro_of(kind):
            for name, held, *bits in vars_of(base).get("_fields_", ()):
                start = vars_of(base)[name].offset if not bits else 0
                yield from ((start + one, start + other) for one, other in ([] if bits else addresses(held)))
    else:
        yield 0, ctypes.sizeof(kind)


def make_reference(target: Any, callback: Any) -> Any:
    """A weak reference. What it refers to must be held by something else that was loaded with it."""
    return weakref.ref(target, callback)


def dead_reference() -> Any:
    """A weak reference to what is gone."""
    return weakref.ref(type("Gone", (), {})())
