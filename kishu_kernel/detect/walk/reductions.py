"""Objects that a pickler would take apart: by their attributes where that is all, else by their reduction."""

from __future__ import annotations

import copyreg
import types
from collections.abc import Callable
from sys import getrefcount
from typing import Any

from kishu_kernel.detect.atoms import ATOMS
from kishu_kernel.detect.walk.containers import walk_items
from kishu_kernel.detect.walk.opaque import note_observers, note_opaque, walk_opaque
from kishu_kernel.detect.walk.state import Walk
from kishu_kernel.model import Digest
from kishu_kernel.objects.attribute_dicts import ALONE, place_of
from kishu_kernel.objects.class_reductions import in_own_containers, made_for
from kishu_kernel.objects.classes import (
    contents_of,
    derives,
    flags_of,
    has_dict,
    has_slots,
    has_usual_ways,
    is_bare,
    is_known_by_itself,
    is_users_own,
    module_name,
    qualified_name,
    seen_attributes,
    shows_its_attributes,
)
from kishu_kernel.objects.libraries.standard.values import VALUE_TYPES
from kishu_kernel.objects.own_modules import is_tracked
from kishu_kernel.objects.questions import (
    code_only_state_of,
    has_code_only_state,
    is_dynamic,
    is_value_type,
    visible_reduction,
)
from kishu_kernel.objects.rebuild.code import module_attribute
from kishu_kernel.objects.rebuild.instances import make_derived, make_instance
from kishu_kernel.objects.reducers import hides

_HOOKS = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
_ON_INSTANCES = frozenset(_HOOKS)
_MADE_IN_C = 1 << 8
"""A flag of types that no code can change: to ask for the `__dict__` of an instance may make it."""


def walk_reduction(walk: Walk, obj: Any, refused: Callable[[Walk, Any], None] = walk_opaque) -> None:
    """Walks what a pickler would store. What raises is opaque."""
    kind = type(obj)
    try:
        held = walk.reducer.shared_attributes(obj)  # first: a reduction may hold it, too
        reduced = walk.reducer.decompose(obj)
        if isinstance(reduced, str):
            module = getattr(obj, "__module__", None) or module_name(type(obj))
            if module == "__main__":
                raise TypeError("a global of the notebook is no place to find it again")
            walk.unlink(obj)
            walk.note_module(module)
            place = f"{module}:{reduced}".encode()
            walk.text(b"g", place)
            if len(place) < 256 and _is_function(obj):  # as what makes instances: met once an instance
                walk.references[obj] = b"g%d:%b" % (len(place), place)
                defined = obj.__globals__.get("__name__") if kind is types.FunctionType else module_name(kind)
                if not (is_tracked(module) or is_tracked(defined)):
                    walk.shared.references[obj] = walk.references[obj]
                    walk.shared.table.lasting_references.put(obj, walk.references[obj])
            return
        children = list(_of_class(walk, obj, reduced) if derives(kind, type) else reduced)
        children[3:5] = [None if items is None else list(items) for items in children[3:5]]
        if len(children) > 2 and type(children[2]) is dict and not children[2]:
            children[2] = None  # an empty `__dict__` is made when somebody asks for it
    except Exception:
        refused(walk, obj)
        return
    make = children[0]
    whole = make is make_instance or make is make_derived  # nothing was left out
    is_value, dynamic = _known(walk, kind)
    if is_value and not whole and _is_notebooks_value(kind) and seen_attributes(obj):
        walk_opaque(walk, obj)  # the notebook's own, of a base whose reduction leaves out what it adds
        return
    walk.dynamic = walk.dynamic or dynamic
    if (
        (is_value and not (whole and seen_attributes(obj)))
        or make is module_attribute
        or (walk.reducer.private and walk.reducer.is_copy_on_write(obj))
    ):
        walk.unlink(obj)
    if is_value and len(children) > 2 and type(children[2]) is dict:
        children[2] = dict(children[2])  # its attributes: to share them with it links nothing either
    walk.note_hidden(obj, children)
    number = walk.memo.get(id(obj))
    if held is not None and number is not None and not _is_among(held, children[1:3]):
        if not _is_first(walk, obj, held):
            children.append(held)
        elif held:
            walk.unread_attributes.add(id(held))  # the reduction may not tell them
    walk.kept.append(children)
    walk.parts.append(b"r%d;" % len(children))
    if walk.shared.census is not None and walk.is_counted(kind) and not flags_of(kind) & _MADE_IN_C:
        walk.shared.census.update(_counted(kind, seen_attributes(obj)))
    if make is copyreg.__newobj__ and len(children) > 2 and _write_newobj(walk, kind, children[1]):  # type: ignore[attr-defined]
        walk.stack.extend(children[:1:-1])
    else:
        walk.stack.extend(reversed(children))


