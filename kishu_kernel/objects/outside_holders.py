"""Who of a library's holds something of the notebook's: found backwards, by asking the collector who refers to it.

From an object to its holders, to theirs, until a module or a class of a library is reached. Each step is one pass over
all objects that the collector knows: about 0.3 us an object, whoever many are asked for. What the notebook's own
variables and classes hold ends on the way.

Law: no code of the user's runs (a type is asked, never `isinstance`, which makes a proxy make what it stands for), and
nothing that was found is kept. Weak references and what C keeps for itself are not seen: who asks has other ways for
those.
"""

from __future__ import annotations

import gc
import inspect
import sys
import types
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from kishu_kernel.objects.classes import derives, is_users_own, module_contents, module_name, mro_of, qualified_name
from kishu_kernel.process.code_origins import is_users_module

MOST_STEPS = 5
"""Passes for one search, at most."""
MOST_HOLDERS = 1000
"""Holders that are looked at after one pass, at most: a class has its instances."""
MOST_OBJECTS = 40
"""Objects whose holders are asked for in one pass, at most."""

MOST_INSIDE = 20_000
"""Objects that variables lead to, at most, where all references to them are counted."""

MOST_TRACKED = 3_000_000
"""Objects that the collector knows, at most: a pass is one call of C, which no message ends. It takes a second."""

_OURS = frozenset({"kishu_kernel", "IPython", "ipykernel", "traitlets", "tornado", "zmq", "jupyter_client", "comm"})
_KEEPS_WHAT_IT_SAW = frozenset({"typing", "functools", "inspect", "asyncio", "gc", "linecache", "threading"})
"""Caches, and what runs the notebook's own tasks and threads."""
_NO_HOLDERS = (
    *(types.FrameType, types.GeneratorType, types.CoroutineType, types.GetSetDescriptorType),
    *(types.MemberDescriptorType, types.TracebackType),
)
_LEADS_AWAY = frozenset(
    map(
        id,
        (
            *(type(None), bool, int, float, complex, str, bytes, types.CodeType),
            *(types.ModuleType, types.BuiltinFunctionType),
        ),
    )
)
"""Ids of types: to look a type up may ask its metaclass."""
_CACHE = "_lru_cache_wrapper"


class Heap:
    """How many objects the collector knows: counted again where there are many more or fewer objects in all."""

    def __init__(self) -> None:
        self._blocks = 0
        self._tracked = 0

    def is_too_large(self) -> bool:
        """Whether a pass over all objects would take long."""
        blocks = sys.getallocatedblocks()
        if blocks <= MOST_TRACKED:  # an object takes one, or more
            return False
        if abs(blocks - self._blocks) > self._blocks // 10:
            self._blocks, self._tracked = blocks, len(gc.get_objects())
        return self._tracked > MOST_TRACKED


Found = dict[str, list[int]]
"""Packages, each with the ids of the objects that were asked for and that it holds."""


Bindings = Callable[[], Iterable[Mapping[Any, Any]]]
"""Gives what holds the variables of the notebook."""


def drop_what_variables_explain(targets: list[Any], bindings: Bindings, namespace: dict[str, Any]) -> None:
    """Takes out of these objects those to which nothing leads but variables. O(what these hold), or nothing is done.

    All references from what variables lead to are counted, as the collector does it. Who has more than these is held by
    somebody else, too, and so may be all that it leads to. Nobody else can have the rest.

    Args:
        targets: the caller holds them by nothing else.
        namespace: the globals of the notebook's functions.
    """
    edges, inside = _reached(bindings(), namespace)
    here = set(map(id, targets))
    counts = _references(inside.values())
    known = (edges[key] + _USUAL + (key in here) for key in inside)
    held = [each for each, count, all in zip(inside.values(), counts, known, strict=True) if count > all]
    led_to, _ = _reached([dict(enumerate(held))], namespace, inside)
    targets[:] = [each for each in targets if id(each) not in inside or led_to[id(each)]]


def _reached(
    roots: Iterable[Mapping[Any, Any]], namespace: dict[str, Any], within: Mapping[int, Any] | None = None
) -> tuple[Counter[int], dict[int, Any]]:
    """How many references lead to each object, by its id; and what was reached. Nothing where that is too much."""
    edges: Counter[int] = Counter()
    inside: dict[int, Any] = {}
    frontier: list[Any] = list(roots)
    seen = {id(namespace), *map(id, frontier)}
    while frontier:
        further = _led_to(frontier, namespace)
        if len(inside) + len(further) > MOST_INSIDE:
            return Counter(), {}
        edges.update(map(id, further))
        new = {id(each): each for each in further if id(each) not in seen}
        seen.update(new)
        reached = {key: each for key, each in new.items() if within is None or key in within}
        reached = {key: each for key, each in reached.items() if _is_inside(each, namespace)}
        inside.update(reached)
        frontier = list(reached.values())
    return edges, inside


