"""Weak references: they come back where what they refer to does."""

from __future__ import annotations

import weakref
from typing import Any

from kishu_kernel.objects.library import HeldOutsideError, Library, Reduction


def _reference(reference: Any) -> Reduction:
    from kishu_kernel.objects.rebuild.handles import dead_reference, make_reference

    target = reference()
    if target is None:
        return dead_reference, ()
    return make_reference, (target, reference.__callback__)


def _proxy(proxy: Any) -> Reduction:
    target = proxy.__sizeof__.__self__
    if weakref.proxy(target) is not proxy:  # there is one without a callback for all, and a callback it does not tell
        raise HeldOutsideError("a weak proxy with a callback cannot be stored")
    return weakref.proxy, (target,)


class WeakReferences(Library):
    """What a subclass of weak references adds is not stored; that of the standard library can be seen."""

    packages = ("weakref",)
    exact_reductions = {"weakref.ReferenceType": _reference}
    reductions = {"weakref.ProxyType": _proxy, "weakref.CallableProxyType": _proxy}
    external_handles = {
        "weakref.ReferenceType": "what a subclass of weak references keeps",
        "weakref.finalize": "its place among what is done at the end",
    }
    visible_state = {"weakref.KeyedRef": lambda reference: (reference(), reference.key)}
