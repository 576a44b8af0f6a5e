"""What was found out of classes at one moment.

Law: a moment lasts while no code of the user's runs, and nobody uses it longer: until then a class stays what it is,
and is looked at once, however many walks and payloads meet it.
Neighbours: `reducers` fills it. The walks of a judgement have one in common, and the payloads of a checkpoint have
the same (`lasting_answers`, which begins one with what is still right of the one before).
"""

from __future__ import annotations

import weakref
from typing import Any

from cloudpickle import Pickler

from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.objects.classes import has_pythons_metaclass
from kishu_kernel.process.native import type_version


@dataclass(frozen=True, slots=True)
class Moment:
    """Answers, by the types that were asked about.

    Attributes:
        entries: our own reductions (`ReductionTable.entry`).
        places: where instances keep their attributes (`attribute_dicts.place_of`).
        plain: whether instances are just their attributes (`attribute_dicts.by_attributes`).
        hiding: what tells of types whose reductions may hide something what that is (`hidden_links`).
        classes: reductions of classes that go by what they are (`class_reductions`).
        streams: classes as they are stored apart, by their ids; a pair of the class and that (`codec.class_streams`).
        copying: whether libraries copy on write, by their ids (`questions.copies_on_write`).
        whole: whether instances come back whole (`whole_classes`).
        values: whether instances are values, and whether they are dynamic.
        hubs: whether instances are hubs.
        ways: how the native module answers a pickler for instances (`codec.usual_instances`).
        walkers: who walks instances (`detect.walk.dispatch`), where that goes by nothing but the type.
        references: what stands for a class or a function that goes by reference, and is of no module of the user's.
        state: what else all this goes by (`lasting_answers.state_of_ways`).
    """

    entries: dict[type, Any] = field(default_factory=dict)
    places: dict[type, Any] = field(default_factory=dict)
    plain: dict[type, bool] = field(default_factory=dict)
    hiding: dict[type, Any] = field(default_factory=dict)
    classes: dict[type, Any] = field(default_factory=dict)
    streams: dict[int, tuple[type, Any]] = field(default_factory=dict)
    copying: dict[int, bool] = field(default_factory=dict)
    whole: dict[type, bool] = field(default_factory=dict)
    values: dict[type, tuple[bool, bool]] = field(default_factory=dict)
    hubs: dict[type, bool] = field(default_factory=dict)
    ways: dict[type, int] = field(default_factory=dict)
    walkers: dict[type, tuple[Any, ...]] = field(default_factory=dict)
    references: dict[Any, bytes] = field(default_factory=dict)
    state: object = None


class Unchanged:
    """What was found out of types that are what they were: nobody has changed them since, nor what they derive from.

    Nor has anybody registered another way to pickle their instances. Of classes in Python that is seen with the
    native module; without it nothing is known.
    """

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[type, tuple[int, Any, Any]] = weakref.WeakKeyDictionary()

    def get(self, kind: type) -> Any:
        """What is known; None: nothing."""
        version, way, found = self._known.get(kind, _NOTHING) if has_pythons_metaclass(kind) else _NOTHING
        return found if version and version == type_version(kind) and way is _registered(kind) else None

    def put(self, kind: type, found: Any) -> None:
        """Notes what was found out just now."""
        if has_pythons_metaclass(kind) and (version := type_version(kind)):
            self._known[kind] = version, _registered(kind), found

    def pop(self, kind: type, default: None) -> None:
        """Forgets a type."""
        self._known.pop(kind, default)

    def clear(self) -> None:
        """Forgets all."""
        self._known.clear()


_NOTHING = 0, None, None


def _registered(kind: type) -> Any:
    """The way to pickle instances that is registered: to register one does not change the type."""
    for ways in Pickler.dispatch_table.maps:
        if kind in ways:
            return ways[kind]
    return None


def is_registered(kind: type) -> bool:
    """Somebody has registered a way to pickle instances, with `copyreg` or cloudpickle."""
    return _registered(kind) is not None
