"""The other way: what payload streams call when they are loaded.

Law: the names in this module are part of the stored format. None may be renamed or moved, and none may take other
arguments, without a new version of the format. Nothing here runs the user's code, or touches the world: only a file
that a variable held open is opened again, where it is still the same one, and never to be made or truncated.
"""

from __future__ import annotations

import abc
import collections
import functools
import io
import os
import sys
import types
import uuid
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import cloudpickle.cloudpickle as _cloud

_made: weakref.WeakSet[type] = weakref.WeakSet()
"""Classes of the notebook that were loaded."""


class _EmptyCell:
    """Stands for a closure cell without content."""

    def __reduce__(self) -> str:
        return "EMPTY_CELL"


EMPTY_CELL = _EmptyCell()


class Source(Protocol):
    """Stored bytes that can be read into memory."""

    @property
    def nbytes(self) -> int:
        """How many."""

    @property
    def direct(self) -> bool:
        """As in `model.Buffer`."""

    def readinto(self, target: memoryview) -> None:
        """Fills `target`, which measures `nbytes`."""


class Recall(Protocol):
    """Knows which strings the session holds already."""

    def find(self, content: bytes, missing: tuple[tuple[Any, int], ...]) -> Any:
        """A 1-D array of objects with this content, not to be given away; None where there is none."""

    def met(self, content: bytes, array: Any) -> None:
        """A 1-D array with this content was loaded."""


def make_code(python: str, *fields: Any) -> types.CodeType:
    """Compiled code: what its own constructor takes, in this version of Python.

    Raises:
        TypeError: another one has compiled it, whose instructions mean something else here.
    """
    if python != sys.implementation.cache_tag:
        raise TypeError(f"its code was compiled by {python}, and this is {sys.implementation.cache_tag}")
    return types.CodeType(*fields)


def make_function(
    namespace: dict[str, Any], code: types.CodeType, name: str, cells: tuple[types.CellType, ...]
) -> types.FunctionType:
    """A function of the notebook. The loader binds `namespace`; it is never in the stream."""
    return types.FunctionType(code, namespace, name, None, cells)


def make_class(metaclass: type, name: str, bases: tuple[Any, ...], namespace: dict[str, Any], *rest: Any) -> type:
    """A class of the notebook, still empty. None of the user's code runs: it ran when the class was first made.

    Else `__init_subclass__` and metaclasses, which keep registries, would write to those of the live session.
    """
    resolved = types.resolve_bases(bases)
    above = {each for base in resolved for each in base.__mro__ if each in _made}
    hooks = {each: vars(each)["__init_subclass__"] for each in above if "__init_subclass__" in vars(each)}
    for each in hooks:
        type.__delattr__(each, "__init_subclass__")
    try:
        maker = next(each for each in metaclass.__mro__ if each not in _made)
        if maker is metaclass:
            cls: type = _cloud._make_skeleton_class(metaclass, name, bases, namespace, *rest)
        else:
            original = {} if resolved is bases else {"__orig_bases__": bases}
            cls = maker.__new__(metaclass, name, resolved, {**namespace, **original})
    finally:
        for each, hook in hooks.items():
            type.__setattr__(each, "__init_subclass__", hook)
    _made.add(cls)
    return cls


def set_class_state(cls: Any, state: tuple[dict[str, Any], dict[str, Any]]) -> Any:
    """Second half of a class, past what a metaclass of the notebook does when an attribute is set."""
    if not any(each in _made and "__setattr__" in vars_of(each) for each in mro_of(type(cls))):
        return _cloud._class_setstate(cls, state)
    attributes = dict(state[0])
    registry = attributes.pop("_abc_impl", None)
    for name, value in attributes.items():
        type.__setattr__(cls, name, value)
    for each in registry or ():
        abc.ABCMeta.register(cls, each)
    return cls


def set_enum_state(cls: Any, state: tuple[dict[str, dict[str, Any]], dict[str, Any]]) -> None:
    """Second half of an enum: its attributes, and those of its members."""
    members, of_class = state
    _cloud._class_setstate(cls, (of_class, {}))
    for name, attributes in members.items():
        cls.__members__[name].__dict__.update(attributes)


