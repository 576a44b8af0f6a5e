"""The loop of a walk, and what is collected on the way.

Iterative, so that depth is no limit. Objects made on the way (reductions) are kept until the judgement is over:
the id of a freed one would name another.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from kishu_kernel.detect.atoms import ATOMS, digest
from kishu_kernel.detect.sequence_cache import CachedSequence, SequenceCache
from kishu_kernel.detect.walk.result import Census, Fingerprint, TokenOf, WalkAbandoned
from kishu_kernel.detect.walk.twins import Links, Twin, chosen
from kishu_kernel.model import Digest
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.objects.arrays import dtype_of_all
from kishu_kernel.objects.class_reductions import Made
from kishu_kernel.objects.classes import active_metaclasses_exist, has_active_metaclass
from kishu_kernel.objects.hidden_links import hidden_among, ids_of, leads_to
from kishu_kernel.objects.moment import Moment
from kishu_kernel.objects.native_rules import Rule, rule_of
from kishu_kernel.objects.own_modules import is_tracked
from kishu_kernel.objects.questions import is_hub
from kishu_kernel.objects.reducers import Reducer
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.memory import overlaps
from kishu_kernel.process.slot_names import unnoted

Handler = Callable[[Any, Any], None]
"""Walks one object: takes the walk and the object."""

_NONE: frozenset[type] = frozenset()

_STEPS_BETWEEN_STOPS = 1023
"""After so many objects a walk asks whether it is to stop."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the walks of one judgement share.

    Attributes:
        hashes: digests of memory, by start and size; the memory is alive as long as this is.
        statics: for each type met, what its library holds (`globals_of_class`, `LibraryStatics`).
        held_by_libraries: the same, for each module and class that was asked.
        sequence_cache: long sequences of atoms that an earlier judgement has fingerprinted.
        apart: what walks apart found that began with no other under way, by the ids of the objects, which are kept.
        hubs: what the walks from hubs found, by the hubs' ids; None while one is under way.
        under_way: ids of the objects from which a walk apart is under way.
        should_stop: asked now and then whether the walks are to be abandoned.
        active_metaclasses: there are classes that run code of the notebook's when they are looked up.
        census: counts which attributes objects have that are taken apart in a way of their own; None: nobody asks.
        uncounted: types of which it does not.
        bound: the classes that variables are bound to; None: what is in them is part of what refers to them.
        twin: what walks are made of.
        moment: what was found out of classes; the next two, too.
        references: the moment's.
        whole: classes that are walked wherever they are met, by their ids: no name and no variable stands for them.
        handlers: with which each walk begins.
        resolved: who walks instances of a type, where all are walked alike, and behind that `statics`. It begins with
            the moment's `walkers`.
        bound_bytes: by the id of a class that a variable is bound to, or of an enum's member: itself, what stands for
            it, and the token. Only the native loop asks.
        metaclasses: whether they run code of the notebook's when a class is looked up.
        unnamed: what another process calls an instance is left out.
        made: by the id of a class its reduction, and what of that was made for it.
        methods: by the type that they are bound to an instance of and their function, what `Walk.is_its_parts` said.
    """

    table: ReductionTable
    hashes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    statics: dict[type, list[set[int]]] = field(default_factory=dict)
    held_by_libraries: dict[object, set[int]] = field(default_factory=dict)
    sequence_cache: SequenceCache = field(default_factory=SequenceCache)
    apart: dict[int, tuple[Any, Fingerprint]] = field(default_factory=dict)
    hubs: dict[int, Fingerprint | None] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)
    should_stop: Callable[[], bool] | None = None
    active_metaclasses: bool = field(default_factory=active_metaclasses_exist)
    census: Census | None = None
    uncounted: frozenset[type] = frozenset()
    bound: TokenOf | None = None
    unnamed: bool = False
    twin: Twin = field(default_factory=chosen)
    moment: Moment = field(default_factory=Moment)
    references: dict[Any, bytes] = field(default_factory=dict)
    whole: dict[int, type] = field(default_factory=dict)
    made: dict[int, tuple[Any, Made | None]] = field(default_factory=dict)
    handlers: dict[type, Handler] = field(default_factory=dict)
    resolved: dict[type, tuple[Any, ...]] = field(default_factory=dict)
    bound_bytes: dict[int, tuple[Any, bytes, bytes]] = field(default_factory=dict)
    metaclasses: dict[type, bool] = field(default_factory=dict)
    methods: dict[tuple[type, Any], bool] = field(default_factory=dict)


class Walk:
    """The state of one walk. How objects are walked is said by who derives from it (`dispatch`).

    Attributes:
        natively: the handlers of instances, and of those that are values, whose attributes are all that there is; and
            of those that a pickler's usual way tells wholly; and of those that their reduction does; of those that
            their own `__getstate__` tells; of arrays, and of functions; of members of enums, and of NumPy's numbers.
        makers: what a function of the notebook is made with, and filled; what makes objects that modules hold; what
            makes an instance of all that it has.
    """

    natively: tuple[Handler | None, ...] = (None,) * 11
    makers: tuple[Any, ...] = ()

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.reducer = Reducer(shared.table, moment=shared.moment)
        self.hashes = shared.hashes
        self.statics = shared.statics
        self.static: set[int] = set()  # objects that belong to the libraries whose instances were met
        self.static_parts: set[int] = set()  # ids of the sets that are in it
        self.twin = shared.twin
        self.parts = shared.twin.parts()
        self.memo = shared.twin.memo()
        self.attributes: dict[int, int] = {}  # attributes that something else may hold: the number of their instance
        self.unread_attributes: set[int] = set()  # those of them that were not walked with it
        self.hidden: list[tuple[bytes, Any]] = []  # what reductions hide: the object's number with the name, the value
        self.stack = shared.twin.stack()
        self.labels: dict[int, Digest | None] = {}
        self.ranges: list[tuple[int, int, bool]] = []
        self.codes: set[types.CodeType] = set()
        self.opaque: list[type] = []
        self.dynamic = False
        self.kept: list[Any] = []
        self.sequences: list[CachedSequence] = []
        self.hubs: dict[int, Fingerprint] = {}
        self.widget_setup: list[bytes] = []
        self.modules: set[str] = set()
        self.bound_classes: set[bytes] = set()
        self.members: dict[int, tuple[Any, bytes | None]] = {}  # of enums: the member, and what stands for it
        self.members_by_value: dict[type, frozenset[int]] = {}
        self.in_setup = False  # it looks at what code has set up of a widget: others that it meets are not looked at so
        self.root = 0  # the hub that it began with
        self.began_with = 0
        self.met_unfinished_hub = False  # it met a hub from which another walk is on the way
        self.references: dict[Any, bytes] = {}  # classes and functions that go by reference: asked once an instance
        self.class_bytes: dict[type, bytes] = {}  # those of which a visit adds these bytes, and does nothing else
        self.handlers: dict[type, Handler] = {}
        self.handlers_at_first = 0
        self.kinds_apart = _NONE  # types that were met by walks of their own

    def resolve(self, kind: type, obj: Any) -> Handler:
        """How instances of a type not met before are walked."""
        raise NotImplementedError

    def walk_failed(self, obj: Any) -> None:
        """`obj` raised while it was looked at."""
        raise NotImplementedError

    def run(self, root: Any) -> Fingerprint:
        """Walks everything reachable from `root`."""
        key, kind = id(root), type(root)
        if not self._is_hub(kind):
            return self._run(root)
        known = self.shared.hubs.get(key)
        if known is None:
            self.root = key
            self.shared.hubs[key] = None
            known = self.shared.hubs[key] = self._run(root)
        return known

    def _is_hub(self, kind: type) -> bool:
        if type(kind) is not type:  # to look it up may run code of its metaclass
            return is_hub(kind)
        if kind in self.handlers:  # as most variables: they are containers
            return False
        hubs = self.shared.moment.hubs
        return hubs[kind] if kind in hubs else hubs.setdefault(kind, is_hub(kind))

    def _run(self, root: Any) -> Fingerprint:
        constants: list[Any] = []
        self.began_with = id(root)
        self._walk(root, constants)
        hidden = self._walk_hidden(constants) if self.hidden else {}
        if len(self.ranges) > 1:
            self.parts.append(overlaps(self.ranges))
        links = self._links() if constants or self.attributes else self.memo
        labels, ranges, codes = self.labels.copy(), tuple(self.ranges), frozenset(self.codes)
        opaque, dynamic = tuple(dict.fromkeys(self.opaque)), self.dynamic
        if constants:  # of libraries: what they hold counts, and links nothing
            self.stack.extend(reversed(constants[1:]))  # one after the other, in one go
            self._walk(constants[0], None)
        digest = Digest(self.parts.digest())
        if id(root) in labels and not opaque:
            labels[id(root)] = digest
        return Fingerprint(
            digest,
            links,
            hidden,
            labels,
            ranges,
            codes,
            opaque,
            dynamic,
            kept=tuple(self.kept),
            sequences=tuple(self.sequences),
            hubs=tuple(self.hubs.values()),
            widget_setup=b"".join(self.widget_setup),
            modules=frozenset(self.modules),
            classes=frozenset(self.bound_classes),
            kinds=self._kinds(),
        )

    def _walk_hidden(self, constants: list[Any]) -> dict[int, bytes]:
        """Walks what reductions hide and what leads back to what was met. The rest is `Fingerprint.hidden`."""
        walked: set[int] = set()
        while True:
            hidden = [(number, *each) for number, each in enumerate(self.hidden) if number not in walked]
            back = [each for each in hidden if leads_to(each[2], self.memo)]
            if not back:
                return {key: name for _, name, value in hidden for key in ids_of(value) if key not in self.static}
            for number, name, value in back:  # which may meet others that hide something
                walked.add(number)
                self.text(b"H", name)
                self._walk(value, constants)

    def _kinds(self) -> frozenset[type]:
        """All types that were met, beside those that every walk knows."""
        if len(self.handlers) == self.handlers_at_first and not self.kinds_apart:
            return _NONE
        return self.kinds_apart.union(itertools.islice(self.handlers, self.handlers_at_first, None))

    def _links(self) -> Links:
        links = self.twin.memo(self.memo)
        for key, number in self.attributes.items():
            links[key] = -1 - number
        return cast(Links, links)

    def _walk(self, root: Any, constants: list[Any] | None) -> None:
        """Walks on from `root`; constants of libraries are put off, where there is a list for them."""
        if self.twin.run is None:
            self._walk_in_python(root, constants)
        else:
            with unnoted:
                self.twin.run(self, root, constants, WalkAbandoned)

    def _walk_in_python(self, root: Any, constants: list[Any] | None) -> None:
        stack, memo, parts, handlers, hubs = self.stack, self.memo, self.parts, self.handlers, self.hubs
        attributes = self.attributes
        should_stop, steps = self.shared.should_stop, 0
        stack.append(root)
        while stack:
            obj = stack.pop()
            if should_stop is not None:
                steps += 1
                if not steps & _STEPS_BETWEEN_STOPS and should_stop():
                    raise WalkAbandoned
            try:  # what raises is the user's: a property, a metaclass, a type made in C
                kind = type(obj)
                if type(kind) is not type and self.has_active_metaclass(kind):
                    self.walk_failed(obj)
                    continue
                atom = ATOMS.get(kind)
                if atom is not None:
                    parts.append(atom(obj))
                    continue
                key = id(obj)
                number = memo.get(key)
                if number is not None:
                    parts.append(b"@%d;" % number)
                    continue
                if attributes and (number := attributes.get(key)) is not None:
                    parts.append(b"@v%d;" % number)
                    if key not in self.unread_attributes:
                        continue
                    self.unread_attributes.discard(key)
                if hubs and (place := self.number_in_hubs(key)) is not None:
                    parts.append(b"@%d,%d;" % place)
                    continue
                if constants is not None and key in self.static and obj is not root:
                    parts.append(b"#")
                    constants.append(obj)
                    continue
                memo[key] = len(memo)
                handler = handlers.get(kind)
                if handler is None:
                    handler = handlers[kind] = self.resolve(kind, obj)
                handler(self, obj)
            except (KeyboardInterrupt, WalkAbandoned):
                raise
            except BaseException:  # extensions in Rust panic beside `Exception`
                self.walk_failed(obj)

    def has_active_metaclass(self, kind: type) -> bool:
        """As in `objects.classes`, asked once a metaclass."""
        metaclass = type(kind)
        if type(metaclass) is not type:
            return has_active_metaclass(kind)
        known = self.shared.metaclasses.get(metaclass)
        if known is None:
            known = self.shared.metaclasses[metaclass] = has_active_metaclass(kind)
        return known

    # -- for those who walk an object --------------------------------------------------------------

    def number_in_hubs(self, key: int) -> tuple[int, int] | None:
        """Which of the hubs led to the object of this id, and its number there."""
        for position, hub in enumerate(self.hubs.values()):
            number = hub.links.get(key)
            if number is not None:
                return position, number
        return None

    def digest_without_links(self, obj: Any) -> bytes:
        """The digest of what is reachable from `obj`, which links nothing."""
        return self.walk_without_links(obj).digest

    def walk_without_links(self, obj: Any) -> Fingerprint:
        """A walk of its own from `obj`."""
        return self._walk_apart(obj, self.in_setup)

    def walk_once(self, obj: Any) -> Fingerprint:
        """The same, once a judgement: of what many variables hold, and is the same wherever it is met."""
        shared = self.shared
        if self.in_setup or shared.census is not None or len(shared.under_way) > 1:
            return self.walk_without_links(obj)
        _, known = shared.apart.get(id(obj), (None, None))
        if known is not None:
            return self._join(known)
        taken = self.walk_without_links(obj)
        if not (shared.hubs or self.reducer.told_place):  # what is met by way of a hub depends on where the walk is
            shared.apart[id(obj)] = obj, taken
        return taken

    def digest_of_setup(self, obj: Any) -> bytes:
        """The digest of what code has set up of a widget; the widgets that it leads to do not lead further."""
        small = None if self.shared.census is not None else self.twin.small
        few = None if small is None else small(obj, self.handlers, self.reducer.namespace)
        return self._walk_apart(obj, True).digest if few is None else few[0]

    def _walk_apart(self, obj: Any, in_setup: bool) -> Fingerprint:
        walk = type(self)(self.shared)
        walk.in_setup = in_setup
        taken = walk.run(obj)
        self.reducer.told_place |= walk.reducer.told_place
        return self._join(taken)

    def _join(self, taken: Fingerprint) -> Fingerprint:
        self.kept.append(taken)  # memory that was hashed must not be used anew while its hash is remembered
        self.sequences.extend(taken.sequences)
        self.bound_classes |= taken.classes
        self.modules |= taken.modules
        self.kinds_apart |= taken.kinds
        return taken

    def note_module(self, name: object) -> None:
        """Code of the module of this name can be reached."""
        if is_tracked(name):
            self.modules.add(str(name))

    def note_hidden(self, obj: Any, reduction: Sequence[Any]) -> None:
        """Notes what an object's attributes show and its reduction hides."""
        if id(obj) in self.memo:
            self._note(obj, self.reducer.hidden(obj, reduction))

    def note_left(self, obj: Any, reduction: Sequence[Any], left: list[tuple[str, Any]]) -> None:
        """The same, where these attributes are all that may be."""
        self._note(obj, hidden_among(left, reduction))

    def _note(self, obj: Any, hidden: Mapping[str, Any]) -> None:
        if hidden:
            number = self.memo[id(obj)]
            self.hidden.extend((b"%d.%b" % (number, name.encode()), value) for name, value in hidden.items())

    def is_counted(self, kind: type) -> bool:
        """Whether the attributes of instances are counted."""
        uncounted = self.shared.uncounted  # where there are any, all types are of libraries
        return self.shared.census is not None and not (uncounted and kind in uncounted)

    def beginning_of_array(self, dtype: Any) -> bytes | None:
        """How the text of an array of this type begins; None where that is not all that there is to the type."""
        return None if dtype.hasobject or dtype.names is not None or dtype.metadata else f"({dtype.str!r}, (".encode()

    def beginning_of_number(self, kind: type) -> bytes | None:
        """How the text of one of NumPy's numbers begins, before its bytes; None where they are not all of one dtype."""
        dtype = dtype_of_all(kind)
        text = "" if dtype is None else dtype.str
        return b"n%d:%b" % (len(text) + dtype.itemsize, text.encode()) if text else None

    def is_its_parts(self, method: types.MethodType) -> bool:
        """Whether a method of an instance is what it calls and what it is bound to, and nothing else."""
        try:
            reduced = self.reducer.decompose(method)
            make, (function, owner) = reduced
        except Exception:
            return False
        return make is types.MethodType and function is method.__func__ and owner is method.__self__

    def rule_of(self, kind: type) -> Rule | None:
        """By which the native module takes instances apart that go by the table."""
        return rule_of(self.reducer.entry(kind), kind)

    def token_of(self, cls: type) -> bytes | None:
        """The token of a class that a variable is bound to, if that is not where this walk began."""
        bound = self.shared.bound
        return None if bound is None or id(cls) == self.began_with else bound(cls)

    def reference_to(self, obj: Any) -> bytes | None:
        """What stands for a class or a function that goes by its name, where somebody has found that out."""
        shared = self.shared
        found = self.references.get(obj) or shared.references.get(obj)
        if found is None and (found := shared.table.lasting_references.get(obj)) is not None:
            shared.references[obj] = found
        return found

    def unlink(self, obj: Any) -> None:
        """Sharing `obj` cannot matter."""
        self.memo.pop(id(obj), None)

    def text(self, tag: bytes, data: bytes) -> None:
        """A piece of content, marked so that no two sequences of pieces read the same."""
        self.parts.append(b"%b%d:%b" % (tag, len(data), data if len(data) < 256 else digest(data)))

    def kinds(self, items: Iterable[Any]) -> set[type]:
        """The types of these; `type` stands for those that are not to be looked up."""
        if self.shared.active_metaclasses:
            return {kind if type(kind) is type else type for kind in map(type, items)}
        try:
            return set(map(type, items))
        except TypeError:  # a class of a library's that has no hash
            return {type}
