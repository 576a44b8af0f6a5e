"""The two twins of what a walk is made of: in Python, and in C (`process.native`).

Law: both write the same bytes and find the same links. The one in Python is the judge, and used where there is no
other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import xxhash

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.process.native import WALKER


class Links(Protocol):
    """Numbers of objects, by their ids."""

    def get(self, key: int, /) -> int | None:
        """The number; None if the object was not met."""

    def items(self) -> Iterable[tuple[int, int]]:
        """Pairs of id and number, in the order in which they were met."""

    def __getitem__(self, key: int, /) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __len__(self) -> int: ...


class Parts(list[bytes]):
    """What a walk writes. Its length grows with it."""

    def since(self, place: int) -> bytes:
        """What was written since `len` gave this."""
        return b"".join(self[place:])

    def digest(self) -> bytes:
        """xxh3-128 of all that was written."""
        return xxhash.xxh3_128_digest(b"".join(self))


def claim(owners: dict[int, int], links: Links, position: int) -> set[int]:
    """The positions that own some of these links. What nobody owns is from now on this one's."""
    found = set()
    for key, _ in links.items():
        other = owners.setdefault(key, position)
        if other != position:
            found.add(other)
    return found


def join(owners: dict[int, int], links: Links, position: int) -> bytes:
    """How these links lead to what others own, in the order in which they were met. The rest is this one's now."""
    joints = []
    for key, number in links.items():
        other, first = owner_in(owners.setdefault(key, (position << _NUMBER_BITS) + number + _HALF))
        if other != position:
            joints.append((number < 0, abs(number), number, other, first))
    return b"|".join(b"%d:%d>%d;" % joint[2:] for joint in sorted(joints))


def meet(one: Links, other: Links) -> bool:
    """Whether they have a link in common."""
    few, many = (one, other) if len(one) <= len(other) else (other, one)
    return any(key in many for key, _ in few.items())


def join_two(first: Links, second: Links) -> bytes:
    """What `join` says of the second, where the first one owns its links, and nobody else anything."""
    owners: dict[int, int] = {}
    join(owners, first, 0)
    return join(owners, second, 1)


def owner_in(found: int) -> tuple[int, int]:
    """What `join` notes of an owner: its position, and its number for the object."""
    return found >> _NUMBER_BITS, (found & ((1 << _NUMBER_BITS) - 1)) - _HALF


_NUMBER_BITS = 40
_HALF = 1 << (_NUMBER_BITS - 1)


@dataclass(frozen=True, slots=True)
class Twin:
    """One of the two.

    Attributes:
        run: the loop of a walk; None: `Walk` has it.
        small: the digest and the links of a few containers of atoms; None for what is more. None: `run` does it.
        content: how a long sequence of plain atoms is written, which nobody changes meanwhile; None: `sequences` knows.
        holds: whether a list holds the objects of a tuple; None: that is not asked.
        untrack: tells the collector that a tuple holds nothing but plain atoms; None: it finds that out itself.
    """

    parts: Callable[[], Any]
    memo: Callable[..., Any]
    stack: Callable[[], Any]
    claim: Callable[[Any, Links, int], set[int]]
    join: Callable[[Any, Links, int], bytes]
    meet: Callable[[Links, Links], bool]
    join_two: Callable[[Links, Links], bytes]
    run: Callable[[Any, Any, list[Any] | None, type[BaseException]], None] | None
    small: Callable[[Any, dict[type, Any], Any], tuple[bytes, Links] | None] | None = None
    content: Callable[[list[Any] | tuple[Any, ...]], bytes | None] = lambda items: None
    holds: Callable[[tuple[Any, ...], list[Any]], bool] | None = None
    untrack: Callable[[tuple[Any, ...]], None] | None = None


PURE = Twin(Parts, dict, list, claim, join, meet, join_two, None)

NATIVE = (
    None
    if WALKER is None
    else Twin(
        WALKER.Parts,
        WALKER.Memo,
        WALKER.Stack,
        WALKER.claim,
        WALKER.join,
        WALKER.meet,
        WALKER.join_two,
        WALKER.run,
        WALKER.small,
        WALKER.content,
        WALKER.holds,
        WALKER.untrack,
    )
)
"""None where there is none, or it is not wanted."""


def chosen() -> Twin:
    """The twin that walks are made of here."""
    return PURE if NATIVE is None else NATIVE
