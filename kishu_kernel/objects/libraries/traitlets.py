"""Traitlets: objects with traits, who observes them, and settings of those that live."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from kishu_kernel.objects.ambient_state import Provider, copied, differs, is_plain
from kishu_kernel.objects.classes import contents_of, instance_state, module_name, mro_of
from kishu_kernel.objects.library import Library, Reduction


class ConfiguredTraits(Provider):
    """Traits of live objects that can be configured: plain values, where they are not as they were, or as they come.

    Attributes:
        left_out: names of traits, and of classes, that are not the notebook's.
    """

    left_out: frozenset[str] = frozenset()

    def parts(self) -> Iterator[Any]:
        """The live objects. They are known by their classes."""
        raise NotImplementedError

    def configured(self, part: Any) -> dict[str, Any]:
        """What the configuration says of one that is made now, by trait."""
        return {}

    def __init__(self) -> None:
        self._names: dict[type, tuple[str, ...]] = {}
        self._first: set[str] = set()
        self._usual: dict[str, dict[str, Any]] = {}
        self._seen: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = {}

    def start(self) -> None:
        """What they are now is usual."""
        self._usual, self._seen, self._first = {}, {}, {_part(each) for each in self.parts()}
        for each in self.parts():
            held = each._trait_values
            self._usual[_part(each)] = {name: copied(held[name]) for name in self._names_of(each) if name in held}

    def read(self) -> Any:
        """Those that are not usual, by class and name."""
        found = {}
        for each in self.parts():
            names = self._names.get(type(each)) or self._names_of(each)
            if not names:
                continue
            held = tuple(map(each._trait_values.get, names))  # those that nobody has asked for yet are not made
            now = *held, self._configured(each)
            seen, value = self._seen.get(id(each), (None, {}))
            if now != seen:
                value = self._unusual(each, {name: each._trait_values.get(name, _UNSET) for name in names})
                self._seen[id(each)] = copied(now), value
            if value:
                found[_part(each)] = value
        return found

    def write(self, value: Any) -> None:
        """Those that are not named become as usual."""
        for each in self.parts():
            wanted = value.get(_part(each), {})
            now = self._unusual(each, {name: each._trait_values.get(name, _UNSET) for name in self._names_of(each)})
            usual = {**self._usual.get(_part(each), {}), **self._configured(each)}
            for name in now.keys() - wanted.keys():
                setattr(each, name, copied(usual[name]))
            for name, setting in wanted.items():
                if differs(getattr(each, name, _UNSET), setting):
                    setattr(each, name, copied(setting))

    def initial(self) -> Any:
        """All are as usual."""
        return {}

    def _names_of(self, part: Any) -> tuple[str, ...]:
        kind = type(part)
        if kind not in self._names:
            names = () if kind.__name__ in self.left_out else part.traits(config=True)
            self._names[kind] = tuple(name for name in names if name not in self.left_out)
        return self._names[kind]

    def _configured(self, part: Any) -> dict[str, Any]:
        """What was there when the session began is known as it was."""
        return {} if _part(part) in self._first else self.configured(part)

    def _unusual(self, part: Any, now: dict[str, Any]) -> dict[str, Any]:
        usual, configured = self._usual.setdefault(_part(part), {}), self._configured(part)
        found = {}
        for name, value in now.items():
            if value is _UNSET or not is_plain(value):
                continue
            if name not in usual:
                try:
                    usual[name] = part.trait_defaults(name)
                except Exception:
                    usual[name] = copied(value)
            if differs(configured.get(name, usual[name]), value):
                found[name] = copied(value)
        return found


_UNSET = object()


def _part(part: Any) -> str:
    return f"{module_name(type(part))}.{type(part).__name__}"


def _with_observers(obj: Any) -> Reduction:
    # Its own way leaves out who observes it, and runs code of its class when it is loaded.
    from kishu_kernel.objects.rebuild.instances import make_instance
    from kishu_kernel.objects.rebuild.libraries import set_traits

    kind = type(obj)
    way = next(contents_of(base) for base in mro_of(kind) if "__getstate__" in contents_of(base))
    if way.get("__module__") != "traitlets.traitlets":
        return NotImplemented  # a class that says itself what is to be stored
    attributes, slots = instance_state(obj)
    own = {name: value for name, value in (attributes or {}).items() if name not in _LIVE}
    observers = {
        trait: {change: [_observer(kind, each) for each in called] for change, called in by_change.items()}
        for trait, by_change in obj._trait_notifiers.items()
    }
    validators = {trait: _observer(kind, each) for trait, each in obj._trait_validators.items()}
    return make_instance, (kind,), (own, slots, observers, validators), None, None, set_traits


def _observer(kind: type, called: Any) -> Any:
    """A handler that stands in the class goes by its name there: it is the class's."""
    name = getattr(called, "name", None) if type(called).__module__ == "traitlets.traitlets" else None
    if type(name) is str:
        held = next((contents_of(base)[name] for base in mro_of(kind) if name in contents_of(base)), None)
        if held is called:
            return name
    return (called,)


def _sentinel(sentinel: Any) -> Reduction:
    # "All" and "Undefined" are asked for by their identity.
    from kishu_kernel.objects.rebuild.code import module_attribute

    name = sentinel.name
    held = vars(sys.modules["traitlets.traitlets"]).get(name) is sentinel
    return (module_attribute, ("traitlets.traitlets", name)) if held else NotImplemented


_LIVE = ("_trait_notifiers", "_trait_validators", "_cross_validation_lock")


class Traitlets(Library):
    """Who observes an object belongs to it."""

    reductions = {"HasTraits": _with_observers, "traitlets.utils.sentinel.Sentinel": _sentinel}
