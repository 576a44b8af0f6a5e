"""In what way variables differ between two stored versions. Loads copies to compare them; re-runs nothing.

Copies are made in the user's process only of what is known to be harmless; all else is compared by the checker process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kishu_kernel.compare import Comparison, compare
from kishu_kernel.errors import LoadError
from kishu_kernel.model import Version
from kishu_kernel.model.amounts import size
from kishu_kernel.objects.codec.load_guard import LoadGuard, NotHarmlessError
from kishu_kernel.objects.codec.pickling import Stored, decode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.audit_hook import Guard, side_effects_forbidden
from kishu_kernel.process.python_gc import collector_paused
from kishu_kernel.session.checker.connection import Checker
from kishu_kernel.session.checker.messages import NoAnswerError
from kishu_kernel.session.timeline import Timeline

COMPARED_AT_MOST = 1_000_000_000
"""Bytes of a version that is loaded to be compared."""


class VersionComparison:
    """Compares versions of one history.

    Args:
        table: its namespace is the live one, in which functions are loaded.
        checker: makes the copies that are not known to be harmless.
    """

    def __init__(self, timeline: Timeline, table: ReductionTable, checker: Checker) -> None:
        self._timeline = timeline
        self._table = table
        self._checker = checker

    def compare(self, pairs: Mapping[str, tuple[Version, Version]]) -> dict[str, Comparison]:
        """How variables differ.

        Args:
            pairs: name -> the versions before and after.

        Returns:
            For each name what differs, or a note that says why it was not compared.
        """
        names_of: dict[tuple[Version, Version], list[str]] = {}
        for name, pair in sorted(pairs.items()):
            names_of.setdefault(pair, []).append(name)
        found: dict[str, Comparison] = {}
        for pair, names in names_of.items():
            try:
                stored = [self._stored(version, names[0]) for version in pair]
                found.update(self._compared(stored, names))
            except LoadError as error:
                found.update(dict.fromkeys(names, Comparison(note=f"Not compared: {error}.")))
        return dict(sorted(found.items()))

    def _stored(self, version: Version, name: str) -> Stored:
        record = self._timeline.lookup(version.checkpoint).record(version.names)
        if not record.stored:
            raise LoadError(f"{name} was not stored: {record.reason}")
        if record.size > COMPARED_AT_MOST:
            raise LoadError(f"{name} is too large to compare: {size(record.size)}")
        return self._timeline.store.load(version)

    def _compared(self, stored: Sequence[Stored], names: Sequence[str]) -> Mapping[str, Comparison]:
        with side_effects_forbidden() as guard, collector_paused():
            try:
                before, after = (self._copy(each, guard) for each in stored)
                return {name: compare(before[name], after[name]) for name in names}
            except NotHarmlessError:
                pass
        try:
            return self._checker.compare(stored, names)
        except NoAnswerError:
            raise LoadError(f"{names[0]} could not be loaded in a process of its own") from None

    def _copy(self, stored: Stored, guard: Guard) -> dict[str, Any]:
        objects = decode(stored, self._table.namespace, admission=LoadGuard(only_harmless=True))
        if guard.forbidden is not None:
            raise LoadError(f"{', '.join(stored.names)}: to load this {guard.forbidden}")
        return objects
