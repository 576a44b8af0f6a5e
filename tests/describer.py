"""What a session state is, told by somebody who knows nothing of the package.

A description is a flat mapping: the path on which an object was first met -> what it is. Met again, it is told as
`-> path`, so that two descriptions are equal only if sharing is equal too; the memory that arrays share is told
at the end. Nothing of it depends on addresses, on hashes or on the order of sets. Generators, locks, files and the
like are told by their type.

Law: standard library only, and no code in common with `kishu_kernel`: it would share its mistakes. It works in the
process that imports it, and inside a kernel whose `PYTHONPATH` leads here, by the expression `IN_KERNEL`.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import fractions
import functools
import gc
import hashlib
import io
import json
import logging
import pathlib
import random
import re
import sys
import types
import uuid
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Description = dict[str, str]

IN_KERNEL = "__import__('describer').of_shell()"
"""Evaluates in a kernel to the description of its session, as JSON. Binds no name, changes no variable."""

_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented))
_VALUES = (
    range,
    slice,
    re.Pattern,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    pathlib.PurePath,
    array.array,
    types.GenericAlias,
)
_BY_TYPE = (
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.FrameType,
    types.TracebackType,
)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_DESCRIPTORS = (
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
)
_NOT_OF_A_CLASS = frozenset(
    {"__dict__", "__weakref__", "__module__", "__slotnames__", "_abc_impl"}
    | {"__annotate__", "__annotate_func__", "__annotations_cache__"}
)

_NOT_OF_AN_INSTANCE = frozenset({"_deprecated_key_to_warnings"})
"""Of scikit-learn's Bunch, which leaves it out of its own copies and pickles."""


def describe(variables: Mapping[str, Any], namespace: Mapping[str, Any] | None = None) -> Description:
    """Describes variables together.

    Args:
        namespace: the live one; functions and generators are told to see it, or not to.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _Describer(variables if namespace is None else namespace).run(variables)


def of_shell() -> str:
    """The session of the running kernel: the user's variables, results and what `_` and `Out` hold."""
    from IPython import get_ipython

    shell = get_ipython()
    hidden = shell.user_ns_hidden
    own = {
        name: obj
        for name, obj in shell.user_ns.items()
        if not re.fullmatch(r"_i\d*|_ii|_iii|In|_ih|_oh|_dh|__.+", name)
        and (re.fullmatch(r"_\d+", name) or name not in hidden or hidden[name] is not obj)
    }
    own.update((name, shell.user_ns.get(name)) for name in ("_", "__", "___"))
    return json.dumps(describe(own, shell.user_ns))


def differences(was: Description, now: Description) -> list[str]:
    """What tells one from the other, a line each: for people who read a failed test."""
    return [
        f"{path}: {was.get(path, 'nothing')}  =>  {now.get(path, 'nothing')}"
        for path in [*was, *(path for path in now if path not in was)]
        if was.get(path) != now.get(path)
    ]