def make_module_function(
    module: str, code: types.CodeType, name: str, cells: tuple[types.CellType, ...]
) -> types.FunctionType:
    """A function that a library made at run time: bound to the globals of the library's module."""
    __import__(module)
    return types.FunctionType(code, vars(sys.modules[module]), name, None, cells)


def set_function_state(function: types.FunctionType, state: dict[str, Any]) -> None:
    """Second half of a function: everything that may refer back to it."""
    function.__dict__.update(state["dict"])
    function.__defaults__ = state["defaults"]
    function.__kwdefaults__ = state["kwdefaults"]
    function.__annotations__ = state["annotations"]
    function.__qualname__ = state["qualname"]
    function.__module__ = state["module"]
    function.__doc__ = state["doc"]
    if "type_params" in state:
        function.__type_params__ = state["type_params"]  # type: ignore[attr-defined]
    for cell, content in zip(function.__closure__ or (), state["contents"], strict=True):
        set_cell(cell, content)


def set_cell(cell: types.CellType, content: Any) -> None:
    """Fills a closure cell, unless it was empty."""
    if content is not EMPTY_CELL:
        cell.cell_contents = content


def make_cached(function: Any, maxsize: int | None, typed: bool) -> Any:
    """`functools.lru_cache` around a function of the notebook. The cache starts empty."""
    return functools.lru_cache(maxsize, typed)(function)


def dict_view(mapping: dict[Any, Any], kind: str) -> Any:
    """A live view of `mapping`: `kind` is `dict_keys`, `dict_values` or `dict_items`."""
    return getattr(mapping, kind.removeprefix("dict_"))()


def load_module(name: str) -> Any:
    """A module. One that is there is not imported again: that would load one that is loaded when it is asked."""
    module = sys.modules.get(name)
    if module is not None:
        return module
    __import__(name)
    return sys.modules[name]


def module_attribute(module: str, name: str) -> Any:
    """The object that a module holds under this name."""
    __import__(module)
    return getattr(sys.modules[module], name)


def make_instance(cls: Any) -> Any:
    """An instance of a class of the notebook, before it has its state. Runs none of the class's code."""
    return object.__new__(cls)


