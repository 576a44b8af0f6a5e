"""Payloads: the pickle stream of one co-variable and the buffers beside it.

cloudpickle first (the C pickler), dill where that fails, else "not stored", which is a result and not an error
(paper 6.1). Both picklers read the table of `reducers`, so that what the fingerprint saw is what is stored, and so
that neither of them takes its own shortcuts with files, functions and classes of the notebook.

A load touches nothing but memory, and files that a variable held open (`handles`): what would open a socket or start a
process is never stored.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any, Protocol

import cloudpickle

from kishu_kernel.errors import KishuError, LoadError
from kishu_kernel.model import CodecName, Names, NotStored, Payload
from kishu_kernel.objects.arrays import array_type, is_array_type, is_of_arrays
from kishu_kernel.objects.class_reductions import goes_by_name
from kishu_kernel.objects.classes import has_dict
from kishu_kernel.objects.codec.buffers import Arrays, materialized
from kishu_kernel.objects.codec.class_streams import ClassLoads, ClassStreams
from kishu_kernel.objects.codec.dill_hidden import knows, lent
from kishu_kernel.objects.codec.disarming import UnclaimedObjects
from kishu_kernel.objects.codec.libraries_used import differences, library_versions
from kishu_kernel.objects.codec.load_guard import LoadGuard, NotHarmlessError
from kishu_kernel.objects.codec.plain_objects import native_stream
from kishu_kernel.objects.codec.shared_memory import Segment
from kishu_kernel.objects.codec.strings import Acquaintances, Recall, Recogniser
from kishu_kernel.objects.codec.usual_instances import Override, natively, with_usual_first
from kishu_kernel.objects.hidden_links import HiddenLinks
from kishu_kernel.objects.questions import has_private_memory, note_loaded
from kishu_kernel.objects.rebuild.arrays import Source, load_strings
from kishu_kernel.objects.rebuild.code import (
    load_class,
    load_module,
    make_class,
    make_code,
    make_function,
    set_class_state,
    set_enum_state,
)
from kishu_kernel.objects.rebuild.handles import make_foreign
from kishu_kernel.objects.reducers import Reducer
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.cell_sources import register_code
from kishu_kernel.process.native import WALKER, settle
from kishu_kernel.process.python_gc import NewObjects
from kishu_kernel.process.slot_names import unnoted


class Stored(Protocol):
    """A payload as a store gives it back."""

    @property
    def names(self) -> Names:
        """Of the co-variable."""

    @property
    def stream(self) -> bytes:
        """The pickle stream."""

    @property
    def blobs(self) -> Sequence[Source]:
        """What it refers to out of band, in its order."""

    @property
    def made_by(self) -> Mapping[str, str]:
        """Versions of Python and of libraries that made it."""


def holds_objects(stream: bytes) -> bool:
    """Whether there may be more in a stream than containers of atoms: only this opcode brings a class or a function."""
    return b"\x93" in stream


def encode_objects(
    names: Names,
    variables: Mapping[str, Any],
    table: ReductionTable,
    opaque: tuple[type, ...],
    recognised: Recogniser,
    classes: frozenset[bytes],
    kept: tuple[tuple[Any, ...], ...],
) -> Payload | NotStored:
    """As `encoding.encode`, where there is more than plain values."""
    # What is a variable's own array is met before it is met as a block of a frame, which would be private.
    objects = {name: variables[name] for name in sorted(names, key=lambda name: _rank(variables[name]))}
    if opaque and not _dill_knows(opaque):
        return NotStored(names, table.refusals.reason(opaque))
    codecs: tuple[CodecName, ...] = ("dill",) if opaque else ("cloudpickle", "dill")
    reason = ""
    for codec in codecs:
        try:
            stream = _native_dump(objects, table, classes, kept) if codec == "cloudpickle" else None
            if stream is not None:
                return Payload(names, codec, stream, (), library_versions())
            stream, arrays, left_out = _dump(codec, objects, table, recognised, classes)
            return Payload(names, codec, stream, tuple(arrays.buffers), library_versions(), left_out)
        except Exception as error:  # the user's objects may raise anything
            reason = reason or table.refusals.told(error)
    return NotStored(names, reason[:500])


def _rank(obj: Any) -> int:
    if is_of_arrays(type(obj)):
        return 0
    return 2 if has_private_memory(type(obj)) else 1


def decode(
    stored: Stored,
    namespace: dict[str, Any],
    acquaintances: Acquaintances | None = None,
    *,
    admission: LoadGuard | None = None,
    copies: UnclaimedObjects | None = None,
    live: ReductionTable | None = None,
    classes: Mapping[bytes, type] | None = None,
) -> dict[str, Any]:
    """Fresh objects for the names of a stored co-variable.

    Args:
        namespace: what functions of the notebook take as their globals.
        acquaintances: arrays whose strings need not be made anew.
        admission: what the stream may refer to; all, where not told.
        copies: notes what was loaded, to the end or not, where that is not harmless.
        live: the session's table, if the objects are for the user: its live classes are taken where they are the same.
        classes: classes that the objects refer to, by their tokens: these are taken, whatever they are like.

    Raises:
        LoadError: the payload cannot be loaded here and now; it says why.
        NotHarmlessError: the admission says so.
    """
    admission = admission or LoadGuard()
    loaders: list[_Unpickler] = []

    def begun(stream: bytes, blobs: Sequence[Source] = ()) -> _Unpickler:
        loader = _Unpickler(io.BytesIO(stream), buffers=_sources(blobs))
        loader.bound, loader.packages, loader.admission = bound, packages, admission
        loaders.append(loader)
        return loader

    def load(stream: bytes, blobs: Sequence[Source] = ()) -> Any:
        found = None if WALKER is None or blobs else begun(_NOTHING).load_natively(stream)
        return begun(stream, blobs).load() if found is None else found[0]

    def made() -> list[Any]:
        return [obj for loader in loaders for obj in (*loader.memo.copy().values(), *loader.made)]

    packages: set[str] = set()
    class_loads = ClassLoads(load, live, admission.name_resolved, classes or {})
    bound: dict[tuple[str, str], Callable[..., Any]] = {
        ("kishu_kernel.rebuild", load_class.__name__): class_loads.get,
        ("kishu_kernel.rebuild", make_function.__name__): functools.partial(make_function, namespace),
        ("kishu_kernel.rebuild", load_strings.__name__): functools.partial(load_strings, Recall(acquaintances)),
        ("kishu_kernel.rebuild", make_class.__name__): functools.partial(_make_class, admission),
        ("kishu_kernel.rebuild", set_class_state.__name__): functools.partial(_set_class_state, admission),
        ("kishu_kernel.rebuild", set_enum_state.__name__): functools.partial(_set_enum_state, admission),
        ("cloudpickle.cloudpickle", "_class_setstate"): functools.partial(_set_class_state, admission),
    }
    try:
        try:
            new = NewObjects()
            objects = load(stored.stream, stored.blobs)
            note_loaded(packages, made)
            if live is not None and any(loader.has_instances and loader.in_usual_way for loader in loaders):
                settle([each for each in new.found() if type(each) is not dict])  # their own: nobody else holds them
        finally:  # all that was made is in there, however it ends
            if copies is not None and admission.not_harmless:
                copies.note(made(), admission.armed)
            loaders.clear()  # they lead to each other: what they hold would outlive this call
            bound.clear()
        return {name: objects[name] for name in stored.names}
    except NotHarmlessError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        if not isinstance(error, KishuError):  # damaged bytes are no library's fault
            told = "; ".join(filter(None, [told, differences(stored.made_by, packages)]))
        raise LoadError(f"{', '.join(stored.names)}: the stored value does not load ({told})") from error


def _native_dump(
    objects: dict[str, Any], table: ReductionTable, elsewhere: frozenset[bytes], kept: tuple[tuple[Any, ...], ...]
) -> bytes | None:
    """The stream, where all of it is plain, and no class shares something with the rest."""
    classes = ClassStreams(table, elsewhere=elsewhere)
    found = native_stream(objects, Reducer(table), classes.reduce, kept)
    if found is None:
        return None
    stream, ids = found
    return None if classes.shared_with(lambda: ids, len(stream)) else stream


def _dump(
    codec: CodecName,
    objects: dict[str, Any],
    table: ReductionTable,
    recognised: Recogniser,
    elsewhere: frozenset[bytes],
) -> tuple[bytes, Arrays, tuple[str, ...]]:
    among_others: set[int] = set()
    hidden = HiddenLinks()
    while True:
        classes = ClassStreams(table, among_others, elsewhere)
        arrays = Arrays(recognised)
        reducer = Reducer(table, hidden_links=hidden)
        stream, shared = _dump_once(codec, objects, reducer, arrays, classes, hidden)
        if shared:  # now it is known which classes cannot be stored apart
            among_others |= shared
            continue
        if hidden.found:  # now it is known what leads to what is stored anyway
            continue
        if arrays.homes:  # now it is known which arrays are views of which
            first, arrays = arrays, Arrays(recognised, arrays)
            classes = ClassStreams(table, among_others, elsewhere)
            stream, _ = _dump_once(codec, objects, Reducer(table, reducer, hidden), arrays, classes, hidden)
            del first  # kept until here: a freed array's id must not name another one
        return stream, arrays, reducer.left_out


def _dump_once(
    codec: CodecName,
    objects: dict[str, Any],
    reducer: Reducer,
    arrays: Arrays,
    classes: ClassStreams,
    hidden: HiddenLinks,
) -> tuple[bytes, set[int]]:
    """The stream, and ids of classes that share something with the rest of it, though they are stored apart."""
    file = io.BytesIO()
    met: set[int] = set()
    with ExitStack() as borrowed:
        if codec == "cloudpickle":
            pickler: Any = _Pickler(file, _override_of(reducer, arrays, classes, met), arrays)
        else:
            pickler = borrowed.enter_context(lent()).Pickler(file, protocol=5, buffer_callback=arrays.take)
            pickler.reducer_override = _override_of(reducer, arrays, classes, met)
        borrowed.enter_context(unnoted)
        pickler.dump(objects)
    arrays.end(pickler)
    hidden.find(lambda: pickler.memo.copy(), met)
    return file.getvalue(), classes.shared_with(lambda: pickler.memo.copy(), file.tell(), arrays.met_any)


def _override_of(reducer: Reducer, arrays: Arrays, classes: ClassStreams, met: set[int]) -> Override:
    """What a pickler asks for each object that is not of a plain type of Python's own."""
    usual = with_usual_first(
        reducer,
        lambda obj: _override(reducer, arrays, obj, classes),
        lambda kind: issubclass(kind, (type, Segment)) or is_array_type(kind),
        met,
    )
    return natively(reducer, usual, arrays.noted_natively(), met)


