"""What a state that is loaded comes back without: it cannot be stored, and nothing is re-run for it."""

from __future__ import annotations

from collections.abc import Iterable

from kishu_kernel.model import VersionRecord

WITHOUT = "{} comes back without {}: these cannot be stored."
MOST_NAMES = 5
"""Names that a sentence has, at most."""


def left_out_notes(records: Iterable[VersionRecord]) -> tuple[str, ...]:
    """A sentence for each kind of thing that is left out of what these versions hold.

    Args:
        records: of the versions that are loaded.
    """
    names: dict[str, list[str]] = {}
    for record in records:
        for what in record.left_out:
            names.setdefault(what, []).extend(record.names)
    return tuple(WITHOUT.format(_listed(sorted(each)), what) for what, each in sorted(names.items()))


def _listed(names: list[str]) -> str:
    more = [f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return ", ".join([*names[:MOST_NAMES], *more])
