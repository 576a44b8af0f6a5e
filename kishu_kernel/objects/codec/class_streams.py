"""Classes of the notebook, stored apart within a payload: so that one which lives and is the same is not made anew.

A payload holds such a class as its token and a pickle stream of its own. Who loads it for the user takes the live class
with that token, if what it would be stored as now is what was stored: `numbers.Number.register(H)`, a dispatch
registry, a converter that knows the class go on knowing it after an undo.

Law: a class is stored apart only where nothing whose identity matters is both in it and elsewhere in the payload. Else
instances that are loaded against a live class would have copies of what they shared with it: then the class is stored
among the rest, and comes back as a new one.
Neighbours: `pickling`, whose part this is; `class_tokens` knows the tokens.
"""

from __future__ import annotations

import functools
import gc
import io
import sys
import types
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import cloudpickle
import cloudpickle.cloudpickle as _cloud
import xxhash

from kishu_kernel.model import Digest
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.objects.arrays import array_type
from kishu_kernel.objects.attribute_dicts import by_attributes
from kishu_kernel.objects.class_tokens import ClassTokens
from kishu_kernel.objects.classes import derives, has_active_metaclass, module_name
from kishu_kernel.objects.library import Reduction
from kishu_kernel.objects.library_globals import module_attribute_name
from kishu_kernel.objects.questions import is_value_type
from kishu_kernel.objects.rebuild.code import load_class
from kishu_kernel.objects.reducers import Reducer
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.native import untouched
from kishu_kernel.process.slot_names import unnoted

LONGEST = 1 << 18
"""Bytes of a class that is stored apart. What is longer is data, which was to be pickled once more for it."""
LARGE = 1 << 16
"""Bytes of a payload whose objects are not gone through, if what a class holds is held by nobody else."""


class _NotApartError(Exception):
    """The class cannot be stored apart."""


@dataclass(frozen=True)
class ClassStream:
    """A class as it is stored apart.

    Attributes:
        others: classes in it that are stored apart in turn, by their tokens.
        memo: a copy of the pickler's, with all objects in it.
        streams: of `others`.
    """

    cls: type
    data: bytes
    others: Mapping[bytes, type]
    memo: Mapping[int, tuple[int, Any]]
    streams: Sequence[ClassStream] = ()

    @functools.cached_property
    def objects(self) -> Mapping[int, Any]:
        """All objects in it, by id."""
        return {key: obj for key, (_, obj) in self.memo.items()}

    @functools.cached_property
    def shareable(self) -> Mapping[int, Any]:
        """Those whose identity matters."""
        return {key: obj for key, obj in self.objects.items() if _identity_matters(obj)}

    @functools.cached_property
    def has_arrays(self) -> bool:
        """Memory of arrays is in it, which others could show."""
        plain = array_type()
        own = plain is not None and any(type(obj) is plain for obj in self.objects.values())
        return own or any(stream.has_arrays for stream in self.streams)

    @property
    def digest(self) -> Digest:
        """Two streams of a class with one digest are of one state of it."""
        return digest_of_stream(self.data)


def digest_of_stream(data: bytes) -> Digest:
    """The digest of such a stream."""
    return Digest(xxhash.xxh3_128_digest(data))