class _Describer:
    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.told: Description = {}
        self.paths: dict[int, str] = {}
        self.stack: list[tuple[str, Any]] = []
        self.alive: list[Any] = []  # ids are told apart only while their objects live
        self.arrays: list[tuple[str, Any]] = []

    def run(self, variables: Mapping[str, Any]) -> Description:
        self.then((name, variables[name]) for name in sorted(variables))
        while self.stack:
            path, obj = self.stack.pop()
            self.alive.append(obj)
            if type(obj) in _ATOMS:
                self.told[path] = _atom(obj)
            elif id(obj) in self.paths:
                self.told[path] = f"-> {self.paths[id(obj)]}"
            else:
                if not self.is_value(obj):
                    self.paths[id(obj)] = path
                self.told[path] = self.tell(path, obj)
        self.tell_memory()
        return self.told

    def then(self, children: Iterable[tuple[str, Any]]) -> None:
        """Goes on with these, in this order."""
        self.stack.extend(reversed(list(children)))

    def is_value(self, obj: Any) -> bool:
        """Who holds the same one shares nothing that could be noticed."""
        return (
            isinstance(obj, (*_VALUES, types.ModuleType, types.BuiltinFunctionType, *_DESCRIPTORS))
            or (type(obj) in (tuple, frozenset) and set(map(type, obj)) <= set(_ATOMS))
            or (_root(type(obj)) == "pandas" and hasattr(obj, "get_indexer"))  # shared far and wide by pandas itself
            or type(obj).__name__ in ("Timestamp", "Timedelta", "NaTType", "NAType", "Interval", "Period")
            or type(obj).__name__.lower().endswith("dtype")
            or self.by_reference(obj)
            or ("numpy" in sys.modules and isinstance(obj, sys.modules["numpy"].generic))
        )

    def by_reference(self, obj: Any) -> bool:
        """A class or a function of a library: its name says all."""
        if isinstance(obj, types.FunctionType):
            return obj.__globals__ is not self.namespace and _at(obj.__module__, obj.__qualname__) is obj
        if isinstance(obj, type):
            made_by_c = not obj.__flags__ & (1 << 9)
            return made_by_c or (obj.__module__ != "__main__" and _at(obj.__module__, obj.__qualname__) is obj)
        return False

    def tell(self, path: str, obj: Any) -> str:
        kind = type(obj)
        for kinds, way in _WAYS:
            if isinstance(obj, kinds):
                return way(self, path, obj)
        for library, tell in (
            ("numpy", self.of_numpy),
            ("pandas", self.of_pandas),
            ("matplotlib", self.of_matplotlib),
        ):
            if library in sys.modules and any(_root(base) == library for base in kind.__mro__):
                told = tell(path, obj)
                if told:
                    return told
        return self.instance(path, obj)

    # -- builtin containers ----------------------------------------------------------------------

    def sequence(self, path: str, obj: Any) -> str:
        if set(map(type, obj)) <= set(_ATOMS):
            return _short("[" + ", ".join(map(_atom, obj)) + "]")
        self.then((f"{path}[{index}]", item) for index, item in enumerate(obj))
        return f"of {len(obj)}"

    def mapping(self, path: str, obj: Any) -> str:
        children: list[tuple[str, Any]] = []
        keys = []
        for index, (key, value) in enumerate(dict.items(obj)):
            if type(key) in _ATOMS:
                keys.append(_atom(key))
                children.append((f"{path}[{_atom(key)}]", value))
            else:
                keys.append("?")
                children += [(f"{path}.key({index})", key), (f"{path}.value({index})", value)]
        self.then(children)
        return _short("{" + ", ".join(keys) + "}")

    def unordered(self, path: str, obj: Any) -> str:
        alone = sorted(
            (repr(sorted(_Describer(self.namespace).run({"": item}).items())), index) for index, item in enumerate(obj)
        )
        items = list(obj)
        self.then((f"{path}{{{n}}}", items[index]) for n, (_, index) in enumerate(alone))
        return f"of {len(obj)}"

    def builtin(self, path: str, obj: Any) -> str | None:
        """What an object of a builtin type, or of a subclass of one, holds as such."""
        sequences: tuple[Any, ...] = (list, tuple, collections.deque)
        for kind in sequences:
            if isinstance(obj, kind):
                extra = f" maxlen={obj.maxlen}" if isinstance(obj, collections.deque) else ""
                return self.sequence(path, list(kind.__iter__(obj))) + extra
        if isinstance(obj, dict):
            factory = getattr(obj, "default_factory", None)
            if factory is not None:
                self.then([(f"{path}.default_factory", factory)])
            return self.mapping(path, obj)
        if isinstance(obj, (set, frozenset)):
            return self.unordered(path, obj)
        for kind in (int, float, complex, str, bytes, bytearray):
            if isinstance(obj, kind):
                return _short(kind.__repr__(obj))
        if isinstance(obj, BaseException):
            self.then([(f"{path}.args", obj.args)])
            return ""
        if isinstance(obj, (io.BytesIO, io.StringIO)):
            return "closed" if obj.closed else _short(f"{obj.getvalue()!r} at {obj.tell()}")
        if isinstance(obj, random.Random):
            return _short(repr(obj.getstate()))
        return None

    # -- code --------------------------------------------------------------------------------------

    def function(self, path: str, obj: types.FunctionType) -> str:
        live = obj.__globals__ is self.namespace
        if self.by_reference(obj):
            return f"function {obj.__module__}.{obj.__qualname__}"
        cells = obj.__closure__ or ()
        self.then(
            [
                (f"{path}.__defaults__", obj.__defaults__),
                (f"{path}.__kwdefaults__", obj.__kwdefaults__),
                (f"{path}.__annotations__", dict(obj.__annotations__)),
                (f"{path}.__dict__", dict(obj.__dict__)),
                *((f"{path}.__closure__[{n}]", cell) for n, cell in enumerate(cells)),
            ]
        )
        sees = "live" if live else obj.__globals__.get("__name__")
        name = f"{obj.__module__}.{obj.__qualname__} alias {obj.__name__}"
        return f"function {name} globals={sees} code={_code(obj.__code__)} doc={obj.__doc__!r}"

    def cell(self, path: str, obj: types.CellType) -> str:
        try:
            self.then([(f"{path}.cell_contents", obj.cell_contents)])
        except ValueError:
            return "empty cell"
        return "cell"

    def method(self, path: str, obj: types.MethodType) -> str:
        self.then([(f"{path}.__func__", obj.__func__), (f"{path}.__self__", obj.__self__)])
        return "method"

    def builtin_function(self, path: str, obj: Any) -> str:
        owner = obj.__self__
        if owner is not None and not isinstance(owner, types.ModuleType):
            self.then([(f"{path}.__self__", owner)])
        return f"builtin {obj.__qualname__}"

    def a_class(self, path: str, obj: type) -> str:
        if self.by_reference(obj):
            return f"class {_name(obj)}"
        attributes = {name: value for name, value in sorted(vars(obj).items()) if name not in _NOT_OF_A_CLASS}
        self.then(
            [
                (f"{path}.__class__", type(obj)),
                (f"{path}.__bases__", obj.__bases__),
                *((f"{path}.{name}", value) for name, value in attributes.items()),
            ]
        )
        return f"class {_name(obj)} defines {', '.join(attributes)}"

    def wrapped(self, names: str) -> Callable[[str, Any], str]:
        def tell(path: str, obj: Any) -> str:
            self.then((f"{path}.{name}", getattr(obj, name)) for name in names.split())
            return type(obj).__name__

        return tell

    # -- instances ---------------------------------------------------------------------------------

    def instance(self, path: str, obj: Any) -> str:
        kind = type(obj)
        children: list[tuple[str, Any]] = []
        state = getattr(obj, "__dict__", None)
        if isinstance(state, dict):
            state = {name: value for name, value in state.items() if name not in _NOT_OF_AN_INSTANCE}
            children += [(f"{path}.{name}", value) for name, value in dict.items(state)]
        slots = list(_slots(obj))
        children += [(f"{path}.{name}", value) for name, value in slots]
        if kind.__module__ == "__main__" or _at(kind.__module__, kind.__qualname__) is not kind:
            children.append((f"{path}.__class__", kind))
        held = self.builtin(path, obj)
        if held is None and state is None and not slots:
            return self.reduced(path, obj)
        self.then(children)
        order = "" if not state else " has " + _short(", ".join(map(str, state)))
        return f"{_name(kind)}{_known_as(obj)} {held or ''}{order}".rstrip()

    def reduced(self, path: str, obj: Any) -> str:
        """An object of a C type that tells its state only as it would to be copied."""
        try:
            reduction = obj.__reduce_ex__(4)
        except Exception:
            return f"some {_name(type(obj))}"
        if isinstance(reduction, str):
            return f"{_name(type(obj))} {reduction}"
        parts = [None if part is None else list(part) for part in reduction[3:5]]
        self.then((f"{path}.reduced[{n}]", part) for n, part in enumerate([*reduction[:3], *parts]))
        return f"{_name(type(obj))}{_known_as(obj)}"

    # -- libraries ---------------------------------------------------------------------------------

    def of_numpy(self, path: str, obj: Any) -> str | None:
        numpy = sys.modules["numpy"]
        if isinstance(obj, numpy.dtype):
            return f"dtype {obj!r} {obj.metadata or ''}"
        if isinstance(obj, numpy.generic):
            return f"{_name(type(obj))} {obj.dtype!r} {_hashed(obj.tobytes())} {obj!r}"
        if isinstance(obj, numpy.ufunc):
            return f"ufunc {obj.__name__}"
        if not isinstance(obj, numpy.ndarray):
            return None
        flags = obj.flags
        letters = [
            letter
            for letter, on in zip("CFW", (flags.c_contiguous, flags.f_contiguous, flags.writeable), strict=True)
            if on
        ]
        self.arrays.append((path, obj))
        if isinstance(obj, numpy.ma.MaskedArray):  # its own attributes come and go as they are asked for
            filled = numpy.ma.default_fill_value(obj.dtype) if obj._fill_value is None else obj._fill_value
            about = {
                "mask": numpy.ma.getmaskarray(obj).tolist(),
                "fill": repr(numpy.asarray(filled).tolist()),
                "hard": obj.hardmask,
            }
        else:
            about = getattr(obj, "__dict__", {})
        extra = [(f"{path}.{name}", value) for name, value in about.items()]
        plain = numpy.ndarray.view(obj, numpy.ndarray)
        if obj.dtype.hasobject:
            self.then([*extra, (f"{path}[...]", plain.ravel().tolist())])
            held = "objects"
        else:
            self.then(extra)
            held = _hashed(plain.tobytes())
        return f"{_name(type(obj))} {obj.dtype!r} {obj.shape} {''.join(letters)} {held} {_preview(plain)}"

    def tell_memory(self) -> None:
        """Which arrays overlap, and at what distance."""
        numpy = sys.modules.get("numpy")
        for index, (path, one) in enumerate(self.arrays):
            for other_path, other in self.arrays[:index]:
                if numpy.shares_memory(one, other):  # type: ignore[union-attr]
                    distance = one.__array_interface__["data"][0] - other.__array_interface__["data"][0]
                    self.told[f"memory of {path} and {other_path}"] = f"shared at {distance}"

    def of_pandas(self, path: str, obj: Any) -> str | None:
        pandas = sys.modules["pandas"]
        extensions = pandas.api.extensions
        moments = (pandas.Timestamp, pandas.Timedelta, pandas.Period, pandas.Interval)
        if isinstance(obj, moments) or obj is pandas.NaT or obj is pandas.NA:
            return repr(obj)
        if isinstance(obj, extensions.ExtensionDtype):
            return f"dtype {obj!r}"
        if isinstance(obj, extensions.ExtensionArray):
            return self.column(path, obj, obj)
        if isinstance(obj, pandas.RangeIndex):
            self.then([(f"{path}.name", obj.name)])
            return repr(range(obj.start, obj.stop, obj.step))
        if isinstance(obj, pandas.MultiIndex):
            self.then([(f"{path}.names", list(obj.names)), (f"{path}.tuples", obj.tolist())])
            return f"MultiIndex {[str(level.dtype) for level in obj.levels]}"
        if isinstance(obj, pandas.Index):
            self.then([(f"{path}.name", obj.name)])
            return self.column(path, obj, obj.array)
        if isinstance(obj, pandas.Series):
            self.then([(f"{path}.name", obj.name), (f"{path}.index", obj.index), (f"{path}.attrs", obj.attrs)])
            return self.column(path, obj, obj.array)
        if isinstance(obj, pandas.DataFrame):
            columns = [obj.iloc[:, n].array for n in range(obj.shape[1])]
            self.then(
                [
                    (f"{path}.columns", obj.columns),
                    (f"{path}.index", obj.index),
                    (f"{path}.attrs", obj.attrs),
                ]
            )
            held = [self.column(f"{path}.iloc[:, {n}]", each, each) for n, each in enumerate(columns)]
            for n, each in enumerate(held):
                self.told[f"{path}.iloc[:, {n}]"] = each
            return f"{_name(type(obj))} {obj.shape}"
        return None

    def column(self, path: str, owner: Any, values: Any) -> str:
        """Values of one dtype. Their memory is pandas' own affair."""
        about = f"{_name(type(owner))} {values.dtype!r} of {len(values)}"
        if getattr(values.dtype, "categories", None) is not None:
            about += f" categories {values.categories.tolist()} ordered={values.ordered}"
        numpy = sys.modules["numpy"]
        dtype = getattr(values.dtype, "numpy_dtype", values.dtype)
        if isinstance(dtype, numpy.dtype) and not dtype.hasobject:
            return f"{about} {_hashed(numpy.asarray(values).tobytes())} {_preview(numpy.asarray(values))}"
        self.stack.append((f"{path}.values", list(values)))
        return about

    def of_matplotlib(self, path: str, obj: Any) -> str | None:
        if not hasattr(obj, "get_figure") or not hasattr(obj, "get_zorder"):
            return None
        children = [(f"{path}.figure", obj.get_figure())]
        for name in ("axes", "lines", "patches", "collections", "images", "texts"):
            held = getattr(obj, name, None)
            if isinstance(held, (list, tuple)) or (held is not None and hasattr(held, "__len__")):
                children += [(f"{path}.{name}[{n}]", each) for n, each in enumerate(held)]
        told = [f"zorder={obj.get_zorder()} visible={obj.get_visible()} label={obj.get_label()!r}"]
        for name in _ASKED_OF_AN_ARTIST:
            if hasattr(obj, f"get_{name}"):
                told.append(f"{name}={_plain(getattr(obj, f'get_{name}')())}")
        self.then(children)
        return f"{_name(type(obj))} {' '.join(told)}"


