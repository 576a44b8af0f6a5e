"""Objects that re-runs read and that somebody has: the session, or who gets what was loaded. They are lent, not copied.

Law: only to a cell that left them as they were when it first ran, ended well, and had no side effects; and only what is
stored, so that it can be had again. A re-run may still change what it did not change then: where one shows any sign of
having gone otherwise, what was lent is compared, and made anew if it is another one; else think time checks that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kishu_kernel.history.graph import Lookup
from kishu_kernel.model import LoadStep, ReplayStep, Version

CHANGED = "A re-run has changed {}, and what it was cannot be brought back: {}"

_Objects = Mapping[Version, Mapping[str, Any]]
"""Versions, and what their names are bound to."""


class Lending:
    """Lends to the re-runs of one plan.

    Args:
        of_session: what the session has, and keeps.
        loaded: what was loaded for the session.

    Attributes:
        of_session: the versions that the session has.
        lent: what was lent.
    """

    def __init__(self, lookup: Lookup, of_session: _Objects, loaded: _Objects) -> None:
        self._lookup = lookup
        self._owned = {**of_session, **loaded}
        self._bound = {name: obj for objects in self._owned.values() for name, obj in objects.items()}
        self.of_session = frozenset(of_session)
        self.lent: dict[Version, LoadStep] = {}

    def lend(
        self, step: ReplayStep, load: LoadStep, changed: Collection[str], inputs: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """What a re-run reads instead of a copy; None if it is to load one.

        Args:
            changed: the names that its cell changed.
            inputs: those that there are already: what is lent goes with the classes that it refers to.
        """
        names = load.version.names
        objects = self._owned.get(load.version)
        if objects is None or objects.keys() != set(names) or any(name in changed for name in names):
            return None
        if not self._is_quiet(step):
            return None
        if any(inputs.get(name) is not self._bound.get(name, self) for name in load.classes.values()):
            return None
        self.lent[load.version] = load
        return dict(objects)

    def end(self) -> None:
        """Nothing more will be lent. What is the user's is not held any longer: a weak reference would see it."""
        self._owned.clear()
        self._bound.clear()

    def _is_quiet(self, step: ReplayStep) -> bool:
        return not step.side_effects and self._lookup(step.checkpoint).status == "ok"


def _nothing(_: object) -> Any:
    raise KeyError


NO_LENDING = Lending(_nothing, {}, {})
"""Nothing is lent."""
