"""Small payloads of nothing but Python's own containers and atoms, pickled at once.

Most cells change such values. What other objects need (the table of reductions, what shares memory, classes that are
stored apart) takes twenty times as long to set up as these take to be pickled.

Law: the stream is the one that the usual way would have given, byte for byte. Neighbours: `pickling` asks here first.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from kishu_kernel.process.native import WALKER

LONGEST = 1 << 16
"""Bytes. A longer one would be lost work if an object is met at its end."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset})


class _NotPlainError(Exception):
    """There is something else in it, or it is long."""


class _Short(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > LONGEST:
            raise _NotPlainError
        return super().write(data)


class _PlainPickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        """Is asked for whatever is not of a plain type."""
        raise _NotPlainError


def plain_stream(objects: dict[str, Any], kept: tuple[tuple[Any, ...], ...] = ()) -> bytes | None:
    """The pickle stream of these variables; None where they are not plain. Runs no code of theirs.

    Without the native module, None where they are not small, too.

    Args:
        objects: in the order in which they are to be pickled.
        kept: tuples that somebody holds only to keep their objects alive: what nothing else refers to is met once.
    """
    if not all(type(obj) in _PLAIN for obj in objects.values()):
        return None
    try:
        if WALKER is not None:
            found = WALKER.pickle(objects, {}, kept)
            return found[0] if type(found) is tuple else None
        file = _Short()
        _PlainPickler(file, 5).dump(objects)
    except Exception:  # nested too deep, or there is no memory for it: the usual way says so
        return None
    return file.getvalue()
