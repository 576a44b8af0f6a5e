"""What a remote no longer needs, removed: objects of pushes that were interrupted.

Law: nothing that the newest head names is removed, whoever pushed it, and no head. A push may be under way whose head
will name what nothing names yet: so only what is older than `GRACE` goes, by the remote's own clock, and no push relies
on objects nearly so old (`push.FRESH`, `push.SLOWEST`).
"""

from __future__ import annotations

from datetime import timedelta

from kishu_kernel.errors import RemoteError
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.store.remote.holdings import read_holdings
from kishu_kernel.store.remote.layout import object_name
from kishu_kernel.store.remote.objects import Objects
from kishu_kernel.store.remote.recipients import opened

GRACE = timedelta(days=7)
"""How long what nothing names is kept."""
_CLOCK = object_name("0" * 32, b"")


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed, and what is left."""

    removed: int
    removed_bytes: int
    kept: int
    kept_bytes: int


def sweep(objects: Objects, grace: timedelta = GRACE, dry_run: bool = False) -> Swept:
    """Remove what nothing names. O(objects).

    Raises:
        RemoteError: the remote cannot be read or written; what was removed until then was not needed.
    """
    objects = opened(objects, None)
    objects.put(_CLOCK, b"")
    listed = list(objects.list("writes/"))
    now = next((each.modified for each in listed if each.name == _CLOCK), None)
    if now is None:
        raise RemoteError(f"the remote {objects.url} does not list what was just put there: try again later")
    holdings = read_holdings(objects, None)
    named = {_CLOCK, *holdings.segments} | ({holdings.head.manifest} if holdings.head else set())
    for segment in holdings.segments.values():
        named |= {segment.rows, *segment.packs}
    unneeded = [each for each in listed if each.name not in named and now - each.modified >= grace]
    for each in unneeded:
        if not dry_run:
            objects.delete(each.name)
    removed, total = sum(each.size for each in unneeded), sum(each.size for each in listed)
    return Swept(len(unneeded), removed, len(listed) - len(unneeded), total - removed)
