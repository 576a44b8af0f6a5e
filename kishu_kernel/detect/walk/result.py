"""What a walk finds."""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from kishu_kernel.detect.sequence_cache import CachedSequence
from kishu_kernel.detect.walk.twins import Links
from kishu_kernel.model import Digest
from kishu_kernel.model.dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What one walk found. Links live only while one cell is judged.

    Attributes:
        links: id of a reachable object -> its number in the walk.
        hidden: id of an object that a reduction hides, and an attribute shows -> whose attribute, and which. It links
            the variable to another one that leads to the object.
        labels: ids of reachable objects that join no variables, but are shared and can change (`is_label_type`); their
            digests, or None where that does not say whether one has changed.
        ranges: (start, end, private) of array memory; private ranges do not link to each other.
        codes: code of the notebook functions reachable from the variable; what they name may be touched.
        opaque: types that could not be walked.
        dynamic: leads to the namespace itself, or to code that runs any code: everything may be touched.
        kept: temporaries whose ids are among the links; alive until the cell is judged.
        sequences: long sequences of atoms, for the next walk to recognise.
        hubs: what was met by way of hubs. The digest covers it; links and ranges are the hubs' own.
        widget_setup: of the widgets in it, the part that no person can change on the screen.
        modules: own modules of the user's that it leads to, by a function, a class or themselves.
        classes: tokens of the classes that it refers to, and that other variables are bound to.
        kinds: types of objects that it leads to, but for plain ones of Python's own.
        token: that of the class that the variable itself is bound to, where others refer to it so.
    """

    digest: Digest
    links: Links = field(default_factory=dict[int, int])
    hidden: dict[int, bytes] = field(default_factory=dict)
    labels: Mapping[int, Digest | None] = field(default_factory=dict[int, "Digest | None"])
    ranges: tuple[tuple[int, int, bool], ...] = ()
    codes: frozenset[types.CodeType] = frozenset()
    opaque: tuple[type, ...] = ()
    dynamic: bool = False
    kept: tuple[Any, ...] = ()
    sequences: tuple[CachedSequence, ...] = ()
    hubs: tuple[Fingerprint, ...] = ()
    widget_setup: bytes = b""
    modules: frozenset[str] = frozenset()
    classes: frozenset[bytes] = frozenset()
    kinds: frozenset[type] = frozenset()
    token: bytes | None = None

    @property
    def is_data(self) -> bool:
        """Nothing but containers of atoms was met, and no long sequence of them."""
        return self.leads_nowhere and not (
            self.kinds or self.labels or self.opaque or self.sequences or self.hubs or self.widget_setup or self.token
        )

    @property
    def is_alone(self) -> bool:
        """It can form no co-variable with another one: an atom, mostly."""
        return not (
            len(self.links) or self.hidden or self.ranges or self.hubs or self.classes or self.token or self.labels
        )

    @property
    def leads_nowhere(self) -> bool:
        """No code of the notebook or of own modules can be reached from it, and no class that has a variable."""
        return not (self.codes or self.dynamic or self.modules or self.classes)


TokenOf = Callable[[type], bytes | None]
"""Tells the tokens of classes that variables are bound to: what refers to one of them refers to that variable."""

Census = Counter[tuple[str, str, str]]
"""How many objects of a type (by module and qualified name) have an attribute of this name; how many there are, under
no name."""

UNORDERED = ("builtins", "set", "")
"""Counts sets whose order depends on where their items lie: two of the same content may have different digests."""


class WalkAbandoned(BaseException):
    """A walk was abandoned: somebody has more important things to do. No error of the user's objects."""
