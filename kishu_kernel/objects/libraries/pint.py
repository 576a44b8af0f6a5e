"""Pint: quantities, units, and the registries that these belong to.

A registry is known by a name that lives as long as its stores, and goes by it wherever it is met: quantities join no
variables, and do not store it. What it knows (units, contexts, settings) is ambient state. It is put back into the very
registry that lives, since classes, functions and pint itself hold on to that; where none lives, as in another kernel,
loads make an empty one, which is filled before anybody sees it.
"""

from __future__ import annotations

import collections
import copyreg
import hashlib
import sys
import uuid
import weakref
from collections.abc import Hashable
from typing import Any

from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.library import Library, Reduction, WithMemo
from kishu_kernel.objects.rebuild.code import module_attribute
from kishu_kernel.objects.rebuild.instances import set_instance_state

_DEFAULT = "default"
"""The name of the registry that pint itself makes, when it is first needed."""

_MADE = ("Quantity", "Unit", "Measurement", "Group", "System")
"""Classes that each registry makes for itself."""

_MEMBERS = ("_groups", "_systems", "_contexts")
_CLASSES = {"_groups": "Group", "_systems": "System"}
_NOT_KNOWLEDGE = frozenset(
    {*_MADE, *_MEMBERS, "Context", "_adders", "_def_parser", "_diskcache", "formatter"}
    | {"_active_ctx", "_units", "_units_casei", "_cache", "_caches", "_context_units", "_base_units_cache"}
)
"""Attributes of registries that follow from others, or that are told apart."""

_names: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_living: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()


# -- registries by name --------------------------------------------------------------------------------


def _name_of(registry: Any) -> str:
    if registry is sys.modules["pint"]._DEFAULT_REGISTRY:
        return _DEFAULT
    if registry not in _names:
        _note(registry, uuid.uuid4().hex)
    return _names[registry]


def _note(registry: Any, name: str) -> None:
    _names[registry] = name
    _living[name] = registry


def registry_named(name: str, kind: Any = None, knowledge: str = "") -> Any:
    """Called by streams: the registry of this name. A new one is empty until its state is written.

    Args:
        knowledge: a digest of what it knew. It is there so that a change is seen.
    """
    found = sys.modules["pint"]._DEFAULT_REGISTRY if name == _DEFAULT else _living.get(name)
    if found is None:
        kind = kind or sys.modules["pint"].UnitRegistry
        found = object.__new__(kind)
        _empty(found)
        _note(found, name)
    return found


def _is_lazy(registry: Any) -> bool:
    return "_adders" not in vars(registry)


def _empty(registry: Any) -> None:
    """What its class makes of one, before it has read any definitions."""
    if _is_lazy(registry) and type(registry).__name__ == "LazyRegistry":
        object.__setattr__(registry, "__class__", sys.modules["pint"].UnitRegistry)
    vars(registry).clear()
    vars(registry).update(_adders={}, _contexts={}, _groups={}, _systems={}, _non_int_type=float)
    registry._register_definition_adders()
    registry._init_dynamic_classes()
    vars(registry)["formatter"] = sys.modules["pint.delegates"].Formatter(registry)


# -- what a registry knows -----------------------------------------------------------------------------


def _knowledge(registry: Any) -> dict[str, Any]:
    """A copy of what it knows, as far as that can change. What follows from the rest is left out."""
    own = vars(registry)
    units = own["_units"].maps[-1]
    formatter = vars(own["formatter"])
    return {
        "attributes": {name: _copied(value) for name, value in own.items() if name not in _NOT_KNOWLEDGE},
        # What has a prefix is made when it is first asked for; it is in no index.
        "units": {key: unit for key, unit in units.items() if key in own["_units_casei"].get(key.lower(), ())},
        "formatter": {name: value for name, value in formatter.items() if name not in ("_registry", "_formatters")},
        "_groups": {name: _of_member(each) for name, each in own["_groups"].items()},
        "_systems": {name: _of_member(each) for name, each in own["_systems"].items()},
        "_contexts": {key: _of_context(each) for key, each in own["_contexts"].items()},
        "active": [
            (any(each is known for known in own["_contexts"].values()), _of_context(each))
            for each in own["_active_ctx"].contexts
        ],
    }


def _of_member(member: Any) -> dict[str, Any]:
    return {name: _copied(value) for name, value in vars(member).items() if name != "_computed_members"}


def _of_context(context: Any) -> list[Any]:
    functions = [(*ends, _relation_of(function)) for ends, function in context.funcs.items()]
    return [context.name, list(context.aliases), dict(context.defaults), functions, list(context.redefinitions)]


def _relation_of(function: Any) -> Any:
    """The relation of a file of definitions that a function was made for, which says all of it; else the function."""
    cells = getattr(function, "__closure__", None) or ()
    if getattr(function, "__qualname__", "") == "Relation.transformation.<locals>.<lambda>" and cells:
        return cells[0].cell_contents
    return function


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copied(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_copied, value))
    return set(value) if type(value) is set else value


# -- as ambient state ----------------------------------------------------------------------------------

