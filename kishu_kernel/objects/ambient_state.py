"""What a provider of ambient state promises. See `kishu_kernel.ambient` for an example."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from kishu_kernel.process.native import dict_version

LEFT_ALONE: Any = object()
"""Stands for a value that nobody knows: what it is now stays."""


class PartlyWrittenError(Exception):
    """Raised by `Provider.write` when the rest is written: says what is not, as a clause for a person."""


class Provider:
    """One kind of state outside the namespace.

    Attributes:
        name: what people read of it, and what its values are kept under.
        module: asked only where this is imported; empty: always.
        drawn: code that runs again on the same variables leaves the same, or it was not the same run.
        before_loading: values may need it to be loaded, as where modules are found: it is set first.
        refers: values refer to objects (`objects.live_objects`), also to those of variables.
        imports: the module is imported to write a value that is not empty: nobody would make it so later.
    """

    name: str = ""
    module: str = ""
    drawn: bool = False
    before_loading: bool = False
    refers: bool = False
    imports: bool = False

    def read(self) -> Any:
        """What it is now: comparable by `==`, storable, and no part of what changes later."""
        raise NotImplementedError

    def places(self) -> Iterable[Any] | None:
        """Where `read` looks: while nothing there changes it gives the same (`process.native.watch`); None: not told.

        Asked before `read`; what it raises says the same as None. Then it is read after each cell, as all is after an
        import, and what refers to objects.
        """
        return None

    def write(self, value: Any) -> None:
        """Makes it what `read` gave once, in this kernel or in an earlier one.

        Raises:
            PartlyWrittenError: a part of it cannot be set; all the rest is. It is told, and nothing else fails.
        """
        raise NotImplementedError

    def start(self) -> None:
        """The session begins: what it is now is the kernel's, and not the notebook's doing."""

    def about_to_run(self, code: str) -> None:
        """A cell is about to run, for the first time or again."""

    def needs(self, value: Any) -> set[str]:
        """Modules that are imported to write a value, beside those that hold what it refers to."""
        return {self.module} if self.module and self.imports and value else set()

    def initial(self) -> Any:
        """What it is where nothing was recorded, because the session had not imported the module."""
        return LEFT_ALONE

    def while_loading(self) -> Any:
        """What it is while values are loaded, of whatever state; None: what it is now, or will be."""
        return None

    def elsewhere(self, value: Any, spelled: Callable[[str], bool]) -> Any:
        """What of a value is worth bringing into another process than the one in which it was read.

        Args:
            spelled: whether a text stands in the code of a cell on the way there.
        """
        return value

    def obstacle(self, value: Any) -> str | None:
        """Why it cannot be made this, as a clause for a person; None where it can. Changes nothing."""
        return None

    def lacking(self, value: Any) -> str | None:
        """What part of it cannot be made this, as a clause for a person: `write` sets the rest. Changes nothing."""
        return None

    def begin_rerun(self) -> None:
        """A cell is run again from here on: what lives outside of variables is not done to a second time."""
        return

    def end_rerun(self) -> None:
        """It has ended, or never began. An interrupt may have ended `begin_rerun` anywhere."""
        return

    @property
    def present(self) -> bool:
        """The session has imported what it belongs to."""
        return not self.module or self.module in sys.modules


class Versions:
    """Of dictionaries, as they were when it was asked last."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, ...]] = {}

    def is_other(self, title: str, *held: dict[Any, Any]) -> bool:
        """Whether something of these may have changed since; they are looked at then."""
        versions = tuple(map(dict_version, held))
        known, self._known[title] = self._known.get(title), versions
        return known != versions or 0 in versions


def all_places(several: Iterable[Iterable[Any] | None]) -> list[Any] | None:
    """The places (`Provider.places`) of several parts of one value; None where one of them is not told."""
    found: list[Any] = []
    for each in several:
        if each is None:
            return None
        found += each
    return found


def copied(value: Any) -> Any:
    """A value whose containers do not change with those of this one."""
    if type(value) is dict:
        return {key: copied(each) for key, each in value.items()}
    return type(value)(map(copied, value)) if type(value) in (list, set, tuple) else value


def differs(one: Any, other: Any) -> bool:
    """Whether two settings differ. Those that cannot be compared do."""
    if one is other:
        return False
    try:
        return bool(one != other)
    except Exception:  # nobody can tell
        return True


def is_plain(value: Any) -> bool:
    """Numbers, texts, and containers of these."""
    if type(value) in (list, tuple, set, frozenset):
        return all(map(is_plain, value))
    if type(value) is dict:
        return all(map(is_plain, [*value, *value.values()]))
    return value is None or type(value) in (bool, int, float, str, bytes)