def _of_class(walk: Walk, cls: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """The reduction of a class, as no other walk has it."""
    known = walk.shared.made
    if id(cls) not in known or known[id(cls)][0] is not reduced:
        known[id(cls)] = reduced, made_for(cls, reduced)
    own: tuple[Any, ...] = in_own_containers(reduced, known[id(cls)][1])
    return own


def _is_function(obj: Any) -> bool:
    """It is called, and equal to itself alone, so that the loop may look it up: Cython's functions, too."""
    kind = type(obj)
    if kind is types.FunctionType:
        return True
    return callable(obj) and not is_users_own(kind) and is_known_by_itself(kind)


def _write_newobj(walk: Walk, kind: type, arguments: Any) -> bool:
    """Writes what makes most instances, as the loop would, once the class is known; False where that is not all."""
    if type(arguments) is not tuple or len(arguments) != 1 or arguments[0] is not kind or walk.hubs:
        return False
    function, cls = walk.references.get(copyreg.__newobj__), walk.references.get(kind)  # type: ignore[attr-defined]
    key = id(arguments)
    if function is None or cls is None or key in walk.memo or key in walk.static:
        return False
    walk.memo[key] = len(walk.memo)
    walk.parts.append(b"%bt1;%b" % (function, cls))
    return True


def _known(walk: Walk, kind: type) -> tuple[bool, bool]:
    """Whether instances are values, and dynamic."""
    values = walk.shared.moment.values
    known = values.get(kind)
    if known is None:
        known = values[kind] = (is_value_type(kind), is_dynamic(kind))
    return known


def _is_notebooks_value(kind: type) -> bool:
    return module_name(kind) == "__main__" and issubclass(kind, VALUE_TYPES)


def _is_among(held: Any, parts: list[Any], depth: int = 3) -> bool:
    """Whether a reduction has this dictionary as it is, in its state or its arguments: it is then walked there."""
    for part in parts:
        if part is held:
            return True
        if depth and type(part) in (tuple, dict):
            inner = list(part.values() if type(part) is dict else part)
            if _is_among(held, inner, depth - 1):
                return True
    return False


def is_simple(walk: Walk, kind: type, obj: Any) -> bool:
    """`object.__reduce_ex__` gives the class and the `__dict__`, and nothing else.

    So it is of all instances, whichever is met first: else what one of them is told by would go by what was met before.
    """
    if not _may_be_simple(walk, kind):
        return False
    if is_bare(kind):  # to ask an instance for its reduction may make its `__dict__`
        return not has_slots(kind)
    if not _ON_INSTANCES.isdisjoint(seen_attributes(obj) or ()):
        return False
    try:
        reduced = obj.__reduce_ex__(5)
        return (
            reduced[1] == (kind,)
            and list(reduced[3:]) == [None] * len(reduced[3:])
            and (reduced[2] is None or type(reduced[2]) is dict)
            and not has_slots(kind)
        )
    except Exception:
        return False


def is_asked(walk: Walk, kind: type) -> bool:
    """Whether `is_simple` asks the very instance: the class alone does not say it."""
    return has_dict(kind) and not is_bare(kind) and _may_be_simple(walk, kind)


def _may_be_simple(walk: Walk, kind: type) -> bool:
    return not (
        walk.reducer.is_special(kind)  # first: what the notebook has made of its class is not asked
        or not kind.__dictoffset__
        or any(getattr(kind, hook, None) is not getattr(object, hook, None) for hook in _HOOKS)
        or not shows_its_attributes(kind)
    )


def walk_simple(walk: Walk, obj: Any) -> None:
    """An instance whose reduction is its class and its `__dict__`, without making that reduction."""
    state = obj.__dict__
    if "__getstate__" in state or "__reduce_ex__" in state:  # a pickler would call them, though no class has them
        walk_reduction(walk, obj)
        return
    if (getrefcount(state) > ALONE or type(state) is not dict) and not _is_first(walk, obj, state):
        walk.parts.append(b"o;")
        walk.stack += (type(obj), state)
        return
    if walk.shared.census is not None and walk.is_counted(
        type(obj)
    ):  # as where it is not simple: a copy may be, and what it was copied from not
        walk.shared.census.update(_counted(type(obj), state))
    walk.parts.append(b"o%d;" % len(state))
    walk.stack.append(type(obj))  # walked after the attributes
    walk_items(walk, state)


def _is_first(walk: Walk, obj: Any, state: dict[str, Any]) -> bool:
    """Whether these attributes, which something else may hold, are met for the first time, and to be walked here.

    The digest is then the same as where nobody else holds them: a walk that is under way may be who does.
    """
    key = id(state)
    if type(state) is not dict or state is walk.reducer.namespace or key in walk.memo or key in walk.attributes:
        return False
    number = walk.memo.get(id(obj))
    if number is not None:  # else it is a value: to share what it holds links nothing either
        walk.attributes[key] = number
    return True


def walk_simple_value(walk: Walk, obj: Any) -> None:
    """The same of a class whose instances are values."""
    walk.unlink(obj)
    walk_simple(walk, obj)


def is_told(walk: Walk, kind: type) -> bool:
    """Instances have no `__dict__`, and what a pickler's usual way tells of them is all that is to be asked."""
    made_in_c = flags_of(kind) & _MADE_IN_C
    return (
        not walk.reducer.is_special(kind)
        and not has_dict(kind)
        and not hides(walk.shared.table, kind)
        and bool(made_in_c or has_usual_ways(kind))
        and _known(walk, kind) in (((False, False), (True, False)) if made_in_c else ((False, False),))
    )


def walk_told(walk: Walk, obj: Any) -> None:
    """Such an instance. The loop in C does it without what `walk_reduction` asks beside."""
    walk_reduction(walk, obj)


def walk_told_value(walk: Walk, obj: Any) -> None:
    """The same of a class whose instances are values."""
    walk_reduction(walk, obj)


def walk_by_state(walk: Walk, obj: Any) -> None:
    """An instance whose `__getstate__` mostly tells all of it: the native loop sees whether it does."""
    walk_reduction(walk, obj)


def is_reduced(walk: Walk, kind: type) -> bool:
    """The reduction of an instance is all that is to be asked, unless something else holds its attributes."""
    own = not has_dict(kind) or type(place_of(kind)) is types.GetSetDescriptorType
    return (
        own
        and type(kind) is type
        and kind is not types.MethodType  # the loop knows more of these
        and not (is_users_own(kind) or is_dynamic(kind) or hides(walk.shared.table, kind))
    )


def walk_reduced(walk: Walk, obj: Any) -> None:
    """Such an instance: frames, and what they are made of. The loop in C asks nothing beside."""
    walk_reduction(walk, obj)


def walk_reduced_value(walk: Walk, obj: Any) -> None:
    """The same of a class whose instances are values."""
    walk_reduction(walk, obj)


def walk_member(walk: Walk, obj: Any) -> None:
    """A member of an enum. It is the class's, and so are its attributes: it is told by its value."""
    known = walk.members.get(id(obj))
    told = _told_member(walk, obj) if known is None else known[1]
    if told is None:
        told = _librarys_member(walk, obj)
    walk.members[id(obj)] = obj, told
    if told is None:
        walk_reduction(walk, obj)
        return
    walk.unlink(obj)
    walk.parts.append(told)


def _told_member(walk: Walk, obj: Any) -> bytes | None:
    """What stands for a member of a class that a variable is bound to; None for others."""
    kind = type(obj)
    token = walk.token_of(kind)
    value = (seen_attributes(obj) or {}).get("_value_", obj)
    if token is None or type(value) not in ATOMS or id(obj) not in _members(walk, kind):
        return None
    walk.bound_classes.add(token)
    told = b"e" + ATOMS[type(value)](value) + b"b" + token
    walk.shared.bound_bytes[id(obj)] = obj, told, token
    return told


def _librarys_member(walk: Walk, obj: Any) -> bytes | None:
    """What is written of a member of a library's class, as the loop writes it; None where the class was not met yet."""
    kind = type(obj)
    reference = walk.references.get(kind)
    if reference is None or walk.shared.census is not None or _known(walk, kind) != (True, False):
        return None
    try:
        reduced = walk.reducer.decompose(obj)
    except Exception:
        return None
    if type(reduced) is not tuple or len(reduced) != 2 or reduced[0] is not kind or len(reduced[1]) != 1:
        return None
    [value] = reduced[1]
    if type(value) not in (str, int):
        return None
    written = repr([value]).encode("utf-8", "surrogatepass")
    return b"r2;%bt1;R%d:%b" % (reference, len(written), written) if len(written) < 256 else None


def _members(walk: Walk, kind: type) -> frozenset[int]:
    """Ids of the members that their class finds by their values."""
    known = walk.members_by_value.get(kind)
    if known is None:
        found = contents_of(kind).get("_value2member_map_")
        ids = frozenset(map(id, dict.values(found))) if type(found) is dict else frozenset[int]()
        known = walk.members_by_value[kind] = ids
    return known


def walk_label(walk: Walk, obj: Any) -> None:
    """Shared and all but immutable; what it holds is its own."""
    opaque = len(walk.opaque)
    found = walk_apart(walk, obj)
    walk.labels[id(obj)] = Digest(found) if found and len(walk.opaque) == opaque else None


def walk_apart(walk: Walk, obj: Any) -> bytes:
    """Sharing it joins nothing: what it holds is walked by itself. Gives what stands for it; empty: that is not all."""
    walk.unlink(obj)
    under_way = walk.shared.under_way
    begun = id(obj) in under_way
    if not len(walk.parts):  # where such a walk begins, or the variable itself
        walk_reduction(walk, obj, _note_refused if begun else walk_opaque)
        return b""
    if begun:  # what it holds leads back to it
        walk.text(b"l", qualified_name(type(obj)).encode())
        return b""
    under_way.add(id(obj))
    try:
        taken = walk.walk_once(obj)
    finally:
        under_way.discard(id(obj))
    walk.parts.append(taken.digest)
    walk.opaque.extend(taken.opaque)
    return taken.digest


def _note_refused(walk: Walk, obj: Any) -> None:
    """What it holds is not walked: that would join nothing, and often leads back to it."""
    note_opaque(walk, type(obj))


def walk_widget(walk: Walk, obj: Any) -> None:
    """An untraversable object that tells what it is."""
    if not walk.in_setup:
        known = has_code_only_state(type(obj))
        walk.widget_setup.append(walk.digest_of_setup(code_only_state_of(obj) if known else visible_reduction(obj)[1]))
        note_observers(walk, obj)
    walk_reduction(walk, obj)


def _counted(kind: type, held: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """The attributes that count: what a library calls private is its own business (caches, locks)."""
    module, name = module_name(kind), qualified_name(kind)
    own = module == "__main__"
    counted = (str(each) for each in held or () if own or not str(each).startswith("_"))
    return [(module, name, each) for each in ("", *counted)]