Known = tuple[str, dict[str, Any]]
"""What a registry knows, and a digest of it."""


class _Registries(Provider):
    name = "unit registries of pint"
    module = "pint"

    def __init__(self) -> None:
        self._seen: weakref.WeakKeyDictionary[Any, Known] = weakref.WeakKeyDictionary()

    def known(self, registry: Any) -> Known:
        """What it knows; the same as before, where nothing has changed."""
        knowledge = _knowledge(registry)
        seen = self._seen.get(registry)
        if seen is None or seen[1] != knowledge:
            digest = hashlib.blake2b(repr(knowledge).encode(), digest_size=16).hexdigest()
            seen = self._seen[registry] = digest, knowledge
        return seen

    def read(self) -> Any:
        pint = sys.modules["pint"]
        lives = {name: each for name, each in sorted(_living.items()) if not _is_unfilled(each)}
        default = pint._DEFAULT_REGISTRY
        return {
            "application": _name_of(pint.application_registry._registry),
            "registries": {
                _DEFAULT: None if _is_unfilled(default) else self.known(default),
                **{name: self.known(each) for name, each in lives.items()},
            },
        }

    def write(self, value: Any) -> None:
        pint = sys.modules["pint"]
        for name, known in value["registries"].items():
            registry = registry_named(name)
            if known is None and not _is_unfilled(registry):  # one that was just loaded waits for what it knows
                _make_lazy(registry)
            elif known is not None and (_is_unfilled(registry) or self.known(registry)[1] != known[1]):
                _fill(registry, _copied(known[1]))
                self._seen[registry] = known[0], _knowledge(registry)
        pint.application_registry._registry = registry_named(value["application"])

    def initial(self) -> Any:
        return {"application": _DEFAULT, "registries": {_DEFAULT: None}}


_registries = _Registries()


def _is_unfilled(registry: Any) -> bool:
    """Lazy, or made by a load that is not over yet."""
    return "_units" not in vars(registry)


def _make_lazy(registry: Any) -> None:
    """As the default one was before somebody asked it for something."""
    vars(registry).clear()
    object.__setattr__(registry, "__class__", sys.modules["pint.registry"].LazyRegistry)
    vars(registry)["params"] = (), {}


def _fill(registry: Any, knowledge: dict[str, Any]) -> None:
    """Makes it know this, and nothing else. Its classes, groups and contexts stay the objects that they are."""
    delegates, contexts = sys.modules["pint.delegates"], sys.modules["pint.facets.context.objects"]
    if _is_lazy(registry):
        _empty(registry)
    own = vars(registry)
    for name in own.keys() - knowledge["attributes"].keys() - _NOT_KNOWLEDGE:
        del own[name]
    own.update(knowledge["attributes"])
    index: dict[str, set[str]] = collections.defaultdict(set)
    for key in knowledge["units"]:
        index[key.lower()].add(key)
    own.update(_units=collections.ChainMap(knowledge["units"]), _units_casei=index)
    own.update(_caches={}, _context_units={}, _base_units_cache={}, _active_ctx=contexts.ContextChain())
    for place, kind in _CLASSES.items():
        before = own[place]
        own[place] = {name: before.get(name) or object.__new__(own[kind]) for name in knowledge[place]}
        for name, attributes in knowledge[place].items():
            vars(own[place][name]).clear()
            vars(own[place][name]).update(attributes, _computed_members=None)
    before, own["_contexts"] = own["_contexts"], {}
    for key, told in knowledge["_contexts"].items():
        made = own["_contexts"].get(told[0])
        own["_contexts"][key] = _made_context(before.get(told[0]), told) if made is None else made
    if "_def_parser" not in own:
        config = delegates.ParserConfig(own["_non_int_type"])
        own["_def_parser"] = delegates.txt_defparser.DefParser(config, diskcache=None)
    formatter = vars(own["formatter"])
    for name in formatter.keys() - {"_registry", "_formatters"}:
        del formatter[name]
    formatter.update(knowledge["formatter"])
    registry._build_cache()
    active = [own["_contexts"][told[0]] if of_it else _made_context(None, told) for of_it, told in knowledge["active"]]
    own["_active_ctx"].insert_contexts(*reversed(active))
    registry._switch_context_cache_and_units()


def _made_context(context: Any, told: list[Any]) -> Any:
    name, aliases, defaults, functions, redefinitions = told
    context = context or sys.modules["pint"].Context()
    vars(context).update(name=name, aliases=tuple(aliases), defaults=defaults, redefinitions=redefinitions)
    vars(context).update(checked=False, funcs={}, relation_to_context=weakref.WeakValueDictionary())
    for source, target, function in functions:
        made = function if callable(function) else function.transformation
        context.funcs[source, target] = made
        context.relation_to_context[source, target] = context
    return context


# -- reductions ----------------------------------------------------------------------------------------


