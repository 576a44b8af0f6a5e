"""One walk over everything reachable from a variable: its digest, what it shares, what it may call.

The digest covers content and the aliasing structure inside, never addresses: two states with equal digests
are equal states. `links` are the ids of reachable objects whose identity can matter (containers, instances,
buffers by address range); atoms (None, numbers, str, bytes, classes and functions by reference, modules) and
immutable values (dates, dtypes, patterns) link nothing.

Paper 4.2 builds a VarGraph for the same purpose and links strings too; we do not: nobody can change a string
through one name and see it through another, interning joins unrelated variables by accident, and `is` on
strings is no promise of the language.

Law: an object is taken apart as the codec takes it apart (`reducers`). What cannot be taken apart is opaque:
its variable counts as changed whenever it is accessed.

Written for speed where sessions are large: homogeneous lists and small dicts of atoms go through one C call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kishu_kernel.detect.atoms import ATOMS, digest
from kishu_kernel.detect.sequence_cache import CachedSequence, SequenceCache
from kishu_kernel.detect.walk.result import Census, Fingerprint, TokenOf
from kishu_kernel.detect.walk.twins import Links, Twin, chosen, owner_in
from kishu_kernel.model import Digest
from kishu_kernel.model.dataclass import replace
from kishu_kernel.objects.classes import derives
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.memory import overlaps

if TYPE_CHECKING:  # imported when the first object is walked: plain values never are
    from kishu_kernel.detect.known_again import KnownAgain
    from kishu_kernel.detect.walk.state import Shared


class Fingerprinter:
    """Takes the fingerprints of one judgement, while no code runs; what several variables share is looked at once.

    Args:
        sequences: of earlier fingerprints, to be recognised.
        should_stop: asked now and then; if it says so, `take` raises `WalkAbandoned`.
        census: where attributes of objects are counted.
        uncounted: types of objects whose attributes are not.
        bound: the classes that variables are bound to. Where not told, what refers to a class has it in it.
        again: what earlier ones have walked, to be known again. Only with `bound`.
        unnamed: as of `VersionRecord`.
    """

    def __init__(
        self,
        table: ReductionTable,
        sequences: Iterable[CachedSequence] = (),
        should_stop: Callable[[], bool] | None = None,
        census: Census | None = None,
        bound: TokenOf | None = None,
        uncounted: frozenset[type] = frozenset(),
        again: Callable[[], KnownAgain] | None = None,
        unnamed: bool = False,
    ) -> None:
        self._table, self._twin = table, chosen()
        self._sequences, self._should_stop = sequences, should_stop
        self._census, self._bound, self._uncounted = census, bound, uncounted
        self._moment, self._unnamed = table.moment, unnamed
        self._again = again
        self._without_bound: Shared | None = None
        self._taken: dict[int, tuple[Any, Fingerprint]] = {}
        """Of objects that are no atoms, by their ids: several variables may be bound to one."""

    @cached_property
    def _shared(self) -> Shared:
        """What the walks share; nothing but plain values, and there are none."""
        from kishu_kernel.detect.walk.state import Shared
        from kishu_kernel.objects.moment import Moment

        moment = self._moment or Moment()
        self._table.look_again()
        return Shared(
            self._table,
            sequence_cache=SequenceCache(self._sequences),
            should_stop=self._should_stop,
            census=self._census,
            bound=self._bound,
            uncounted=self._uncounted,
            unnamed=self._unnamed,
            twin=self._twin,
            moment=moment,
            references=moment.references,
            resolved={} if self._unnamed else moment.walkers.copy(),  # they say who walks what is called anew, too
        )

    def take(self, obj: Any) -> Fingerprint:
        """The fingerprint of what is reachable from `obj`. Never raises for what the user's objects do."""
        atom = _atom_digest(obj)  # most variables of most sessions are atoms
        if atom is not None:
            return Fingerprint(atom)
        if id(obj) not in self._taken:
            self._taken[id(obj)] = obj, self._walked(obj)
        return self._taken[id(obj)][1]

    def certain_digest(self, obj: Any) -> Digest | None:
        """The digest, where two that are equal hold equal things in equal memory; else None."""
        taken = self.take(obj)
        return None if taken.opaque or taken.ranges else taken.digest

    def _walked(self, obj: Any) -> Fingerprint:
        few = _few(obj, self._twin, self._table) if self._census is None else None
        if few is not None:
            return Fingerprint(Digest(few[0]), few[1])
        bound = self._bound
        if self._again is None or bound is None:
            found, _ = self._walk(obj)
        else:
            again = self._again()
            found = again.find(obj, bound) or again.walked(obj, self._walk, bound)
        token = bound(obj) if bound is not None and derives(type(obj), type) else None
        return found if token is None else replace(found, token=token)

    def _walk(self, obj: Any) -> tuple[Fingerprint, bool]:
        """The fingerprint, and whether a reduction hid something, or told nothing but where an object is."""
        from kishu_kernel.detect.walk.dispatch import ObjectWalk

        walk = ObjectWalk(self._shared)
        found = walk.run(obj)
        if found.opaque and found.classes:  # re-run it comes with a class of its own: they are one co-variable
            self._without_bound = self._without_bound or replace(
                self._shared, bound=None, apart={}, hubs={}, bound_bytes={}, whole={}
            )
            found = ObjectWalk(self._without_bound).run(obj)
        return found, bool(walk.hidden) or walk.reducer.told_place


