"""The payload of a co-variable: of plain values at once; what pickles all others is imported when there are some.

Law: whichever way is gone, the stream is the same (`plain_values`).
Neighbours: `pickling`, which has both picklers, and loads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kishu_kernel.model import Names, NotStored, Payload
from kishu_kernel.objects.codec.libraries_used import library_versions
from kishu_kernel.objects.codec.plain_values import plain_stream
from kishu_kernel.objects.reduction_table import ReductionTable

if TYPE_CHECKING:
    from kishu_kernel.objects.codec.strings import Recogniser


def encode(
    names: Names,
    variables: Mapping[str, Any],
    table: ReductionTable,
    opaque: tuple[type, ...] = (),
    recognised: Recogniser = lambda _: None,
    classes: frozenset[bytes] = frozenset(),
    kept: tuple[tuple[Any, ...], ...] = (),
) -> Payload | NotStored:
    """The payload of a co-variable.

    Its buffers are the user's live memory: they are to be written before the next cell runs.

    Args:
        opaque: types in it that the fingerprint could not walk. Only dill may know how to store them.
        recognised: knows arrays of strings, so that they are known again when they are loaded.
        classes: tokens of the classes in it that other variables are bound to.
        kept: tuples of objects in it that somebody holds only to know them again.
    """
    plain = None if opaque else plain_stream({name: variables[name] for name in names}, kept)
    if plain is not None:
        return Payload(names, "cloudpickle", plain, (), library_versions())
    from kishu_kernel.objects.codec.pickling import encode_objects

    return encode_objects(names, variables, table, opaque, recognised, classes, kept)
