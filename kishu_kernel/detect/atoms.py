"""Digests of what has no identity: atoms, and code.

Each piece of content is written so that no two sequences of pieces read the same: a tag, and a length where one
is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from types import CodeType
from typing import Any

import xxhash

from kishu_kernel.detect.memo_by_code import cached_by_code
from kishu_kernel.model import Digest

PLAIN = frozenset({int, float, str, bool, type(None), complex, bytes})
"""Types whose `repr` says everything, also inside a list or a dict."""


def digest(data: Any) -> Digest:
    """xxh3-128 of anything with a buffer."""
    return Digest(xxhash.xxh3_128_digest(data))


def _text_atom(obj: str) -> bytes:
    data = obj.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(data), data if len(data) < 65536 else digest(data))


@cached_by_code
def code_digest(code: CodeType) -> bytes:
    """Digest of a code object, its nested ones included; the file name, made up by IPython, excluded."""
    parts = [
        repr(
            (
                code.co_code,
                code.co_names,
                code.co_varnames,
                code.co_freevars,
                code.co_cellvars,
                code.co_flags,
                code.co_argcount,
                code.co_kwonlyargcount,
                code.co_posonlyargcount,
                code.co_name,
                code.co_firstlineno,
            )
        ).encode()
    ]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            parts.append(code_digest(constant))
        elif isinstance(constant, frozenset):
            parts.append(repr(sorted(map(repr, constant))).encode())
        else:
            parts.append(repr(constant).encode("utf-8", "surrogatepass"))
    return digest(b"\0".join(parts))


ATOMS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda obj: b"0",
    bool: lambda obj: b"T" if obj else b"f",
    int: lambda obj: b"i%x;" % obj,
    float: lambda obj: b"D" + struct.pack("<d", obj),
    complex: lambda obj: b"C" + struct.pack("<dd", obj.real, obj.imag),
    str: _text_atom,
    bytes: lambda obj: b"x%d:%b" % (len(obj), obj if len(obj) < 65536 else digest(obj)),
    type(Ellipsis): lambda obj: b".",
    type(NotImplemented): lambda obj: b"!",
}
"""How an atom is written."""
