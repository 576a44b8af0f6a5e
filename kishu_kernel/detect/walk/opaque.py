"""Objects that cannot be walked: the digest knows their types; what they hold on to is shared with them.

Law: nothing is asked of them. What they hold is what the interpreter's garbage collector is told of, and what a library
says of its own classes.
"""

from __future__ import annotations

import gc
import sys
import types
import weakref
from functools import partial
from typing import Any

from kishu_kernel.detect.walk.state import Walk
from kishu_kernel.objects.classes import (
    attributes,
    has_active_metaclass,
    is_plain_class,
    module_contents,
    module_name,
    qualified_name,
)
from kishu_kernel.objects.library import functions_of
from kishu_kernel.objects.questions import (
    callbacks_of,
    hidden_references_of,
    is_untraversable,
    users_objects_in,
)

_ITEM_ITERATORS: tuple[type, ...] = (type(iter({}.items())), type(reversed({}.items())))


def walk_opaque(walk: Walk, obj: Any) -> None:
    """`obj` is opaque: the digest knows its type only, and what it holds as far as that can be seen."""
    kind = type(obj)
    note_opaque(walk, kind)
    if any(kind is each for each in weakref.ProxyTypes):
        walk.stack.append(obj.__sizeof__.__self__)
    elif kind is memoryview:
        walk.stack.append(obj.obj)
    elif issubclass(kind, weakref.ref):
        walk.stack.append(weakref.ref.__call__(obj))
    elif is_untraversable(kind):
        walk.stack.extend(users_objects_in(obj))
        note_observers(walk, obj)
    elif kind is not dict:
        if module_name(kind) == "__main__":
            walk.stack.append(kind)
        walk.stack.extend(_held_by(walk, obj))


def walk_failed(walk: Walk, obj: Any) -> None:
    """`obj` raised while it was looked at: it is opaque. Asks nothing of it; runs none of its code."""
    walk.memo.setdefault(id(obj), len(walk.memo))
    note_opaque(walk, type(obj))
    if not is_untraversable(type(obj)) and obj is not walk.reducer.namespace:
        walk.stack.extend(_held_by(walk, obj))


def note_opaque(walk: Walk, kind: type) -> None:
    """Instances of this type could not be walked: the digest knows the type only."""
    walk.text(b"?", f"{module_name(kind)}:{qualified_name(kind)}".encode("utf-8", "surrogatepass"))
    walk.note_module(module_name(kind))
    known = is_plain_class(kind) and not has_active_metaclass(kind)
    walk.opaque.append(kind if known else object)  # those who come later look it up, and name it


def walk_called_anew(walk: Walk, obj: Any) -> None:
    """What another process calls otherwise, when it is made anew: the digest knows its type only."""
    walk.text(b"N", f"{module_name(type(obj))}:{qualified_name(type(obj))}".encode("utf-8", "surrogatepass"))


def note_observers(walk: Walk, obj: Any) -> None:
    """Functions that an untraversable object calls: what the notebook's touch may be touched with it.

    They are shared with who else has them: a widget that was made anew would not know the function that it is told to
    forget, and call the method of another object than the one that has a name.
    """
    called = callbacks_of(obj)
    walk.codes.update(each.__code__ for each in functions_of(called) if walk.reducer.is_notebook_function(each))
    walk.stack.extend(each for each in called if _is_of_somebody(walk, each))


def _is_of_somebody(walk: Walk, callback: Any) -> bool:
    """Not a mere function of a library's."""
    if type(callback) is not types.FunctionType:
        return True
    return walk.reducer.is_notebook_function(callback) or bool(callback.__closure__)


def _held_by(walk: Walk, obj: Any) -> list[Any]:
    """What an opaque object holds on to, as far as that can be seen.

    The same, whether its `__dict__` was asked for before or not: the interpreter makes that then, and refers to it
    instead of what is in it. It is made here, where it was not.
    """
    state = attributes(obj)
    inside = set(map(id, state.values())) if state else set()
    held = [each for each in gc.get_referents(obj) if each is not state and id(each) not in inside]
    # Beside the dictionary there is the pair that it gives next time.
    if any(type(obj) is each for each in _ITEM_ITERATORS):
        held = [each for each in held if issubclass(type(each), dict)]
    held += hidden_references_of(obj)
    return [*([state] if state else ()), *filter(partial(may_be_shared, walk), held)]


def may_be_shared(walk: Walk, held: Any) -> bool:
    """Not code, nor a module or what is in it."""
    if type(held) is dict:
        name = held.get("__name__")
        module = sys.modules.get(name) if type(name) is str else None
        return held is not walk.reducer.namespace and (module is None or module_contents(module) is not held)
    return not issubclass(type(held), (type, types.FunctionType, types.ModuleType, types.CodeType, types.FrameType))