def _registry(registry: Any) -> Reduction:
    if type(registry).__module__ == "__main__":  # its class would come back as another one
        raise TypeError("a registry of a class of the notebook cannot be stored")
    if _is_lazy(registry):
        return registry_named, (_name_of(registry),)
    if _is_unfilled(registry):
        return registry_named, (_name_of(registry), type(registry))
    try:
        known = _registries.known(registry)
    except Exception as error:
        raise TypeError(f"what a registry of units knows cannot be stored ({error})") from error
    return registry_named, (_name_of(registry), type(registry), known[0])


def _storable_name(registry: Any, memo: dict[Hashable, Any]) -> str:
    """Its name, where it can be stored itself. That is asked once a payload.

    Raises:
        TypeError: it cannot.
    """
    key = "pint", id(registry)
    if key not in memo:
        memo[key] = _registry(registry)[1][0]
    name: str = memo[key]
    return name


def _belonging(obj: Any, memo: dict[Hashable, Any]) -> Reduction:
    """A quantity or a unit: its class, its registry and its attributes."""
    own = {name: value for name, value in vars(obj).items() if name not in ("_REGISTRY", "_dimensionality")}
    name = _storable_name(obj._REGISTRY, memo)
    return belonging, (type(obj), name), (own, {}), None, None, set_instance_state


def belonging(kind: Any, name: str) -> Any:
    """Called by streams: an object of this registry, before it has its state."""
    made = object.__new__(kind)
    if not hasattr(kind, "_REGISTRY"):
        made._REGISTRY = registry_named(name)
    return made


def _class(cls: Any, memo: dict[Hashable, Any]) -> Reduction:
    """A class that a registry has made for itself."""
    registry = getattr(cls, "_REGISTRY", None)
    if registry is None or vars(registry).get(cls.__name__) is not cls:
        return NotImplemented
    return class_named, (_storable_name(registry, memo), cls.__name__)


def class_named(name: str, attribute: str) -> Any:
    """Called by streams: a class of this registry."""
    registry = registry_named(name)
    if attribute not in vars(registry):
        _empty(registry)
    return vars(registry)[attribute]


def _group(group: Any) -> Reduction:
    return _member(group, group._REGISTRY, "_groups")


def _system(system: Any) -> Reduction:
    return _member(system, system._REGISTRY, "_systems")


def _member(member: Any, registry: Any, place: str) -> Reduction:
    if vars(registry)[place].get(member.name) is not member:
        raise TypeError(f"a {type(member).__name__} cannot be stored that its registry does not know any more")
    return member_named, (_registry(registry)[1][0], place, member.name)


def _context(context: Any) -> Reduction:
    for registry in [sys.modules["pint"]._DEFAULT_REGISTRY, *_living.values()]:
        if not _is_lazy(registry) and vars(registry)["_contexts"].get(context.name) is context:
            return _member(context, registry, "_contexts")
    return context_of, tuple(_of_context(context))


def member_named(name: str, place: str, member: str) -> Any:
    """Called by streams: a group, a system or a context of a registry. One that is not there is filled with it."""
    registry = registry_named(name)
    if _is_lazy(registry):
        _empty(registry)
    members = vars(registry)[place]
    if member not in members:
        kind = sys.modules["pint"].Context if place == "_contexts" else vars(registry)[_CLASSES[place]]
        members[member] = object.__new__(kind)
    return members[member]


def context_of(*told: Any) -> Any:
    """Called by streams: a context that no registry knows."""
    return _made_context(None, list(told))


def _formatter(formatter: Any) -> Reduction:
    registry = formatter._registry
    known = registry is not None and vars(registry).get("formatter") is formatter
    return (formatter_of, (registry,)) if known else NotImplemented


def formatter_of(registry: Any) -> Any:
    """Called by streams: what writes the quantities of a registry."""
    if _is_lazy(registry):
        _empty(registry)
    return registry.formatter


def _application(application: Any) -> Reduction:
    the_one = application is sys.modules["pint"].application_registry
    return (module_attribute, ("pint", "application_registry")) if the_one else NotImplemented


def _container(container: Any) -> Reduction:
    # The dictionary in it may be that of another container, too: nobody changes it.
    units = container._d
    return copyreg.__newobj__, (type(container),), (type(units)(units), container._one, container._non_int_type)  # type: ignore[attr-defined]


class Pint(Library):
    """Of which registry a quantity is, and what that knows."""

    values = {"PlainUnit", "UnitsContainer"}
    labels = {"GenericPlainRegistry", "LazyRegistry"}
    reductions = {
        "PlainQuantity": WithMemo(_belonging),
        "PlainUnit": WithMemo(_belonging),
        "GenericPlainRegistry": _registry,
        "LazyRegistry": _registry,
        "ApplicationRegistry": _application,
        "Group": _group,
        "System": _system,
        "Context": _context,
        "FullFormatter": _formatter,
    }
    exact_reductions = {"UnitsContainer": _container}
    classes = dict.fromkeys(("PlainQuantity", "PlainUnit", "Group", "System"), WithMemo(_class))
    parts = {"PlainQuantity": lambda quantity: {"magnitude": quantity._magnitude, "units": dict(quantity._units)}}
    data = True
    harmless = True
    ambient = (_registries,)