_ASKED_OF_AN_ARTIST = (
    *("title", "xlabel", "ylabel", "xlim", "ylim", "xscale", "yscale", "text", "position"),
    *("color", "facecolor", "edgecolor", "linewidth", "linestyle", "marker"),
    *("xdata", "ydata", "xy", "width", "height", "offsets", "array", "size_inches", "dpi"),
)

_Way = Callable[[_Describer, str, Any], str]

_WAYS: tuple[tuple[Any, _Way], ...] = (
    (_BY_TYPE, lambda self, path, obj: f"some {_name(type(obj))}"),
    (types.ModuleType, lambda self, path, obj: f"module {obj.__name__}"),
    (types.CodeType, lambda self, path, obj: f"code {_code(obj)}"),
    (types.FunctionType, _Describer.function),
    (types.BuiltinFunctionType, _Describer.builtin_function),
    (types.MethodType, _Describer.method),
    (types.CellType, _Describer.cell),
    (_DESCRIPTORS, lambda self, path, obj: f"{type(obj).__name__} {obj.__name__}"),
    (type, _Describer.a_class),
    (property, lambda self, path, obj: self.wrapped("fget fset fdel")(path, obj)),
    ((staticmethod, classmethod), lambda self, path, obj: self.wrapped("__func__")(path, obj)),
    (functools.partial, lambda self, path, obj: self.wrapped("func args keywords __dict__")(path, obj)),
    (
        functools._lru_cache_wrapper,
        lambda self, path, obj: self.wrapped("__wrapped__")(path, obj) + repr(obj.cache_parameters()),
    ),
    (types.MappingProxyType, lambda self, path, obj: "proxy " + self.mapping(path, dict(obj))),
    (_VIEWS, lambda self, path, obj: self.view(path, obj)),  # type: ignore[attr-defined]
    (memoryview, lambda self, path, obj: f"memoryview {_hashed(obj.tobytes())}"),
    (weakref.ref, lambda self, path, obj: f"weak reference, {'dead' if obj() is None else 'alive'}"),
    (logging.Logger, lambda self, path, obj: f"logger {obj.name}"),
    (enum.Enum, _Describer.instance),
    (_VALUES, lambda self, path, obj: f"{_name(type(obj))} {obj!r}"),
)