def digest_of_few(obj: Any, table: ReductionTable) -> Digest | None:
    """The digest of an atom, or of a few containers of such, where that can be had without a walk in Python.

    It has no hubs.
    """
    few = _few(obj, chosen(), table)
    return _atom_digest(obj) if few is None else Digest(few[0])


def _atom_digest(obj: Any) -> Digest | None:
    kind = type(obj)
    try:  # what its metaclass says of a class is not asked
        atom = ATOMS.get(kind) if type(kind) is type else None
    except Exception:  # a class that has no hash
        return None
    return None if atom is None else digest(atom(obj))


def _few(obj: Any, twin: Twin, table: ReductionTable) -> tuple[bytes, Links] | None:
    """The digest and the links of a few containers of atoms; None for what is more."""
    if twin.small is None or id(type(obj)) not in _CONTAINER_IDS or len(obj) > _FEW:
        return None
    return twin.small(obj, _CONTAINERS, table.namespace)


def combined_digest(names: Iterable[str], prints: Mapping[str, Fingerprint]) -> Digest:
    """The digest of a co-variable: of its variables, and of what they share with each other.

    Args:
        prints: fingerprints by name; there may be more than `names`.
    """
    members = {name: prints[name] for name in names}
    if len(members) == 1 and not (taken := next(iter(members.values()))).hubs:
        return taken.digest
    members.update(hubs_of(members))
    if len(members) == 1:
        [taken] = members.values()
        return taken.digest
    twin = chosen()
    if len(members) == 2 and not any(taken.hidden for taken in members.values()):
        return _digest_of_two(members, twin)
    owner = twin.memo()
    parts = []
    for position, (name, taken) in enumerate(members.items()):
        parts.append(name.encode() + b"=" + taken.digest)
        if joints := twin.join(owner, taken.links, position):
            parts.append(joints)
    for position, taken in enumerate(members.values()):
        for key, attribute in taken.hidden.items():
            if (found := owner.get(key)) is not None and owner_in(found)[0] != position:
                parts.append(b"%b?%d:%d;" % (attribute, *owner_in(found)))
    parts.append(overlaps([extent for taken in members.values() for extent in taken.ranges]))
    return digest(b"|".join(parts))


def _digest_of_two(members: Mapping[str, Fingerprint], twin: Twin) -> Digest:
    """The usual case, in which nothing needs to be noted of who owns what."""
    (first, one), (second, other) = members.items()
    parts = [first.encode() + b"=" + one.digest, second.encode() + b"=" + other.digest]
    if joints := twin.join_two(one.links, other.links):
        parts.append(joints)
    parts.append(overlaps([*one.ranges, *other.ranges]))
    return digest(b"|".join(parts))


def digest_of(
    objects: Mapping[str, Any],
    table: ReductionTable,
    should_stop: Callable[[], bool] | None = None,
    census: Census | None = None,
    bound: TokenOf | None = None,
    uncounted: frozenset[type] = frozenset(),
    unnamed: bool = False,
) -> Digest:
    """The digest of these variables as one co-variable; the arguments are those of `Fingerprinter`."""
    prints = Fingerprinter(
        table, should_stop=should_stop, census=census, bound=bound, uncounted=uncounted, unnamed=unnamed
    )
    return combined_digest(objects, {name: prints.take(obj) for name, obj in objects.items()})


def hubs_of(prints: Mapping[str, Fingerprint]) -> dict[str, Fingerprint]:
    """What variables met by way of hubs that are no variables themselves, under names that no variable can have."""
    known = {id(taken) for taken in prints.values()}
    hubs = {id(hub): hub for taken in prints.values() for hub in taken.hubs if id(hub) not in known}
    return {f"hub {number}": hub for number, hub in enumerate(hubs.values())}


_FEW = 64
"""Items of containers that are first taken for small ones."""
_CONTAINERS: dict[type, Any] = dict.fromkeys((list, tuple, dict, set, frozenset))
_CONTAINER_IDS = frozenset(map(id, _CONTAINERS))