@dataclass
class ClassStreams:
    """The classes of one payload that are stored apart.

    Attributes:
        among_others: ids of classes that are not to be.
        elsewhere: tokens of classes that other variables are bound to. They are apart in any case.
    """

    table: ReductionTable
    among_others: set[int] = field(default_factory=set)
    elsewhere: frozenset[bytes] = frozenset()
    _found: dict[int, ClassStream | None] = field(default_factory=dict)
    _plain: dict[type, bool] = field(default_factory=dict)

    def reduce(self, cls: type) -> Reduction:
        """How the class is stored apart; NotImplemented where it is not."""
        found = self.stream_of(cls)
        return NotImplemented if found is None else (load_class, (self.table.class_tokens.token_of(cls), found.data))

    def stream_of(self, cls: type) -> ClassStream | None:
        """The class, stored apart; None where it goes by its name, or among the other objects."""
        key = id(cls)
        if key not in self._found:
            self._found[key] = None  # while it is under way: two classes that lead to each other stay together
            if key not in self.among_others:
                self._found[key] = self._dumped(cls) if self.among_others else self._dumped_once(cls)
        return self._found[key]

    @property
    def _streams(self) -> list[ClassStream]:
        return [stream for stream in self._found.values() if stream is not None]

    def shared_with(self, payload: Callable[[], Container[int]], size: int, has_arrays: bool = False) -> set[int]:
        """Ids of classes that share something with the rest of the payload, or with each other.

        Args:
            payload: gives the ids of the objects in the payload that are not in such classes.
            size: bytes of the payload. It costs time to ask for the objects of a large one.
            has_arrays: there is memory of arrays in it.
        """
        with_arrays = {
            id(stream.cls) for stream in self._streams if stream.has_arrays and not self._is_elsewhere(stream)
        }
        if with_arrays and (has_arrays or len(with_arrays) > 1):
            return with_arrays
        if not self._streams or (size > LARGE and not _are_held_elsewhere(self._streams)):
            return set()
        rest = payload()
        owner: dict[int, int] = {}
        shared: set[int] = set()
        for stream in self._streams:
            key = id(stream.cls)
            if self._is_elsewhere(stream):
                continue
            for each in stream.shareable:
                first = owner.setdefault(each, key)
                if first != key:
                    shared |= {first, key}
                elif each in rest:
                    shared.add(key)
        return shared

    def _is_elsewhere(self, stream: ClassStream) -> bool:
        return bool(self.elsewhere) and self.table.class_tokens.token_of(stream.cls) in self.elsewhere

    def _dumped_once(self, cls: type) -> ClassStream | None:
        """The same for all payloads of a moment that leave no class among the other objects."""
        moment = self.table.moment
        if moment is None:
            return self._dumped(cls)
        if id(cls) not in moment.streams:
            moment.streams[id(cls)] = cls, self._dumped(cls)
        stream: ClassStream | None = moment.streams[id(cls)][1]
        for each in () if stream is None else stream.others.values():
            self.stream_of(each)
        return stream

    def _dumped(self, cls: type) -> ClassStream | None:
        reducer = Reducer(self.table)
        try:
            if has_active_metaclass(cls) or not reducer.by_value(cls):
                return None
            others: dict[bytes, type] = {}
            file = _ShortFile()
            pickler = _ClassPickler(file, functools.partial(self._override, reducer, cls, others))
            with unnoted:
                pickler.dump(cls)
        except Exception:  # told where the payload as a whole cannot be stored
            return None
        found = (self.stream_of(other) for other in others.values())
        return ClassStream(
            cls, file.getvalue(), others, pickler.memo.copy(), [each for each in found if each is not None]
        )

    def _override(self, reducer: Reducer, root: type, others: dict[bytes, type], obj: Any) -> Reduction:
        kind = type(obj)
        if derives(kind, type) and obj is not root:
            found = self.stream_of(obj)
            if found is not None:
                others.update(found.others)
                others[self.table.class_tokens.token_of(obj)] = obj
                return self.reduce(obj)
            if reducer.by_value(obj):
                raise _NotApartError
        plain = array_type()
        if plain is not None and kind is plain:
            return _own_array(obj)
        if kind is functools._lru_cache_wrapper or (plain is not None and derives(kind, plain)):
            raise _NotApartError  # its cache is not stored, and yet can be told
        reduction = reducer.reduce(obj)
        return by_attributes(obj, self._plain) if reduction is NotImplemented and untouched(obj) else reduction


class _ClassPickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, override: Callable[[Any], Reduction]) -> None:
        super().__init__(file, protocol=5, buffer_callback=_refuse_buffer)
        self.reducer_override = override