def set_instance_state(obj: Any, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
    """Gives it its attributes, past whatever its class says of them: what stands in slots apart."""
    attributes, slots = state
    if attributes:
        _place(obj, "__dict__").__get__(obj).update(attributes)
    for name, value in slots.items():
        _place(obj, name).__set__(obj, value)


def _place(obj: Any, name: str) -> Any:
    """What Python made to reach a place in an instance; a class may have put something else before it."""
    contents = (vars_of(base).get(name) for base in mro_of(type(obj)))
    made_in_c = (types.GetSetDescriptorType, types.MemberDescriptorType)
    found = next((each for each in contents if type(each) in made_in_c), None)
    if found is None:
        raise AttributeError(f"{type(obj).__qualname__} objects have no place for {name} any more")
    return found


mro_of = type.__dict__["__mro__"].__get__
vars_of = type.__dict__["__dict__"].__get__


def make_derived(base: type, cls: Any, *arguments: Any) -> Any:
    """An instance of a class of the notebook that derives from one of Python's, before it has its state.

    Runs none of the class's code.
    """
    return base.__new__(cls, *arguments)


def set_derived_state(obj: Any, state: tuple[type, Any, dict[str, Any] | None, dict[str, Any]]) -> None:
    """Gives it what its base keeps for it, and its attributes, past whatever its class does with either."""
    base, content, attributes, slots = state
    if issubclass(base, BaseException):
        _set_exception(base, obj, *content)
    elif base.__name__ == "ndarray":
        own, writeable = content
        base.__setstate__(obj, own)  # type: ignore[attr-defined]
        base.flags.__get__(obj).writeable = writeable  # type: ignore[attr-defined]
    elif base in _FILLED:
        _FILLED[base](obj, content)
    set_instance_state(obj, (attributes, slots))


def _set_exception(
    base: Any, error: BaseException, arguments: Any, told: dict[str, Any], cause: Any, context: Any, suppressed: bool
) -> None:
    base.__init__(error, *arguments)
    for name, value in told.items():
        next(vars_of(each)[name] for each in mro_of(base) if name in vars_of(each)).__set__(error, value)
    for name, value in (("__cause__", cause), ("__context__", context), ("__suppress_context__", suppressed)):
        BaseException.__dict__[name].__set__(error, value)


def _fill_ordered(obj: Any, content: tuple[list[Any], list[Any]]) -> None:
    for key, value in zip(*content, strict=True):
        collections.OrderedDict.__setitem__(obj, key, value)


def _fill_default(obj: Any, content: tuple[list[Any], list[Any], Any]) -> None:
    keys, values, factory = content
    vars_of(collections.defaultdict)["default_factory"].__set__(obj, factory)
    dict.update(obj, zip(keys, values, strict=True))


def _fill_queue(obj: Any, content: tuple[list[Any], int | None]) -> None:
    collections.deque.__init__(obj, *content)


_FILLED: dict[type, Callable[[Any, Any], object]] = {
    list: list.extend,
    dict: lambda obj, content: dict.update(obj, zip(*content, strict=True)),
    collections.OrderedDict: _fill_ordered,
    collections.defaultdict: _fill_default,
    set: set.update,
    bytearray: bytearray.extend,
    collections.deque: _fill_queue,
}


def set_state_and_attributes(obj: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """What its own reduction tells, and the attributes that this leaves out."""
    own, attributes = state
    _set_state(obj, own)
    obj.__dict__.update(attributes)


def set_array_state(array: Any, state: tuple[Any, dict[str, Any] | None]) -> None:
    """Of an array of a class derived from numpy's that cannot be written to."""
    own, attributes = state
    _set_state(array, own)
    if attributes is not None:
        array.__dict__.update(attributes)
    array.flags.writeable = False


def set_content(obj: Any, content: tuple[Any, list[Any] | None, dict[Any, Any] | None]) -> None:
    """State and items of a list or a dict of a derived class, past whatever that does with each item."""
    state, items, pairs = content
    if items is not None:
        list.extend(obj, items)
    if pairs is not None:
        dict.update(obj, pairs)
    _set_state(obj, state)


def _set_state(obj: Any, state: Any) -> None:
    """As `pickle` does."""
    setstate = getattr(obj, "__setstate__", None)
    if state is None:
        return
    if setstate is not None:
        setstate(state)
        return
    own, slots = state if isinstance(state, tuple) else (state, None)
    if own:
        obj.__dict__.update(own)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)


def make_foreign(kind: Any, state: tuple[dict[str, Any], bytes]) -> Any:
    """An object of ctypes', as `_ctypes._unpickle` makes it, unless its bytes hold an address.

    Raises:
        TypeError: they do: it was another process's, or is another object's.
    """
    import _ctypes

    if any(state[1][start:end].strip(b"\0") for start, end in addresses(kind)):
        raise TypeError(f"a {kind.__name__} holds an address, which leads nowhere any more")
    return _ctypes._unpickle(kind, state)  # type: ignore[attr-defined]


def addresses(kind: Any) -> Iterator[tuple[int, int]]:
    """Where in an object of ctypes' addresses stand: from, to."""
    import ctypes

    if issubclass(kind, ctypes._SimpleCData):
        if kind._type_ in "PzZOsX":
            yield 0, ctypes.sizeof(kind)
    elif issubclass(kind, ctypes.Array):
        size = ctypes.sizeof(kind._type_)
        inside = list(addresses(kind._type_)) if kind._length_ else []
        for at in range(kind._length_ if inside else 0):
            yield from ((at * size + start, at * size + end) for start, end in inside)
    elif issubclass(kind, (ctypes.Structure, ctypes.Union)):
        for base in mro_of(kind):
            for name, held, *bits in vars_of(base).get("_fields_", ()):
                start = vars_of(base)[name].offset if not bits else 0
                yield from ((start + one, start + other) for one, other in ([] if bits else addresses(held)))
    else:
        yield 0, ctypes.sizeof(kind)


def make_reference(target: Any, callback: Any) -> Any:
    """A weak reference. What it refers to must be held by something else that was loaded with it."""
    return weakref.ref(target, callback)


def dead_reference() -> Any:
    """A weak reference to what is gone."""
    return weakref.ref(type("Gone", (), {})())


def set_exception_state(error: BaseException, state: tuple[Any, Any, Any, bool]) -> None:
    """What its own reduction tells of an exception, and what it came from."""
    own, cause, context, suppressed = state
    if own is not None:
        error.__setstate__(own)
    error.__cause__ = cause
    error.__context__ = context
    error.__suppress_context__ = suppressed


def open_again(where: str, name: Any, mode: str, identity: tuple[int, int], position: int) -> io.FileIO:
    """An open file as it was: the same one on this disk, at its offset. It is neither made nor truncated.

    Raises:
        FileNotFoundError: there is another one at its place, or none.
    """

    def opener(_: Any, flags: int) -> int:
        return os.open(where, flags & ~(os.O_CREAT | os.O_TRUNC | os.O_EXCL))

    file = io.FileIO(name, mode, opener=opener)
    found = os.fstat(file.fileno())
    if (found.st_dev, found.st_ino) != identity:
        file.close()
        raise FileNotFoundError(f"{where} is another file than the one that was open")
    file.seek(position)
    return file


def make_buffered(kind: str, raw: io.FileIO, position: int) -> Any:
    """The buffered face of an open file: `kind` is `BufferedReader` or another of `io`'s."""
    file = getattr(io, kind)(raw)
    file.seek(position)
    return file


def make_text(
    buffer: Any,
    mode: str | None,
    newline: str | None,
    encoding: str,
    errors: str,
    line_buffering: bool,
    write_through: bool,
    position: int,
) -> Any:
    """The text face of an open file. `position` is what its `tell` has told."""
    file: Any = io.TextIOWrapper(buffer, encoding, errors, newline, line_buffering, write_through)
    if mode is not None:
        file.mode = mode
    file.seek(position)
    return file


def make_closed(kind: str, name: Any, raw_mode: str, mode: str | None = None, *settings: Any) -> Any:
    """A file that is closed, and still tells what it was. No file is opened for it but the null device.

    Args:
        kind: `raw`, or the class of `io` that buffers it.
        settings: of a text file: encoding, errors, line_buffering, write_through.
    """
    raw = io.FileIO(os.open(os.devnull, os.O_RDWR), raw_mode)
    raw.name = name
    file: Any = raw if kind == "raw" else getattr(io, kind)(raw)
    if settings:
        encoding, errors, *how = settings
        file = io.TextIOWrapper(file, encoding, errors, None, *how)
        if mode is not None:
            file.mode = mode
    file.close()
    return file


def set_optimizer_state(obj: Any, state: tuple[dict[str, Any], Any, list[tuple[Any, int]]]) -> None:
    """Of an optimizer of Keras': its attributes, and the numbers of its variables, which it finds by their own keys."""
    attributes, kind, numbers = state
    obj.__dict__.update(attributes)
    obj.__dict__["_trainable_variables_indices"] = kind({obj._var_key(each): number for each, number in numbers})


def new_name() -> str:
    """A name that nobody has, for what would else be taken for the one of this name that lives here."""
    return str(uuid.uuid4())


def storage_array(storage: Any, dtype: Any) -> Any:
    """A numpy array over the memory of an untyped storage of PyTorch's, its items as long as those of the dtype."""
    import torch  # type: ignore[import-not-found,unused-ignore]

    numbers = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    width = 1 if dtype is None else dtype.itemsize
    items = torch.empty(0, dtype=numbers.get(width, torch.uint8), device="cpu")
    return items.set_(storage).numpy()


def load_storage(array: Any, dtype: Any) -> Any:
    """A storage of PyTorch's over the memory of a numpy array; an untyped one where there is no dtype."""
    import torch

    storage = torch.from_numpy(array.view("B")).untyped_storage()
    if dtype is None:
        return storage
    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def set_tensor_state(tensor: Any, state: tuple[Any, Any]) -> None:
    """What a tensor's own reduction tells besides its values, and its gradient, which that leaves out."""
    own, gradient = state
    if own is not None:
        tensor.__setstate__(own)
    tensor.grad = gradient


def load_array(source: Any, dtype: Any, shape: tuple[int, ...], order: str, writeable: bool) -> Any:
    """An array that owns its memory, filled from a `Source` or from bytes."""
    import numpy

    array = numpy.empty(shape, dtype, order)  # type: ignore[call-overload]
    if array.nbytes:
        flat = memoryview(array.reshape(-1, order="A").view("B"))
        if isinstance(source, bytes):
            flat[:] = source
        else:
            source.readinto(flat)
    array.flags.writeable = writeable
    return array


def load_view(
    home: Any,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    writeable: bool,
) -> Any:
    """An array over the memory of another one."""
    import numpy

    if dtype.hasobject:  # numpy makes no array of objects over a foreign buffer
        first = home.reshape(-1, order="A")[offset // dtype.itemsize :]
        view = numpy.lib.stride_tricks.as_strided(first, shape, strides)
    else:
        buffer = home
        if not home.flags.c_contiguous or home.dtype.kind in "mM":
            buffer = home.reshape(-1, order="A").view("B")
        view = numpy.ndarray(shape, dtype, buffer, offset, strides)
    if view.flags.writeable != writeable:
        view.flags.writeable = writeable
    return view


def load_strings(
    recall: Recall,
    content: bytes,
    missing: tuple[tuple[Any, int], ...],
    lines: tuple[tuple[Any, tuple[Any, ...]], ...],
    shape: tuple[int, ...],
    order: str,
    writeable: bool,
) -> Any:
    """An array of strings that owns its memory. The loader binds `recall`; it is never in the stream.

    Args:
        content: identifies the content for sure; empty where it was not known.
        missing: what stands for missing values (the text "nan" for NumPy's own), and how often.
        lines: parts of the array in memory order, equally long. Of each its codes, if it has any (a `Source` or
            bytes, the length of one, how many), and its blocks: how many strings, their text (a `Source` or bytes),
            what stands between them, and for which kinds of missing values a bit for each stands before.
    """
    import numpy

    array = numpy.empty(shape, object, order)  # type: ignore[call-overload]
    flat = array.reshape(-1, order="A")
    known = recall.find(content, missing)
    if known is not None and known.shape == flat.shape:
        flat[:] = known
    else:
        markers = [numpy.nan if type(each) is str else each for each, _ in missing]
        length = flat.size // len(lines)
        for place, (codes, blocks) in enumerate(lines):
            line = flat[place * length : (place + 1) * length]
            if codes is None:
                _fill(line, blocks, markers)
                continue
            source, width, count = codes
            numbers = numpy.frombuffer(_bytes(source), f"<u{width}", count)
            kinds = numpy.empty(sum(block[0] for block in blocks), object)
            _fill(kinds, blocks, markers)
            line[:] = kinds.take(numbers)
    recall.met(content, flat)
    array.flags.writeable = writeable
    return array


def _fill(target: Any, blocks: tuple[tuple[int, Any, str, tuple[int, ...]], ...], markers: list[Any]) -> None:
    import numpy

    start = 0
    for count, source, separator, masked in blocks:
        data = memoryview(_bytes(source))
        size = -(-count // 8)  # of a mask
        part = target[start : start + count]
        texts = str(data[len(masked) * size :], "utf-8", "surrogatepass").split(separator)
        if not part.size == len(texts) == count:
            raise ValueError(f"there are {len(texts)} strings for {part.size} places")
        part[:] = texts
        for place, kind in enumerate(masked):
            bits = numpy.frombuffer(data[place * size : (place + 1) * size], "B")
            part[numpy.unpackbits(bits, count=count).view(bool)] = markers[kind]
        start += count
    if start != target.size:
        raise ValueError(f"there are {start} strings for {target.size} places")


def _bytes(source: Any) -> Any:
    """The bytes of a `Source`, or the bytes that they are."""
    if isinstance(source, bytes):
        return source
    import numpy

    data: Any = numpy.empty(source.nbytes, "B")
    source.readinto(memoryview(data))
    return data
