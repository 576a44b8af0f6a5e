"""What the records say, in the classes of the paper's Table 5. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SUCCESS = "success"
FALSE_POSITIVE = "false positive"
PICKLE_ERROR = "pickle error"
FAIL = "fail"
NOT_RUN = "not run"

RESULTS = (SUCCESS, FALSE_POSITIVE, PICKLE_ERROR, FAIL, NOT_RUN)

LOADED = "loaded"
REPLAYED = "replayed"
LOST = "lost, told"
WRONG = "wrong"
NOTHING = "-"

EXACTLY = (LOADED, REPLAYED)


@dataclass(frozen=True)
class Verdict:
    """What became of one class.

    Attributes:
        result: one of `RESULTS`.
        undone: how undo brought the state back.
        fresh: how a new kernel did.
        reason: why it is no success, or what was told.
    """

    result: str
    undone: str = NOTHING
    fresh: str = NOTHING
    reason: str = ""

    @property
    def exactly(self) -> bool:
        """It came back as it was, in the same kernel and in another."""
        return self.undone in EXACTLY and self.fresh in EXACTLY


def verdict(record: dict[str, Any]) -> Verdict:
    """Of one record. The worst counts: what was missed, what is silently wrong, what was reported for nothing."""
    if "not_run" in record:
        return Verdict(NOT_RUN, reason=record["not_run"])
    undone, fresh = _way(record.get("undo")), _way(record.get("fresh"))
    reasons = list(_failures(record))
    if reasons:
        return Verdict(FAIL, undone, fresh, reasons[0])
    back = [record[phase] for phase in ("undo", "fresh")]
    if WRONG in (undone, fresh):
        return Verdict(
            PICKLE_ERROR, undone, fresh, next(each["differences"][0] for each in back if each.get("differences"))
        )
    told = next((each["told"] for each in back if "told" in each), "")
    if set(record["touched"]["modified"]) & set(record["variables"]):
        return Verdict(FALSE_POSITIVE, undone, fresh, told)
    return Verdict(SUCCESS, undone, fresh, told)


def _way(back: dict[str, Any] | None) -> str:
    if back is None:
        return NOTHING
    if back["how"] == "refused":
        return LOST
    return WRONG if back["differences"] else {"replayed": REPLAYED}.get(back["how"], LOADED)


def _failures(record: dict[str, Any]) -> Iterable[str]:
    yield from record["errors"]
    if record["errors"]:  # what follows may not have been reached
        return
    if not record["touched"]["accessed"]:
        yield "a cell that names it did not count as one that may touch it"
    if not set(record["changed"]["modified"]) & set(record["variables"]):
        yield "the change was not reported"
    if not record["change_is_visible"]:
        yield "the entry's own fault: its change cannot be seen"
    if record["undo"]["how"] == "kept":
        yield "undo left the changed variable as it was"
