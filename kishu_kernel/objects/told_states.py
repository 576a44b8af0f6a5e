"""Classes of libraries whose instances a pickler makes empty and fills with what their own `__getstate__` gives.

Most of what draws is so. What such an instance is can be had from `__getstate__` alone, if that tells the very values
of all attributes: then nothing is left out and nothing hidden. The native module looks for that (`process.native`), and
so spares walk and codec the long way, by which both go where it says nothing.

Law: the same objects as the long way gives, or nothing. Neighbours: `reducers` asks; `left_out` and `hidden_links` are
the long way.
"""

from __future__ import annotations

import types

import cloudpickle

from kishu_kernel.objects.classes import contents_of, derives, has_dict, module_name, mro_of
from kishu_kernel.objects.left_out import ignores_state, ways_in_python
from kishu_kernel.objects.registry import registry

_NOT_MADE_EMPTY = frozenset({"__getnewargs__", "__getnewargs_ex__", "__getattribute__", "__getattr__"})
_MORE_THAN_STATE = (dict, list, BaseException)


def is_told_by_state(kind: type) -> bool:
    """Whether instances of this class are such. Nothing of the class runs.

    Of libraries whose loads are harmless: what these run when they are asked is known not to hang.
    """
    ways = ways_in_python(kind)
    if type(kind) is not type or ways.keys() - {"__setstate__"} != {"__getstate__"} or not has_dict(kind):
        return False
    if module_name(kind).partition(".")[0] not in registry.packages_that_are("harmless"):
        return False
    if any(derives(kind, each) for each in _MORE_THAN_STATE) or kind in cloudpickle.Pickler.dispatch_table:
        return False
    if "__setstate__" in ways and ignores_state(ways["__setstate__"]):
        return False
    bases = [contents_of(base) for base in mro_of(kind)[:-1]]
    if any(held.get("__slots__") or not _NOT_MADE_EMPTY.isdisjoint(held) for held in bases):
        return False
    return (
        type(next((held["__class__"] for held in bases if "__class__" in held), None)) is not types.GetSetDescriptorType
    )
