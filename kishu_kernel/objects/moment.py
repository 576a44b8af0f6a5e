"""What was found out of classes at one moment.

Law: a moment lasts while no code of the user's runs, and nobody uses it longer: until then a class stays what it is,
and is looked at once, however many walks and payloads meet it.
Neighbours: `reducers` fills it. The walks of a judgement have one in common, and the payloads of a checkpoint have
the same (`at_one_moment`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol


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
    """

    entries: dict[type, Any] = field(default_factory=dict)
    places: dict[type, Any] = field(default_factory=dict)
    plain: dict[type, bool] = field(default_factory=dict)
    hiding: dict[type, Any] = field(default_factory=dict)
    classes: dict[type, Any] = field(default_factory=dict)
    streams: dict[int, tuple[type, Any]] = field(default_factory=dict)


class InMoments(Protocol):
    """A table of reductions."""

    moment: Moment | None


@contextmanager
def at_one_moment(table: InMoments) -> Iterator[None]:
    """No code of the user's runs meanwhile: what is found out of classes is good to the end."""
    table.moment = Moment()
    try:
        yield
    finally:
        table.moment = None