class _ShortFile(io.BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > LONGEST:
            raise _NotApartError
        return super().write(data)


def _own_array(array: Any) -> Reduction:
    """An array that has memory of its own, and is all that shows it, as it seems."""
    flags = array.flags
    if array.base is not None or not flags.writeable or not (flags.c_contiguous or flags.f_contiguous):
        raise _NotApartError
    return array.__reduce__()


def _refuse_buffer(_: Any) -> bool:
    raise _NotApartError


@dataclass
class ClassLoads:
    """The classes that one payload has stored apart, while it is loaded.

    Args:
        load: the class of a stream.
        live: the session's table, where its live classes are taken; None: all are made anew.
        met: is told of each live class that is taken.
        classes: those that there are, by their tokens: they are taken, whatever they are like.
    """

    load: Callable[[bytes], type]
    live: ReductionTable | None
    met: Callable[[type], None]
    classes: Mapping[bytes, type] = field(default_factory=dict)
    _found: dict[bytes, type] = field(default_factory=dict)

    def get(self, token: bytes, data: bytes) -> type:
        """The class: the live one if it is what was stored, else a new one. The same whenever it is asked for."""
        if token in self.classes and token not in self._found:
            self._found[token] = self.classes[token]
            self.met(self._found[token])
        if token not in self._found:
            cls = self._living(token, digest_of_stream(data)) if self.live is not None else None
            self._found[token] = self._made(token, data) if cls is None else cls
        return self._found[token]

    def _living(self, token: bytes, stored: Digest) -> type | None:
        assert self.live is not None
        for cls in self.live.class_tokens.classes_of(token):
            now = ClassStreams(self.live).stream_of(cls)
            if now is None or not self.live.class_tokens.is_as_stored(cls, now.digest, stored):
                continue
            others = now.others.items()
            if all(self._found.get(each, self.classes.get(each, other)) is other for each, other in others):
                self._found.update(now.others)
                self.met(cls)
                return cls
        return None

    def _made(self, token: bytes, data: bytes) -> type:
        cls = self.load(data)
        if self.live is not None:
            tokens: ClassTokens = self.live.class_tokens
            tokens.note_loaded(cls, token)
            now = ClassStreams(self.live).stream_of(cls)
            if now is not None:
                tokens.note_stream(cls, now.digest, digest_of_stream(data))
        return cls


def _are_held_elsewhere(streams: list[ClassStream]) -> bool:
    """Whether anything but these classes may hold what matters in them. Counts references: in doubt it does."""
    objects = {key: obj for stream in streams for key, obj in stream.objects.items()}
    for cls in [stream.cls for stream in streams]:
        objects[id(cls)] = cls
        objects.update({id(each): each for each in gc.get_referents(cls) if type(each) is dict})
    inside = Counter(map(id, gc.get_referents(*objects.values())))
    stand_in = ClassStream(object, b"", {}, {-1: (0, object())})  # to see what the counting itself adds
    objects.update(stand_in.objects)
    held = [sys.getrefcount(obj) - inside[key] for each in (stand_in, *streams) for key, obj in each.shareable.items()]
    return any(count > held[0] for count in held)


def _identity_matters(obj: Any) -> bool:
    """Whether it can be told that `obj` is shared. In doubt it can."""
    kind = type(obj)
    if kind in (tuple, frozenset):  # what they hold is asked, too; but of a nested one it can be told which it is
        return any(type(each) in (tuple, frozenset) for each in obj)
    if kind in _NEVER or derives(kind, type) or module_name(kind) == "typing":
        return False
    if kind is types.FunctionType:
        return not _cloud._should_pickle_by_reference(obj)
    if kind is types.MappingProxyType:
        return obj is not getattr(sys.modules.get("dataclasses"), "_EMPTY_METADATA", None)
    return not is_value_type(kind) and module_attribute_name(obj) is None


_NEVER = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes, range, type(Ellipsis), type(NotImplemented)),
        *(types.CodeType, types.ModuleType, types.BuiltinFunctionType, types.GenericAlias),
        *(types.WrapperDescriptorType, types.MethodDescriptorType, types.GetSetDescriptorType),
        *(types.MemberDescriptorType, types.UnionType),
    }
)
