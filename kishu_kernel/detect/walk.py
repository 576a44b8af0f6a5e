"""The walk behind a fingerprint: over everything reachable from one object, each object once.

Iterative, so that depth is no limit. Objects made on the way (reductions) are kept until the judgement is over:
the id of a freed one would name another.

Longer than a module should be, because it is one class: a handler for each kind of object, over the state of one walk.
"""

from __future__ import annotations

import array
import functools
import gc
import itertools
import pickle
import sys
import types
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from kishu_kernel.detect.atoms import ATOMS, PLAIN, code_digest, digest
from kishu_kernel.detect.sequence_cache import (
    LONG,
    TUPLES_HAVE_KEYS,
    CachedSequence,
    SequenceCache,
    key_of_array,
    key_of_tuple,
)
from kishu_kernel.model import Digest
from kishu_kernel.objects.arrays import array_type, is_array_type, is_dtype_type, is_scalar_type, plain_view
from kishu_kernel.objects.classes import (
    attributes,
    derives,
    flags_of,
    is_plain_class,
    is_strange,
    module_contents,
    module_name,
    qualified_name,
    strange_ones_live,
)
from kishu_kernel.objects.libraries.standard.values import VALUE_TYPES
from kishu_kernel.objects.questions import (
    hidden_in,
    instance_attributes,
    is_dynamic,
    is_hub,
    is_label_type,
    is_only_seen,
    is_untraversable,
    is_value_type,
    memory_of,
    observers_of,
    payload_of,
    statics_of,
)
from kishu_kernel.objects.rebuild.parts import make_derived, make_instance, module_attribute
from kishu_kernel.objects.reducers import Reducer, ReductionTable
from kishu_kernel.process.memory import (
    LARGE_BYTES,
    UntouchedPages,
    address,
    address_of,
    base_array,
    bounds,
    has_internal_overlap,
    is_mapped,
    is_writeable,
    mapped_file_at,
    memory_at,
    overlaps,
    zeros,
)

_RUNS_CODE = frozenset({exec, eval, globals, locals, vars})

_HOOKS = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
_ON_INSTANCES = frozenset(_HOOKS)
_WHOLE = (make_instance, make_derived)
"""What makes instances of which nothing was left out."""
_MADE_IN_C = 1 << 8
"""A flag of types that no code can change: to ask for the `__dict__` of an instance may make it."""
_PART = 1 << 20
_OFTEN = (1 << 26) - 1
_LOOKS = 1023
"""After so many objects a walk that may be given up asks whether it is to be."""

_ITEM_ITERATORS: tuple[type, ...] = (type(iter({}.items())), type(reversed({}.items())))

_FRAMED = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What one walk found. Links live only while one cell is judged.

    Attributes:
        links: id of a reachable object -> its number in the walk.
        labels: ids of reachable objects that join no variables, but are shared and can change (`is_label_type`).
        ranges: (start, end, private) of array memory; private ranges do not link to each other.
        codes: code of the notebook functions reachable from the variable; what they name may be touched.
        opaque: types that could not be walked.
        dynamic: leads to the namespace itself, or to code that runs any code: everything may be touched.
        kept: temporaries whose ids are among the links; alive until the cell is judged.
        sequences: long sequences of atoms, for the next walk to recognise.
        hubs: what was met by way of hubs. The digest covers it; links and ranges are the hubs' own.
        still: of the widgets in it, what a person cannot move on the screen.
    """

    digest: Digest
    links: dict[int, int] = field(default_factory=dict)
    labels: frozenset[int] = frozenset()
    ranges: tuple[tuple[int, int, bool], ...] = ()
    codes: frozenset[types.CodeType] = frozenset()
    opaque: tuple[type, ...] = ()
    dynamic: bool = False
    kept: tuple[Any, ...] = ()
    sequences: tuple[CachedSequence, ...] = ()
    hubs: tuple[Fingerprint, ...] = ()
    still: bytes = b""


Census = Counter[tuple[str, str, str]]
"""How many objects of a type (by module and qualified name) have an attribute of this name; how many there are, under
no name."""

UNORDERED = ("builtins", "set", "")
"""Counts sets whose order depends on where their items lie: two of the same content may have different digests."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What the walks of one judgement share.

    Attributes:
        hashes: digests of memory, by start and size; the memory is alive as long as this is.
        statics: for each type met, what its library holds (`static_objects`).
        sequence_cache: long sequences of atoms that an earlier judgement has fingerprinted.
        hubs: what the walks from hubs found, by the hubs' ids; None while one is under way.
        should_stop: asked now and then whether the walks are to be given up.
        wary: classes may not be looked up without asking whether that runs code of the notebook's.
        census: counts which attributes objects have that are taken apart in a way of their own; None: nobody asks.
    """

    table: ReductionTable
    hashes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    statics: dict[type, set[int]] = field(default_factory=dict)
    sequence_cache: SequenceCache = field(default_factory=SequenceCache)
    hubs: dict[int, Fingerprint | None] = field(default_factory=dict)
    should_stop: Callable[[], bool] | None = None
    wary: bool = field(default_factory=strange_ones_live)
    census: Census | None = None


class GivenUp(BaseException):
    """A walk was given up: somebody has more important things to do. No error of the user's objects."""