def _override(reducer: Reducer, arrays: Arrays, obj: Any, classes: ClassStreams) -> Any:
    plain = array_type()
    if plain is not None and type(obj) is plain:
        return arrays.reduce(obj, id(obj) in reducer.private)
    if issubclass(type(obj), type):
        if goes_by_name(obj):
            return NotImplemented
        apart = classes.reduce(obj)
        if apart is not NotImplemented:
            return apart
    if plain is not None and issubclass(type(obj), plain):
        viewed = arrays.reduce_derived(obj)
        if viewed is not NotImplemented:
            return viewed
    if type(obj) is Segment:
        return arrays.reduce_segment(obj)
    return reducer.reduce_whole(obj)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: io.BytesIO, override: Override, arrays: Arrays) -> None:
        self.dispatch_table = dict(cloudpickle.Pickler.dispatch_table)  # its chain of tables is searched in Python
        super().__init__(file, protocol=5, buffer_callback=arrays.take)
        self.reducer_override = override


def _dill_knows(kinds: tuple[type, ...]) -> bool:
    if dict in kinds:  # the namespace itself; dill would note its name
        return False
    return knows(kinds)


class _Unpickler(pickle.Unpickler):
    """Loads a stream.

    Attributes:
        bound: what stands in for a name that is bound to the live session, or heard of, on the way.
        packages: those that the stream has referred to so far.
        admission: is told of all that it refers to.
        has_instances: it may have made some that have attributes.
        in_usual_way: pickle's way, or a function, may have given some of these their attributes.
        made: what was made natively, but atoms.
    """

    bound: Mapping[tuple[str, str], Callable[..., Any]]
    packages: set[str]
    admission: LoadGuard
    has_instances = False
    in_usual_way = False
    made: Sequence[Any] = ()

    def load_natively(self, stream: bytes) -> tuple[Any] | None:
        """What a stream without buffers holds, where all of it is plain (`native/load.c`); else None.

        For an unpickler of `_NOTHING`: from that it learns the protocol, by which names are looked up.
        """
        super().load()
        self.made = []
        found: tuple[Any] | None = WALKER.load(stream, self.find_class, self._give_state, self.made)
        return found

    def load(self) -> Any:
        """As in `pickle`."""
        self.in_usual_way = True
        return super().load()

    def _give_state(self, obj: Any, state: Any) -> None:
        """Pickle's usual way to do it."""
        self.in_usual_way = True
        set_state = getattr(obj, "__setstate__", None)
        if set_state is not None:
            set_state(state)
            return
        slots = None
        if isinstance(state, tuple) and len(state) == 2:
            state, slots = state
        if state is not None:
            attributes = obj.__dict__
            for name, value in state.items():
                attributes[sys.intern(name) if type(name) is str else name] = value
        for name, value in (slots or {}).items():
            setattr(obj, name, value)

    def find_class(self, module: str, name: str) -> Any:
        """As in `pickle`; functions of the notebook are bound to the live namespace on the way."""
        own = self.bound.get((module, name))
        if own is not None:
            self.has_instances = self.has_instances or name in _GIVE_CLASSES
            self.in_usual_way = self.in_usual_way or name not in _GIVE_CLASSES
            return own
        package = module.partition(".")[0]
        self.packages.add(package)
        if (package, name) in _ADDRESSES:
            raise LoadError("it holds an address, which leads nowhere any more")
        if module == "__main__":
            raise LoadError(f"{name} was stored by its name in the notebook, which says nothing of its value")
        self.admission.name_requested(module, name)
        found = _INSTEAD.get((module, name)) or self._looked_up(module, name)
        self.admission.name_resolved(found)
        self.has_instances = self.has_instances or (isinstance(found, type) and has_dict(found))
        self.in_usual_way = self.in_usual_way or not isinstance(found, type)
        return found

    def _looked_up(self, module: str, name: str) -> Any:
        with lent() if module.partition(".")[0] == "dill" else nullcontext():
            return super().find_class(module, name)


