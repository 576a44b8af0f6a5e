"""Code, and what holds on to it: functions, classes, modules, generators, caches of functions."""

from __future__ import annotations

import gc
import sys
import types
from functools import partial
from typing import Any

from kishu_kernel.detect.atoms import code_digest
from kishu_kernel.detect.walk.opaque import may_be_shared, note_opaque
from kishu_kernel.detect.walk.reductions import walk_apart, walk_reduction
from kishu_kernel.detect.walk.state import Walk
from kishu_kernel.objects.classes import derives, has_active_metaclass, module_contents, module_name, qualified_name
from kishu_kernel.objects.own_modules import is_tracked, original_place
from kishu_kernel.objects.questions import class_reduction_of

_RUNS_CODE = frozenset({exec, eval, globals, locals, vars})


def walk_function(walk: Walk, obj: types.FunctionType) -> None:
    """A function: if it is the notebook's, what its code names may be touched."""
    reference = walk.reference_to(obj)
    if reference is not None:
        walk.references[obj] = reference
        walk.unlink(obj)
        walk.parts.append(reference)
        return
    if walk.reducer.is_notebook_function(obj):
        walk.codes.add(obj.__code__)
    else:
        place = original_place(obj)
        if place is not None:  # where the module's source has put it, though something else may be there now
            walk.note_module(place[0])
            walk.unlink(obj)
            walk.text(b"g", ":".join(place).encode())
            return
        walk.note_module(obj.__globals__.get("__name__"))
    walk_reduction(walk, obj)


def walk_code(walk: Walk, obj: types.CodeType) -> None:
    """A code object is a value."""
    walk.unlink(obj)
    walk.parts.append(code_digest(obj))


def walk_builtin(walk: Walk, obj: types.BuiltinFunctionType) -> None:
    """A function or a method made in C: by its name, or by what it is bound to."""
    owner = obj.__self__
    if owner is None or derives(type(owner), types.ModuleType):
        walk.unlink(obj)
        walk.dynamic = walk.dynamic or obj in _RUNS_CODE
        walk.text(b"g", f"{obj.__module__}:{obj.__qualname__}".encode())
    else:
        walk_reduction(walk, obj)
        if derives(type(owner), type):
            walk.unlink(obj)


def walk_framed(walk: Walk, obj: Any) -> None:
    """A generator or coroutine: opaque, but what its frame holds is shared with it."""
    prefix = "gi_" if hasattr(obj, "gi_code") else "cr_" if hasattr(obj, "cr_code") else "ag_"
    frame = getattr(obj, prefix + "frame")
    note_opaque(walk, type(obj))
    # Looking at them makes a dictionary that the frame then refers to: it is not to be seen the next time.
    inside = frame.f_locals if frame is not None else {}
    if frame is not None and frame.f_globals is walk.reducer.namespace:
        walk.codes.add(getattr(obj, prefix + "code"))
    walk.stack.extend(inside.values())
    if sys.version_info >= (3, 11):  # the iterators of its loops, too
        skipped = (types.FunctionType, types.ModuleType, types.CodeType, types.FrameType)
        walk.stack.extend(
            held
            for held in gc.get_referents(obj)
            if not issubclass(type(held), skipped) and held is not walk.reducer.namespace and held is not inside
        )


def walk_cached(walk: Walk, obj: Any) -> None:
    """A function with `functools.lru_cache`: what it has cached can be changed through it."""
    walk_reduction(walk, obj)
    # Of a cache of limited size, the function itself tells the collector of what is in it.
    own = obj.__dict__
    walk.stack.extend(
        held
        for held in gc.get_referents(obj)
        if held is not own and type(held) is not object and may_be_shared(walk, held)
    )


def walk_cache_node(walk: Walk, obj: Any) -> None:
    """Of the list that `functools.lru_cache` keeps."""
    walk.stack.extend(filter(partial(may_be_shared, walk), gc.get_referents(obj)))


def walk_class(walk: Walk, obj: type) -> None:
    """A class: the notebook's by what it defines, others by their names."""
    if has_active_metaclass(obj):
        note_opaque(walk, type(obj))
        return
    if id(obj) in walk.shared.whole:
        walk_reduction(walk, obj)
        return
    reference = walk.reference_to(obj)
    if reference is None and class_reduction_of(obj) is not None:
        told = walk_apart(walk, obj)
        if told:
            walk.references[obj] = told
        return
    token = walk.token_of(obj) if reference is None else None
    if token is not None:
        walk.unlink(obj)
        walk.bound_classes.add(token)
        walk.class_bytes[obj] = b"b" + token
        walk.shared.bound_bytes[id(obj)] = obj, walk.class_bytes[obj], token
        walk.parts.append(walk.class_bytes[obj])
        return
    if reference is None and walk.reducer.by_value(obj):
        if walk.shared.bound is None or walk.shared.bound(obj) is None:  # else only where it is not where a walk began
            walk.shared.whole[id(obj)] = obj
        walk_reduction(walk, obj)
        return
    if reference is None:
        reference = f"c{module_name(obj)}:{qualified_name(obj)};".encode()
        walk.note_module(module_name(obj))
        if not is_tracked(module_name(obj)):
            walk.shared.references[obj] = reference
            walk.shared.table.lasting_references.put(obj, reference)
    walk.references[obj] = walk.class_bytes[obj] = reference
    walk.unlink(obj)
    walk.parts.append(reference)


def walk_module(walk: Walk, obj: types.ModuleType) -> None:
    """A module: by its name, unless it is no imported one."""
    name = module_contents(obj).get("__name__")
    if type(name) is str and sys.modules.get(name) is obj:
        walk.dynamic = walk.dynamic or name == "__main__"
        walk.note_module(name)
        walk.unlink(obj)
        walk.text(b"m", name.encode())
    else:
        walk_reduction(walk, obj)