class Walk:
    """The state of one walk."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.reducer = Reducer(shared.table)
        self.hashes = shared.hashes
        self.statics = shared.statics
        self.static: set[int] = set()  # objects that belong to the libraries whose instances were met
        self.parts: list[bytes] = []
        self.memo: dict[int, int] = {}
        self.stack: list[Any] = []
        self.labels: set[int] = set()
        self.ranges: list[tuple[int, int, bool]] = []
        self.codes: set[types.CodeType] = set()
        self.opaque: list[type] = []
        self.dynamic = False
        self.kept: list[Any] = []
        self.sequences: list[CachedSequence] = []
        self.hubs: dict[int, Fingerprint] = {}
        self.still: list[bytes] = []
        self.root = 0  # the hub that it began with
        self.crossed = False  # it met a hub from which another walk is on the way
        self.references: dict[type, bytes] = {}  # classes that go by reference: asked once an instance
        self.known: dict[type, tuple[bool, bool]] = {}  # whether instances are values, and dynamic
        self.metaclasses: dict[type, bool] = {}
        self.handlers: dict[type, Callable[[Walk, Any], None]] = dict(_HANDLERS)
        array = array_type()
        if array is not None:
            self.handlers[array] = Walk._walk_array

    def run(self, root: Any) -> Fingerprint:
        """Walks everything reachable from `root`."""
        key = id(root)
        if not is_hub(type(root)):
            return self._run(root)
        known = self.shared.hubs.get(key)
        if known is None:
            self.root = key
            self.shared.hubs[key] = None
            known = self.shared.hubs[key] = self._run(root)
        return known

    def _run(self, root: Any) -> Fingerprint:
        constants: list[Any] = []
        self._walk(root, constants)
        self.parts.append(overlaps(self.ranges))
        found = Fingerprint(
            Digest(b""),
            dict(self.memo) if constants else self.memo,
            frozenset(self.labels),
            tuple(self.ranges),
            frozenset(self.codes),
            tuple(dict.fromkeys(self.opaque)),
            self.dynamic,
        )
        for obj in constants:  # of libraries: what they hold counts, and links nothing
            self._walk(obj, None)
        return replace(
            found,
            digest=digest(b"".join(self.parts)),
            kept=tuple(self.kept),
            sequences=tuple(self.sequences),
            hubs=tuple(self.hubs.values()),
            still=b"".join(self.still),
        )

    def _walk(self, root: Any, constants: list[Any] | None) -> None:
        """Walks on from `root`; constants of libraries are put off, where there is a list for them."""
        stack, memo, parts, handlers, hubs = self.stack, self.memo, self.parts, self.handlers, self.hubs
        should_stop, steps = self.shared.should_stop, 0
        stack.append(root)
        while stack:
            obj = stack.pop()
            if should_stop is not None:
                steps += 1
                if not steps & _LOOKS and should_stop():
                    raise GivenUp
            try:  # what raises is the user's: a property, a metaclass, a type made in C
                kind = type(obj)
                if type(kind) is not type and self.is_strange(kind):
                    self.turn_away(obj)
                    continue
                atom = ATOMS.get(kind)
                if atom is not None:
                    parts.append(atom(obj))
                    continue
                key = id(obj)
                seen = memo.get(key)
                if seen is not None:
                    parts.append(b"@%d;" % seen)
                    continue
                if hubs and (met := self.met(key)) is not None:
                    parts.append(b"@%d,%d;" % met)
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
            except (KeyboardInterrupt, GivenUp):
                raise
            except BaseException:  # extensions in Rust panic beside `Exception`
                self.turn_away(obj)

    def is_strange(self, kind: type) -> bool:
        """As in `libraries`, asked once a metaclass."""
        metaclass = type(kind)
        if type(metaclass) is not type:
            return is_strange(kind)
        known = self.metaclasses.get(metaclass)
        if known is None:
            known = self.metaclasses[metaclass] = is_strange(kind)
        return known

    def _walk_hub(self, obj: Any) -> None:
        """Much leads to it, and it leads to all of that: walked once for all the variables of a judgement.

        One that this walk began with, or that leads to another that leads back, is walked like any object.
        """
        hubs = self.shared.hubs
        known = hubs.get(id(obj))
        if known is None and id(obj) in hubs:
            self.crossed = self.crossed or id(obj) != self.root
            self.reduction(obj)
            return
        if known is None:
            walk = Walk(self.shared)
            known = walk.run(obj)
            if walk.crossed:  # it says what it does only because this walk began elsewhere
                del hubs[id(obj)]
                self.reduction(obj)
                return
        elif self.root in known.links:  # each leads to the other: neither is told by the other
            self.reduction(obj)
            return
        self.parts.append(b"h" + known.digest)
        self.labels |= known.labels
        self.codes |= known.codes
        self.opaque.extend(known.opaque)
        self.dynamic = self.dynamic or known.dynamic
        self.sequences.extend(known.sequences)
        self.hubs.update({id(each): each for each in (known, *known.hubs)})

    def met(self, key: int) -> tuple[int, int] | None:
        """Which of the hubs led to the object of this id, and its number there."""
        for position, hub in enumerate(self.hubs.values()):
            number = hub.links.get(key)
            if number is not None:
                return position, number
        return None

    def sealed(self, obj: Any) -> bytes:
        """The digest of what is reachable from `obj`, which links nothing."""
        taken = Walk(self.shared).run(obj)
        self.kept.append(taken)  # memory that was hashed must not be used anew while its hash is remembered
        self.sequences.extend(taken.sequences)
        return taken.digest

    def unlink(self, obj: Any) -> None:
        """Sharing `obj` cannot matter."""
        self.memo.pop(id(obj), None)

    def text(self, tag: bytes, data: bytes) -> None:
        """A piece of content, marked so that no two sequences of pieces read the same."""
        self.parts.append(b"%b%d:%b" % (tag, len(data), data if len(data) < 256 else digest(data)))

    # -- containers -----------------------------------------------------------------------------

    def _walk_list(self, obj: list[Any] | tuple[Any, ...]) -> None:
        kind = type(obj)
        self.parts.append(b"%b%d;" % (b"l" if kind is list else b"t", len(obj)))
        if not self.plain_items(obj):
            self.stack.extend(reversed(obj))
        elif kind is tuple:
            self.unlink(obj)  # a value

    def plain_items(self, items: list[Any] | tuple[Any, ...]) -> bool:
        """Writes a sequence of plain atoms in one go; False where it holds anything else."""
        if len(items) < LONG or not TUPLES_HAVE_KEYS:
            return self.write_plain(items)
        items = tuple(items)  # nothing can change it between its key and its content
        return self.write_cached(key_of_tuple(items), items)

    def write_cached(self, key: bytes, objects: Any, owner: Any = None, copy_on_write: bool = False) -> bool:
        """Writes a tuple or an array of plain atoms; from the cache, if it was seen before.

        Args:
            key: of the objects.
            objects: nobody else can write to it.
            owner, copy_on_write: as of `CachedSequence`.
        """
        known = self.shared.sequence_cache.get(key)
        if known is not None:
            self.parts.append(known.content)
            if owner is not None:
                known.add_owner(owner)
        else:
            start = len(self.parts)
            if not self.write_plain(objects if type(objects) is tuple else objects.tolist()):
                return False
            known = self.shared.sequence_cache.add(key, objects, b"".join(self.parts[start:]), owner, copy_on_write)
        if known is not None:
            self.sequences.append(known)
        return True

    def write_plain(self, items: list[Any] | tuple[Any, ...]) -> bool:
        """Writes a sequence of plain atoms; False where it holds anything else."""
        kinds = self.kinds(items)
        if not kinds <= PLAIN:
            return False
        if kinds <= _COUNTED and _looks_heavy(items) and self._write_repeated(items, kinds):
            return True
        try:
            if kinds == {float}:
                self.text(b"F", array.array("d", items).tobytes())
            elif kinds == {str} and len(items) > 16:
                data = "\0".join(items).encode("utf-8", "surrogatepass")
                if data.count(b"\0") != len(items) - 1:  # a NUL inside: where do strings end?
                    self.text(b"N", array.array("q", map(len, items)).tobytes())
                self.text(b"S", data)
            else:
                items = [*items]  # whether they stand in a list or in a tuple is written elsewhere
                self.text(b"R", repr(items).encode("utf-8", "surrogatepass"))
        except ValueError:  # an int of more than 4,300 digits has no repr
            return False
        return True

    def _write_repeated(self, items: list[Any] | tuple[Any, ...], kinds: set[type]) -> bool:
        """Writes few atoms that stand in many places: each once, and where. False where they are many.

        Goes by equality and not by identity: equal content is written in the same way.
        """
        alike = len(kinds) == 1
        keys = items if alike else [*zip(map(type, items), items, strict=True)]  # True is equal to 1
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        if len(numbers) * 4 > len(items):
            return False
        self.text(b"K" if kinds == {str} else b"k", array.array("Q", map(numbers.__getitem__, keys)).tobytes())
        for each in numbers if alike else (key[1] for key in numbers):
            self.parts.append(ATOMS[type(each)](each))
        return True

    def kinds(self, items: Iterable[Any]) -> set[type]:
        """The types of these; `type` stands for those that are not to be looked up."""
        if self.shared.wary:
            return {kind if type(kind) is type else type for kind in map(type, items)}
        try:
            return set(map(type, items))
        except TypeError:  # a class of a library's that has no hash
            return {type}

    def _walk_set(self, obj: set[Any] | frozenset[Any]) -> None:
        self.parts.append(b"%b%d;" % (b"u" if type(obj) is set else b"z", len(obj)))
        if self.kinds(obj) <= PLAIN:
            try:
                self.text(b"R", "\0".join(sorted(map(repr, obj))).encode("utf-8", "surrogatepass"))
                if type(obj) is frozenset:
                    self.unlink(obj)  # a value
                return
            except ValueError:
                pass
        if self.shared.census is not None:
            self.shared.census[UNORDERED] += 1
        self.stack.extend(obj)

    def _walk_dict(self, obj: dict[Any, Any]) -> None:
        if obj is self.reducer.namespace:
            self.dynamic = True
            self.give_up(obj)
            return
        self.parts.append(b"d%d;" % len(obj))
        self.items(obj)

    def items(self, obj: dict[Any, Any]) -> None:
        """The content of a dictionary."""
        if not obj:
            return
        keys = list(obj)
        values = list(obj.values())
        if not self.plain_items(keys):
            self.stack.extend(itertools.chain.from_iterable(reversed(list(zip(values, keys, strict=True)))))
        elif not self.plain_items(values):
            self.stack.extend(reversed(values))

    def _walk_bytearray(self, obj: bytearray) -> None:
        self.parts.append(b"y")
        if obj:
            with memoryview(obj) as view:
                self.memory(address_of(view), view.nbytes, private=False)

    # -- arrays ---------------------------------------------------------------------------------

    def _walk_array(self, obj: Any) -> None:
        """A numpy.ndarray: its memory is hashed where it lies."""
        flags = obj.flags
        contiguous = flags.c_contiguous or flags.f_contiguous
        order = b"F" if flags.f_contiguous and not flags.c_contiguous else b"C"
        self.text(b"a", repr((obj.dtype.str, obj.shape, is_writeable(obj))).encode() + order)
        if obj.dtype.names is not None or obj.dtype.metadata:
            self.stack.append(obj.dtype)
        if obj.size == 0:
            return
        start, end = bounds(obj)
        private = self.reducer.is_apart(obj)
        if private:
            self.unlink(obj)
        self.ranges.append((start, end, private))
        if obj.base is not None and is_mapped(obj) and self._walk_mapped(obj, type(obj)):
            return
        if obj.dtype.char == "O" and contiguous and obj.size >= LONG:
            self._walk_objects(obj.ravel(order="A"), base_array(obj), private)
        elif obj.dtype.hasobject and not contiguous and has_internal_overlap(obj):
            self._walk_folded_objects(obj)
        elif obj.dtype.hasobject:
            # The same objects that the elements are; a record gives its fields as a tuple.
            self.kept.append(obj.ravel(order="A").tolist())  # its id must not be another's while we judge
            self.stack.append(self.kept[-1])
        elif contiguous:
            self.parts.append(self.hashed(start, end - start))
        elif end - start == obj.nbytes or has_internal_overlap(obj):  # it comes back with its strides
            self.text(b"v", repr((obj.strides, address(obj) - start)).encode())
            self.parts.append(self.hashed(start, end - start))
        else:  # it comes back contiguous
            self.parts.append(digest(obj.tobytes()))

    def _walk_mapped(self, obj: Any, kind: type) -> bool:
        """An array over a file: by which file it is, where nobody can write to it through this array.

        Returns:
            False where it is small, and to be read. A large one that can be written to is opaque: to read it would
            take as long as the file is.
        """
        start, end = bounds(obj)
        identity = mapped_file_at(start, end)
        if identity is None and end - start <= LARGE_BYTES:
            return False
        if identity is None:
            self.note_opaque(kind)
        self.text(b"M", repr((identity, obj.dtype.str, obj.shape, obj.strides)).encode("utf-8", "surrogatepass"))
        return True

    def _walk_folded_objects(self, obj: Any) -> None:
        """As a view of the array that holds the objects: it may show each of them any number of times."""
        root = base_array(obj)
        if root is obj or root.dtype != obj.dtype or not (root.flags.c_contiguous or root.flags.f_contiguous):
            self.give_up(obj)
            return
        self.text(b"v", repr((obj.strides, address(obj) - address(root))).encode())
        self.stack.append(root)

    def _walk_objects(self, flat: Any, owner: Any, private: bool) -> None:
        """The elements of a long array of objects, as if they stood in a list."""
        self.kept.append([])
        self.memo[id(self.kept[-1])] = len(self.memo)
        self.parts.append(b"l%d;" % len(flat))
        key = key_of_array(flat)
        if self.shared.sequence_cache.get(key) is None:
            flat = flat.copy()  # of what is read, and not of what a thread of the user's is writing
            key = key_of_array(flat)
        if not self.write_cached(key, flat, owner, private):
            self.kept.append(flat.tolist())
            self.stack.extend(reversed(self.kept[-1]))

    def _walk_subclassed_array(self, obj: Any) -> None:
        """By its reduction, which copies its memory and its mask; but others may see them too.

        It leaves out whether they can be written.
        """
        array = plain_view(obj)  # what its class says of its own attributes may be the notebook's code
        self.text(b"w", bytes([is_writeable(array)]))
        parts: tuple[Any, ...] = (array, (attributes(obj) or {}).get("_mask"))
        views = [held for held in parts if is_array_type(type(held)) and held.strides and held.size]
        self.ranges += [(*bounds(held), False) for held in views]
        if views and is_mapped(array) and self._walk_mapped(array, type(obj)):
            return
        if any(held.nbytes > LARGE_BYTES and has_internal_overlap(held) for held in views):
            self.give_up(obj)  # its reduction would be as large as it seems to be
            return
        self.reduction(obj)

    def _walk_python_array(self, obj: array.array[Any]) -> None:
        start, length = obj.buffer_info()
        if length:
            self.ranges.append((start, start + length * obj.itemsize, False))
        self.reduction(obj)

    def _walk_foreign(self, obj: Any) -> None:
        """Its memory may be an array's."""
        extent = memory_of(type(obj))
        if extent is not None:
            start, size = extent(obj)
            self.ranges.append((start, start + size, False))
        self.reduction(obj)

    def _walk_scalar(self, obj: Any) -> None:
        """A numpy scalar; one of several fields may be a view of an array."""
        if not obj.flags.owndata and is_array_type(type(obj.base)):
            start = obj.__array_interface__["data"][0]
            self.ranges.append((start, start + obj.nbytes, False))
            self.give_up(obj)
        self.unlink(obj)
        self.text(b"n", obj.dtype.str.encode() + obj.tobytes())

    def _walk_dtype(self, obj: Any) -> None:
        """A numpy.dtype: a value, though it is made of objects that can be told apart."""
        self.unlink(obj)
        self.text(b"e", f"{obj.str}:{obj!r}".encode())
        if obj.metadata:
            self.parts.append(self.sealed(dict(obj.metadata)))

    def memory(self, start: int, size: int, *, private: bool) -> None:
        """Memory at an address, by its content."""
        self.ranges.append((start, start + size, private))
        self.parts.append(b"%d:" % size + self.hashed(start, size))

    def hashed(self, start: int, size: int) -> bytes:
        """The digest of memory, taken once a judgement."""
        key = (start, size)
        if key not in self.hashes:
            self.hashes[key] = (
                digest(memory_at(start, size)) if size < LARGE_BYTES else self._hashed_in_parts(start, size)
            )
        return self.hashes[key]

    def _hashed_in_parts(self, start: int, size: int) -> bytes:
        """The same of large memory: what was never touched is zeros, and is not read."""
        untouched_pages = UntouchedPages(start, size)
        parts = []
        for place in range(0, size, _PART):
            if not place & _OFTEN and self.shared.should_stop is not None and self.shared.should_stop():
                raise GivenUp
            length = min(_PART, size - place)
            parts.append(
                digest(zeros(length) if untouched_pages.covers(place, length) else memory_at(start + place, length))
            )
        return digest(b"".join(parts))

    def _walk_pickle_buffer(self, obj: pickle.PickleBuffer) -> None:
        with obj.raw() as view:
            self.parts.append(b"b%d:" % view.nbytes + digest(view))
            if view.nbytes:
                start = address_of(view)
                self.ranges.append((start, start + view.nbytes, view.readonly))

    # -- code -----------------------------------------------------------------------------------

    def _walk_function(self, obj: types.FunctionType) -> None:
        if self.reducer.is_notebook_function(obj):
            self.codes.add(obj.__code__)
        self.reduction(obj)

    def _walk_code(self, obj: types.CodeType) -> None:
        self.unlink(obj)
        self.parts.append(code_digest(obj))

    def _walk_builtin(self, obj: types.BuiltinFunctionType) -> None:
        owner = obj.__self__
        if owner is None or derives(type(owner), types.ModuleType):
            self.unlink(obj)
            self.dynamic = self.dynamic or obj in _RUNS_CODE
            self.text(b"g", f"{obj.__module__}:{obj.__qualname__}".encode())
        else:
            self.reduction(obj)
            if derives(type(owner), type):
                self.unlink(obj)

    def _walk_framed(self, obj: Any) -> None:
        """A generator or coroutine: opaque, but what its frame holds is shared with it."""
        prefix = "gi_" if hasattr(obj, "gi_code") else "cr_" if hasattr(obj, "cr_code") else "ag_"
        frame = getattr(obj, prefix + "frame")
        self.note_opaque(type(obj))
        # Looking at them makes a dictionary that the frame then refers to: it is not to be seen the next time.
        inside = frame.f_locals if frame is not None else {}
        if frame is not None and frame.f_globals is self.reducer.namespace:
            self.codes.add(getattr(obj, prefix + "code"))
        self.stack.extend(inside.values())
        if sys.version_info >= (3, 11):  # the iterators of its loops, too
            skipped = (types.FunctionType, types.ModuleType, types.CodeType, types.FrameType)
            self.stack.extend(
                held
                for held in gc.get_referents(obj)
                if not issubclass(type(held), skipped) and held is not self.reducer.namespace and held is not inside
            )

    # -- everything else ------------------------------------------------------------------------

    def resolve(self, kind: type, obj: Any) -> Callable[[Walk, Any], None]:
        """How instances of a type not met before are walked."""
        if kind not in self.statics:
            self.statics[kind] = statics_of(kind)
        self.static |= self.statics[kind]
        if is_untraversable(kind):
            return Walk._walk_widget if is_only_seen(kind) else Walk.give_up
        if derives(kind, type):
            return Walk._walk_class
        if derives(kind, types.ModuleType):
            return Walk._walk_module
        if is_label_type(kind):
            return Walk._walk_label
        if is_hub(kind):
            return Walk._walk_hub
        if (module_name(kind), qualified_name(kind)) == ("functools", "_lru_list_elem"):
            return Walk._walk_node
        if memory_of(kind) is not None:
            return Walk._walk_foreign
        if is_scalar_type(kind):
            return Walk._walk_scalar
        if is_dtype_type(kind):
            return Walk._walk_dtype
        if is_array_type(kind):
            return Walk._walk_subclassed_array
        if kind in _FRAMED:
            return Walk._walk_framed
        if self.is_simple(kind, obj):
            return Walk._walk_simple
        return Walk.reduction

    def is_simple(self, kind: type, obj: Any) -> bool:
        """`object.__reduce_ex__` gives the class and the `__dict__`, and nothing else."""
        if (
            self.reducer.is_special(kind)  # first: what the notebook has made of its class is not asked
            or not kind.__dictoffset__
            or any(getattr(kind, hook, None) is not getattr(object, hook, None) for hook in _HOOKS)
            or not _ON_INSTANCES.isdisjoint(attributes(obj) or ())
        ):
            return False
        try:
            reduced = obj.__reduce_ex__(5)
            return (
                reduced[1] == (kind,)
                and list(reduced[3:]) == [None] * len(reduced[3:])
                and (reduced[2] is None or type(reduced[2]) is dict)
                and not any(vars(base).get("__slots__") for base in kind.__mro__)
            )
        except Exception:
            return False

    def _walk_simple(self, obj: Any) -> None:
        state = obj.__dict__
        if "__getstate__" in state or "__reduce_ex__" in state:  # a pickler would call them, though no class has them
            self.give_up(obj)
            return
        if self.shared.census is not None:  # as where it is not simple: a copy may be, and what it was copied from not
            self.shared.census.update(_counted(type(obj), state))
        self.parts.append(b"o%d;" % len(state))
        self.stack.append(type(obj))  # walked after the attributes
        self.items(state)

    def _walk_class(self, obj: type) -> None:
        if is_strange(obj):
            self.note_opaque(type(obj))
            return
        reference = self.references.get(obj)
        if reference is None and self.reducer.by_value(obj):
            self.reduction(obj)
            return
        if reference is None:
            reference = self.references[obj] = f"c{module_name(obj)}:{qualified_name(obj)};".encode()
        self.unlink(obj)
        self.parts.append(reference)

    def _walk_module(self, obj: types.ModuleType) -> None:
        name = module_contents(obj).get("__name__")
        if type(name) is str and sys.modules.get(name) is obj:
            self.dynamic = self.dynamic or name == "__main__"
            self.unlink(obj)
            self.text(b"m", name.encode())
        else:
            self.reduction(obj)

    def _walk_label(self, obj: Any) -> None:
        """Shared and all but immutable; what it holds is its own."""
        self.labels.add(id(obj))
        self.unlink(obj)
        if len(self.parts):
            self.parts.append(self.sealed(obj))
        else:  # the variable itself
            self.reduction(obj)

    def reduction(self, obj: Any) -> None:
        """Walks what a pickler would store. What raises is opaque."""
        kind = type(obj)
        try:
            reduced = self.reducer.decompose(obj)
            if isinstance(reduced, str):
                module = getattr(obj, "__module__", None) or module_name(type(obj))
                if module == "__main__":
                    raise TypeError("a global of the notebook is no place to find it again")
                self.unlink(obj)
                self.text(b"g", f"{module}:{reduced}".encode())
                return
            children = list(reduced)
            children[3:5] = [None if items is None else list(items) for items in children[3:5]]
            if len(children) > 2 and type(children[2]) is dict and not children[2]:
                children[2] = None  # an empty `__dict__` is made when somebody asks for it
        except Exception:
            self.give_up(obj)
            return
        whole = any(children[0] is each for each in _WHOLE)
        if issubclass(kind, VALUE_TYPES) and module_name(kind) == "__main__" and not whole and attributes(obj):
            self.give_up(obj)  # the notebook's own, of a base whose reduction leaves out what it adds
            return
        known = self.known.get(kind)
        if known is None:
            known = self.known[kind] = (is_value_type(kind), is_dynamic(kind))
        is_value, dynamic = known
        self.dynamic = self.dynamic or dynamic
        if (
            (is_value and not (whole and attributes(obj)))
            or children[0] is module_attribute
            or self.reducer.is_apart(obj)
        ):
            self.unlink(obj)
        self.kept.append(children)
        self.parts.append(b"r%d;" % len(children))
        if self.shared.census is not None and not flags_of(kind) & _MADE_IN_C:
            self.shared.census.update(_counted(kind, attributes(obj)))
        self.stack.extend(reversed(children))

    def give_up(self, obj: Any) -> None:
        """`obj` is opaque: the digest knows its type only, and what it holds as far as that can be seen."""
        kind = type(obj)
        self.note_opaque(kind)
        if any(kind is each for each in weakref.ProxyTypes):
            self.stack.append(obj.__sizeof__.__self__)
        elif kind is memoryview:
            self.stack.append(obj.obj)
        elif issubclass(kind, weakref.ref):
            self.stack.append(weakref.ref.__call__(obj))
        elif is_untraversable(kind):
            self.stack.extend(payload_of(obj))
            self._note_observers(obj)
        elif kind is not dict:
            if module_name(kind) == "__main__":
                self.stack.append(kind)
            self.stack.extend(self._behind(obj))

    def _walk_widget(self, obj: Any) -> None:
        self.still.append(self.sealed(instance_attributes(obj)))
        self._note_observers(obj)
        self.reduction(obj)

    def _note_observers(self, obj: Any) -> None:
        self.codes.update(each.__code__ for each in observers_of(obj) if self.reducer.is_notebook_function(each))

    def turn_away(self, obj: Any) -> None:
        """`obj` raised while it was looked at: it is opaque. Asks nothing of it; runs none of its code."""
        self.memo.setdefault(id(obj), len(self.memo))
        self.note_opaque(type(obj))
        if not is_untraversable(type(obj)) and obj is not self.reducer.namespace:
            self.stack.extend(self._behind(obj))

    def note_opaque(self, kind: type) -> None:
        """Instances of this type could not be walked: the digest knows the type only."""
        self.text(b"?", f"{module_name(kind)}:{qualified_name(kind)}".encode("utf-8", "surrogatepass"))
        known = is_plain_class(kind) and not is_strange(kind)
        self.opaque.append(kind if known else object)  # those who come later look it up, and name it

    def _behind(self, obj: Any) -> list[Any]:
        """What an opaque object holds on to, as far as that can be seen.

        The same, whether its `__dict__` was asked for before or not: the interpreter makes that then, and refers to it
        instead of what is in it. It is made here, where it was not.
        """
        state = attributes(obj)
        inside = set(map(id, state.values())) if state else set()
        held = [each for each in gc.get_referents(obj) if each is not state and id(each) not in inside]
        # Beside the dictionary there is the pair that it gives next time.
        if any(type(obj) is each for each in _ITEM_ITERATORS):
            held = [each for each in held if issubclass(type(each), dict)]
        held += hidden_in(obj)
        return [*([state] if state else ()), *filter(self._may_be_shared, held)]

    def _may_be_shared(self, held: Any) -> bool:
        """Not code, nor a module or what is in it."""
        if type(held) is dict:
            name = held.get("__name__")
            module = sys.modules.get(name) if type(name) is str else None
            return held is not self.reducer.namespace and (module is None or module_contents(module) is not held)
        return not issubclass(type(held), (type, types.FunctionType, types.ModuleType, types.CodeType, types.FrameType))

    def _walk_cached(self, obj: Any) -> None:
        """A function with `functools.lru_cache`: what it has cached can be changed through it."""
        self.reduction(obj)
        self.stack.extend(held for held in gc.get_referents(obj) if type(held) is dict and held is not obj.__dict__)

    def _walk_node(self, obj: Any) -> None:
        """Of the list that `functools.lru_cache` keeps."""
        self.stack.extend(filter(self._may_be_shared, gc.get_referents(obj)))


