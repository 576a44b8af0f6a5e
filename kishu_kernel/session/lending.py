"""Objects that re-runs read and that somebody has: the session, or who gets what was loaded. They are lent, not copied.

Law: only to a cell that left them as they were when it first ran, ended well, and had no side effects; only what is
stored, so that it can be had again; and only what is known to be what it should be. A handle of an engine is lent
though it is not stored, and whatever else the cell does: there is to be no second engine. A re-run may still change
what it did not change then: what was lent is compared before anybody gets anything, and made anew if it is another one.
Then the second reader, and all others, may have read what was not so: they are re-run again, on copies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from kishu_kernel.detect.fingerprint import Fingerprinter, combined_digest
from kishu_kernel.detect.walk.result import WalkAbandoned
from kishu_kernel.history.graph import Lookup
from kishu_kernel.model import CheckpointId, Digest, LoadStep, Names, ReplayStep, Version
from kishu_kernel.objects.reduction_table import ReductionTable

CHANGED = "A re-run has changed {}, and what it was cannot be brought back: {}"

LOOK_SECONDS = 0.1
"""Seconds of this thread's that it may take, at most, to see that an object is what it should be: it is looked at
twice. What takes longer is loaded."""

_Objects = Mapping[Version, Mapping[str, Any]]
"""Versions, and what their names are bound to."""
_ShouldStop = Callable[[], bool]


class IsUnchanged(Protocol):
    """As `Detector.is_unchanged`."""

    def __call__(self, names: Names, variables: Mapping[str, Any], should_stop: _ShouldStop, *, certain: bool) -> bool:
        """Whether a co-variable still is what is known of it."""
        ...


class Lending:
    """Lends to the re-runs of one plan.

    Args:
        of_session: what the session has, and keeps.
        loaded: what was loaded for the session.
        is_unchanged: whether the session's objects certainly are what is known of them.
        refused: what is not lent.

    Attributes:
        of_session: the versions that the session has.
        lent: what was lent.
        readers: the cells that it was lent to, in their order.
    """

    def __init__(
        self,
        lookup: Lookup,
        table: ReductionTable,
        of_session: _Objects,
        loaded: _Objects,
        is_unchanged: Callable[[Names, _ShouldStop], bool],
        refused: Collection[Version],
    ) -> None:
        self._lookup = lookup
        self._table = table
        self._owned = {**of_session, **loaded}
        self._bound = {name: obj for objects in self._owned.values() for name, obj in objects.items()}
        self._is_unchanged = is_unchanged
        self._refused = set(refused)
        self._digests: dict[Version, Digest] = {}
        """Of what was loaded, before it was lent."""
        self.of_session = frozenset(of_session)
        self.lent: dict[Version, LoadStep] = {}
        self.readers: dict[Version, list[CheckpointId]] = {}

    def lend(
        self, step: ReplayStep, load: LoadStep, changed: Collection[str], inputs: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """What a re-run reads instead of a copy; None if it is to load one.

        Args:
            changed: the names that its cell changed.
            inputs: those that there are already: what is lent goes with the classes that it refers to.
        """
        version, names = load.version, load.version.names
        objects = self._owned.get(version)
        if objects is None or objects.keys() != set(names) or any(name in changed for name in names):
            return None
        if not self._is_quiet(step) and self._lookup(version.checkpoint).record(names).stored:
            return None
        if any(inputs.get(name) is not self._bound.get(name, self) for name in load.classes.values()):
            return None
        if version not in self.lent and not self._is_known(version):
            return None
        self.lent[version] = load
        self.readers.setdefault(version, []).append(step.checkpoint)
        return dict(objects)

    def changed(self) -> list[Version]:
        """What was lent and has changed since."""
        return [version for version in self.lent if not self._is_as_lent(version)]

    def forget(self, version: Version) -> None:
        """It was made anew."""
        self.lent.pop(version, None)

    def end(self) -> None:
        """Nothing more will be lent. What is the user's is not held any longer: a weak reference would see it."""
        self._owned.clear()
        self._bound.clear()

    def _is_quiet(self, step: ReplayStep) -> bool:
        return not step.side_effects and self._lookup(step.checkpoint).status == "ok"

    def _is_known(self, version: Version) -> bool:
        """Whether an object is what it should be, which will be seen again when the cells have run."""
        if version in self._refused:
            return False
        deadline = time.thread_time() + LOOK_SECONDS
        with suppress(WalkAbandoned):
            if version in self.of_session:
                known = self._is_unchanged(version.names, lambda: time.thread_time() > deadline)
            else:
                digest = self._digest(version, lambda: time.thread_time() > deadline)
                known = digest is not None
                if digest is not None:
                    self._digests[version] = digest
            if known:
                return True
        self._refused.add(version)
        return False

    def _is_as_lent(self, version: Version) -> bool:
        if version in self.of_session:
            return self._is_unchanged(version.names, lambda: False)
        return self._digest(version) == self._digests[version]

    def _digest(self, version: Version, should_stop: _ShouldStop | None = None) -> Digest | None:
        """Of what was loaded; None if that does not tell all of it."""
        prints_of = Fingerprinter(self._table, should_stop=should_stop)
        prints = {name: prints_of.take(obj) for name, obj in self._owned[version].items()}
        return None if any(each.opaque for each in prints.values()) else combined_digest(prints, prints)


def misled(steps: Sequence[ReplayStep], lending: Lending, changed: Collection[Version]) -> set[Version]:
    """The versions given by cells that may have read what was changed by another re-run, or what such a cell gave."""
    readers = {cell for version in changed for cell in lending.readers.get(version, ())[1:]}
    found: set[Version] = set()
    for step in steps:
        if step.checkpoint in readers or not found.isdisjoint(step.takes):
            found.update(step.gives)
    return found


def _nothing(_: object) -> Any:
    raise KeyError


def no_lending(table: ReductionTable) -> Lending:
    """Nothing is lent."""
    return Lending(_nothing, table, {}, {}, lambda names, should_stop: False, ())