def _led_to(objects: list[Any], namespace: dict[str, Any]) -> list[Any]:
    """All that these refer to, once for each reference; but for the module of a closure that a library has made."""
    closures: list[Any] = [  # not all type stubs know what a function's `__builtins__` are
        each for each in objects if type(each) is types.FunctionType and each.__globals__ is not namespace
    ]
    if not closures:
        return gc.get_referents(*objects)
    made = set(map(id, closures))
    found = gc.get_referents(*(each for each in objects if id(each) not in made))
    for each in closures:
        away = id(each.__globals__), id(each.__builtins__)
        found += [held for held in gc.get_referents(each) if id(held) not in away]
    return found


def _is_inside(obj: Any, namespace: dict[str, Any]) -> bool:
    """It is the notebook's, or a value that it has: what it leads to is to be counted."""
    kind = type(obj)
    if id(kind) in _LEADS_AWAY:
        return False
    if kind is types.FunctionType:
        return obj.__globals__ is namespace or _is_closure_of_librarys(obj)
    if kind is types.FrameType:  # an error that a variable holds has them
        return obj.f_globals is namespace
    return is_users_own(obj) if derives(kind, type) else module_name(kind).partition(".")[0] not in _OURS


def _is_closure_of_librarys(function: types.FunctionType) -> bool:
    """A library made it for somebody, as a decorator does: it is nobody's whom it was not given."""
    name = function.__globals__.get("__name__")
    return (
        bool(function.__code__.co_flags & inspect.CO_NESTED)
        and type(name) is str
        and name.partition(".")[0] not in _OURS
    )


def _references(objects: Iterable[Any]) -> list[int]:
    return [sys.getrefcount(each) for each in objects]


_USUAL = _references({0: object()}.values())[0]
"""References to what nothing holds but a dictionary whose values are asked for them."""


def outside_holders(targets: list[Any], known: Bindings) -> Generator[None, None, Found]:
    """Which libraries hold these objects. Pauses after each pass.

    Args:
        targets: the caller holds them by nothing else.
        known: asked before each pass. What variables hold is not followed: it is looked at by itself.
    """
    found: Found = {}
    if not targets:  # as after most cells
        return found
    origins = {id(each): {id(each)} for each in targets}
    frontier = targets[:MOST_OBJECTS]
    modules = {id(module_contents(module)): name for name, module in list(sys.modules.items())}
    seen = {id(targets), *origins}
    for _ in range(MOST_STEPS):
        if not frontier:
            break
        for each in known():
            seen.update((id(each), *map(id, list(each.values()))))
        ignored = {id(frontier), id(origins), id(seen), id(modules), id(found)}
        for each in frontier:
            if issubclass(type(each), type):
                seen.update(_lines_of(each))
        holders = [each for each in gc.get_referrers(*frontier) if id(each) not in ignored and id(each) not in seen]
        further: list[Any] = []
        for holder in holders[:MOST_HOLDERS]:
            seen.add(id(holder))
            asked = _asked_for(holder, frontier, origins)
            package = _package(holder, modules)
            if package is not None:
                if package and asked:
                    found.setdefault(package, []).extend(asked.difference(found.get(package, ())))
            elif asked and _may_be_held(holder, frontier):
                origins[id(holder)] = asked
                further.append(holder)
        frontier = further[:MOST_OBJECTS]
        del holders, further
        yield
    return found


def _asked_for(holder: Any, frontier: list[Any], origins: Mapping[int, set[int]]) -> set[int]:
    """The ids of those that were asked for and to which this holder leads."""
    held = set(map(id, gc.get_referents(holder)))
    return set().union(*(origins[id(each)] for each in frontier if id(each) in held))


def _package(holder: Any, modules: Mapping[int, str]) -> str | None:
    """The library to which a holder belongs for certain; empty if that is the notebook, or ours. None: nobody knows."""
    kind = type(holder)
    if kind is list and any(each is _search_function() for each in holder):
        return "codecs"
    if kind is dict:
        name = modules.get(id(holder))
        return None if name is None else _told(name)
    if issubclass(kind, type):
        return None if is_users_own(holder) else _told(module_name(holder))
    if issubclass(kind, types.ModuleType):
        return ""
    return "" if module_name(kind).partition(".")[0] in _OURS else None


def _told(module: str) -> str:
    package = module.partition(".")[0]
    untold = package in _OURS or package in _KEEPS_WHAT_IT_SAW or package == "__main__" or is_users_module(package)
    return "" if untold else package


def _lines_of(kind: type) -> Iterator[int]:
    """The ids of tuples by which a class and those that derive from it refer to it."""
    for each in (kind, *type.__subclasses__(kind)):
        yield id(mro_of(each))
        yield id(_bases_of(each))


_bases_of = type.__dict__["__bases__"].__get__


def _may_be_held(holder: Any, frontier: list[Any]) -> bool:
    kind = type(holder)
    if kind is types.CellType and all(issubclass(type(each), type) for each in frontier):  # for `super`
        return False
    return not issubclass(kind, _NO_HOLDERS) and qualified_name(kind) != _CACHE


def _search_function() -> Any:
    return getattr(sys.modules.get("encodings"), "search_function", _search_function)