_COUNTED = frozenset({str, bytes, int, bool, type(None)})
"""Plain atoms that are equal only where they are the same, type by type."""


def _looks_heavy(items: list[Any] | tuple[Any, ...]) -> bool:
    """Whether the items would make a very long text. Judged by some of them, by their content alone."""
    sample = items[:: max(1, len(items) // 64)]
    size = sum(each.bit_length() >> 3 if isinstance(each, int) else len(each or b"") for each in sample)
    return size * len(items) > LARGE_BYTES * len(sample)


def _counted(kind: type, held: dict[str, Any] | None) -> list[tuple[str, str, str]]:
    """The attributes that count: what a library calls private is its own business (caches, locks)."""
    module, name = module_name(kind), qualified_name(kind)
    own = module == "__main__"
    counted = (str(each) for each in held or () if own or not str(each).startswith("_"))
    return [(module, name, each) for each in ("", *counted)]


_HANDLERS: dict[type, Callable[[Walk, Any], None]] = {
    list: Walk._walk_list,
    tuple: Walk._walk_list,
    dict: Walk._walk_dict,
    set: Walk._walk_set,
    frozenset: Walk._walk_set,
    bytearray: Walk._walk_bytearray,
    types.FunctionType: Walk._walk_function,
    types.CodeType: Walk._walk_code,
    functools._lru_cache_wrapper: Walk._walk_cached,
    array.array: Walk._walk_python_array,
    types.BuiltinFunctionType: Walk._walk_builtin,
    pickle.PickleBuffer: Walk._walk_pickle_buffer,
}
