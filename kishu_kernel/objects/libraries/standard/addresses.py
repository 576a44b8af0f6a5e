"""Objects of ctypes and of other code in C: an address leads nowhere in another process."""

from __future__ import annotations

import operator
from typing import Any

from kishu_kernel.objects.classes import contents_of, mro_of, qualified_name
from kishu_kernel.objects.library import HeldOutsideError, Library, Reduction


def _array_type(kind: Any) -> Reduction:
    # Made anew by every multiplication, and found by no name.
    if not hasattr(kind, "_type_") or kind is not kind._type_ * kind._length_:
        return NotImplemented
    return operator.mul, (kind._type_, kind._length_)


def _function_type(kind: Any) -> Reduction:
    # Found by no name either: one for each signature, which a call of ours finds again.
    import ctypes

    arguments = getattr(kind, "_argtypes_", None)  # a library's own type of functions has none
    if arguments is None or ctypes.CFUNCTYPE(kind._restype_, *arguments) is not kind:
        raise HeldOutsideError("a type of C functions that `ctypes.CFUNCTYPE` does not know cannot be stored")
    return ctypes.CFUNCTYPE, (kind._restype_, *arguments)


def _pointer_type(kind: Any) -> Reduction:
    import ctypes

    if not hasattr(kind, "_type_") or ctypes.POINTER(kind._type_) is not kind:
        return NotImplemented
    return ctypes.POINTER, (kind._type_,)


def _foreign(obj: Any) -> Reduction:
    # A copy of an address is a second owner of what stands there, or leads nowhere in another process.
    import ctypes

    from kishu_kernel.objects.rebuild.handles import addresses

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


def _extent(obj: Any) -> tuple[int, int]:
    import ctypes

    return ctypes.addressof(obj), max(ctypes.sizeof(obj), 1)


class Addresses(Library):
    """What of ctypes holds no address is stored as its bytes; its memory may be an array's."""

    packages = ("ctypes", "_ctypes")
    reductions = {
        "_ctypes.PyCArrayType": _array_type,
        "_ctypes.PyCFuncPtrType": _function_type,
        "_ctypes.PyCPointerType": _pointer_type,
        "_ctypes._CData": _foreign,
    }
    exposed_memory = {"_ctypes._CData": _extent}
    external_handles = {
        "builtins.PyCapsule": "an address",
        "ctypes.CDLL": "a loaded library",
        "_ctypes.CFuncPtr": "the address of a function",
        "_ctypes._Pointer": "an address",
        "builtins.CArgObject": "an address",
        "_ctypes.CArgObject": "an address",
        "builtins.SwigPyObject": "an address",
        "builtins.SwigPyPacked": "an address",
        "builtins.PyCObject": "an address",
    }
    visible_state = {"_ctypes.CField": lambda field: (repr(field),)}