def _make_class(admission: LoadGuard, metaclass: type, *arguments: Any) -> type:
    cls = make_class(metaclass, *arguments)
    admission.class_made(cls, metaclass)
    return cls


def _set_class_state(admission: LoadGuard, cls: type, state: tuple[dict[str, Any], Any]) -> Any:
    admission.class_filled(cls, state[0])
    return set_class_state(cls, state)


def _set_enum_state(admission: LoadGuard, cls: type, state: tuple[Any, dict[str, Any]]) -> None:
    admission.class_filled(cls, state[1])
    set_enum_state(cls, state)


def _made_code(python: str, *fields: Any) -> types.CodeType:
    code = make_code(python, *fields)
    register_code(code.co_filename)
    return code


_NOTHING = pickle.dumps(None, 5)
_GIVE_CLASSES = (load_class.__name__, make_class.__name__)
_INSTEAD: dict[tuple[str, str], Callable[..., Any]] = {
    ("_ctypes", "_unpickle"): make_foreign,
    ("kishu_kernel.rebuild", make_code.__name__): _made_code,
    ("cloudpickle.cloudpickle", "subimport"): load_module,
}
"""What is done instead of what streams name: it looks first."""

_ADDRESSES = frozenset({("dill", "_create_capsule"), ("_ctypes", "PyObj_FromPtr")})
"""What makes something of an address, by package and name: older stores may hold such payloads."""


def _sources(blobs: Sequence[Source]) -> Iterator[Any]:
    """What the stream finds for each out-of-band buffer: ours are read by `load_array`, at their place."""
    for blob in blobs:
        yield blob if blob.direct else materialized(blob)