def _view(self: _Describer, path: str, obj: Any) -> str:
    self.then([(f"{path}.mapping", gc.get_referents(obj)[0])])
    return type(obj).__name__


_Describer.view = _view  # type: ignore[attr-defined]


def _atom(obj: Any) -> str:
    return _short(f"{type(obj).__name__} {obj!r}")


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:100]}... {_hashed(text.encode('utf-8', 'surrogatepass'))}"


def _hashed(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()[:16]


def _preview(values: Any) -> str:
    return _short(repr(values.ravel()[:8].tolist())) if not values.dtype.hasobject else ""


def _plain(value: Any) -> str:
    """A number, a colour, an array of them: what an artist answers."""
    numpy = sys.modules["numpy"]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, numpy.ndarray):
        return f"{value.shape} {_hashed(numpy.ascontiguousarray(value).tobytes())}"
    if isinstance(value, numpy.generic):
        return repr(value.item())
    return repr(value) if type(value) in _ATOMS else type(value).__name__


def _code(code: types.CodeType) -> str:
    return _hashed(repr(_code_parts(code)).encode("utf-8", "surrogatepass"))


def _code_parts(code: types.CodeType) -> list[Any]:
    constants = [
        _code_parts(constant)
        if isinstance(constant, types.CodeType)
        else sorted(map(repr, constant))
        if isinstance(constant, frozenset)
        else _atom(constant)
        for constant in code.co_consts
    ]
    return [
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_flags,
        code.co_argcount,
        code.co_kwonlyargcount,
        code.co_name,
        code.co_firstlineno,
        constants,
    ]


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _root(kind: type) -> str:
    return str(kind.__module__).partition(".")[0]


def _at(module: str | None, qualname: str) -> Any:
    """What is found under this name, if anything."""
    found: Any = sys.modules.get(module or "")
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _known_as(obj: Any) -> str:
    """The name of a library's own constant: identity is all that such an object has."""
    module = sys.modules.get(type(obj).__module__)
    if module is None or module.__name__ == "__main__":
        return ""
    names = sorted(name for name, value in list(vars(module).items()) if value is obj)
    return f" which is {names[0]}" if names else ""


def _slots(obj: Any) -> Iterable[tuple[str, Any]]:
    for base in type(obj).__mro__:
        for name, member in sorted(vars(base).items()):
            if isinstance(member, types.MemberDescriptorType) and "__slots__" in vars(base):
                try:
                    yield name, member.__get__(obj)
                except AttributeError:
                    continue
