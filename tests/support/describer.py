"""What a session state is, told by somebody who knows nothing of the package.

A description is a flat mapping: the path on which an object was first met -> what it is. Met again, it is told as
`-> path`, so that two descriptions are equal only if sharing is equal too. The memory that arrays share, and how one
lies in memory if not plainly, is told at the end, under paths of its own: `values_of` leaves it out. Nothing depends on
addresses, on hashes, on the order of sets, or on what libraries keep only to be faster. Generators, locks, files and
the like are told by their type. Where there is much to tell, many entries become one digest: as exact, only harder to
read.

Law: standard library only, and no code in common with `kishu_kernel`: it would share its mistakes. It works in the
process that imports it, and inside a kernel whose `PYTHONPATH` leads here, by the expression `IN_KERNEL`.
"""

from __future__ import annotations

import _abc
import array
import collections
import dataclasses
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
import threading
import types
import uuid
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    threading.Thread,
    threading.local,
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

_FLAT: frozenset[type] = frozenset(
    {*_ATOMS, decimal.Decimal, fractions.Fraction, uuid.UUID}
    | {datetime.date, datetime.time, datetime.timedelta, datetime.datetime}
)
"""Of which Python's own words say all, so that many are told at once."""

_PANDAS_MOMENTS = frozenset({"Timestamp", "Timedelta", "NaTType", "NAType", "Period"})

_KEPT_TO_BE_FASTER: dict[str, frozenset[str]] = {
    "enum": frozenset({"_inverted_"}),
    "sklearn": frozenset(
        {"_deprecated_key_to_warnings"}  # of a Bunch, which leaves it out of its own copies and pickles
        | {"_stop_words_id"}  # the address of a list that was found consistent
    ),
    "scipy": frozenset({"_has_sorted_indices", "_has_canonical_format"}),  # found when first asked for
    # of groups and windows it is state: they go on with it when their frame has changed
    **dict.fromkeys(("pandas.Index", "pandas.ExtensionArray", "pandas.ExtensionDtype"), frozenset({"_cache"})),
    "statsmodels": frozenset(
        {"_cache", "_summary_cache", "_summary_statistics_cache", "diagn", "_nobs_int"}  # summaries
        | {"predict_start", "predict_end", "predict_dates"}  # of the last forecast, for its index
    ),
    "matplotlib": frozenset({"_lut", "_isinit"}),  # a colour map's colours, when it is first used
    "sympy": frozenset({"_mhash", "_assumptions"}),  # hashes, and what was deduced so far of what is known of a symbol
    "catboost": frozenset({"_canonized_params"}),
    "xarray": frozenset({"_attrs", "_encoding"}),  # made when somebody looks for any; told by the library's own words
    "dask": frozenset({"_division_info"}),
    "nltk": frozenset({"_N"}),
    "bokeh": frozenset({"_owners"}),  # who is to be told of changes in a list: who holds it
    "joblib": frozenset({"_func_code_id"}),  # the address of a code that was found to be the one that is cached
}
"""Attributes that libraries fill when something is asked for: of classes of a library, or that derive from one of its.
They follow from the others, and come and go by use."""

_OF_PANDAS = frozenset(
    {"_mgr", "_item_cache", "_attrs", "_flags", "_is_copy", "_typ", "_name", "_cacher", "_index", "_column"}
)
"""What pandas itself keeps in the `__dict__` of a frame or a series."""

_BESIDE = frozenset({"helper", "pack", "pack.sub"})
"""Modules of the programs' own, which lie beside their notebook: what they hold is described with the variables."""

_MEMORY = ("memory of ", "layout of ")

MOST = 5000
"""So many entries of one variable are told one by one."""

TOGETHER = 100
"""So many become one where there are more."""

_LONG = 300
"""Longer texts are told by their beginning and a digest."""

_BLOCK = 1 << 24
"""Bytes that are copied at once of an array that does not lie in memory in its own order."""


def describe(variables: Mapping[str, Any], namespace: Mapping[str, Any] | None = None) -> Description:
    """Describes variables together.

    Args:
        namespace: the live one; functions and generators are told to see it, or not to.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _Describer(variables if namespace is None else namespace).everything(variables)


def describe_apart(groups: Sequence[Mapping[str, Any]], live: Mapping[str, Any]) -> Iterator[Description]:
    """Describes each group as `describe` does, by one describer: it need not learn of each type anew.

    The first has all variables. Of a class that is one, the others tell the name alone.
    """
    describer = _Describer(live)
    classes = {id(obj) for obj in groups[0].values() if is_class(obj)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for group in groups:
            describer.paths, describer.alive, describer.arrays, describer.layouts = {}, [], [], {}
            if group is not groups[0]:  # what refers to a class that is a variable has not changed when that has
                describer.elsewhere = frozenset(classes - set(map(id, group.values())))
            yield describer.everything(group)


def is_class(obj: Any) -> bool:
    """Whether it is a class of the notebook."""
    return issubclass(type(obj), type) and type.__dict__["__module__"].__get__(obj) == "__main__"


def renamed(description: Description, name: str, to: str) -> Description:
    """What is told of a variable, as if it had another name."""
    pattern = re.compile(rf"\b{re.escape(name)}\b")
    return {pattern.sub(to, path): pattern.sub(to, what) for path, what in description.items()}


def values_of(description: Description) -> Description:
    """Without what is told of memory: which arrays share it, how they lie in it, and that they cannot be written.

    Who only reads the variables cannot tell states apart of which this is the same.
    """
    return {path: told for path, told in description.items() if not path.startswith(_MEMORY)}


def of_shell() -> str:
    """The session of the running kernel: the user's variables, results and what `_` and `Out` hold."""
    own, live = _variables_of_shell()
    return json.dumps(describe(own, live))


def apart_of_shell() -> tuple[Description, dict[str, Description], list[str]]:
    """The same, and besides each variable by itself, and which of them are classes."""
    own, live = _variables_of_shell()
    whole, *each = describe_apart([own, *({name: obj} for name, obj in own.items())], live)
    return whole, dict(zip(own, each, strict=True)), [name for name, obj in own.items() if is_class(obj)]


def _variables_of_shell() -> tuple[dict[str, Any], dict[str, Any]]:
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
    for module in sorted(sys.modules.keys() & _BESIDE):
        own.update((f"{module}.{name}", obj) for name, obj in vars(sys.modules[module]).items() if name[:2] != "__")
    return own, shell.user_ns


def differences(was: Description, now: Description) -> list[str]:
    """What tells one from the other, a line each: for people who read a failed test."""
    return [
        f"{path}: {was.get(path, 'nothing')}  =>  {now.get(path, 'nothing')}"
        for path in [*was, *(path for path in now if path not in was)]
        if was.get(path) != now.get(path)
    ]


class _Describer:
    def __init__(self, namespace: Mapping[str, Any], around: frozenset[int] = frozenset()) -> None:
        self.namespace = namespace
        self.around = around  # sets that hold what is described, and are told by others
        self.elsewhere: frozenset[int] = frozenset()  # classes that are variables of their own, and told with those
        self.told: Description = {}
        self.paths: dict[int, str] = {}
        self.stack: list[tuple[str, Any]] = []
        self.alive: list[Any] = []  # ids are told apart only while their objects live
        self.arrays: list[tuple[str, Any]] = []
        self.layouts: Description = {}
        self.kinds: dict[type, _Kind] = {}
        self.constants: dict[str, dict[int, str]] = {}
        numpy = sys.modules.get("numpy")
        scalars_say_their_type = numpy is not None and repr(numpy.float64(1)).startswith("np.")  # since NumPy 2
        self.scalar = numpy.generic if numpy is not None and scalars_say_their_type else ()

    def everything(self, variables: Mapping[str, Any]) -> Description:
        """The description: one variable after the other, then the memory."""
        found: Description = {}
        for name in sorted(variables):
            found |= _folded(self.run({name: variables[name]}))
        return found | _folded(self.layouts) | _folded(self.shared_memory())

    def run(self, variables: Mapping[str, Any]) -> Description:
        """What is told of these, and was not told before."""
        self.told = {}
        self.then(variables.items())
        while self.stack:
            path, obj = self.stack.pop()
            if type(obj) in _ATOMS:
                self.told[path] = _atom(obj)
                continue
            self.alive.append(obj)
            path = path if len(path) <= _LONG else _short(path)
            if obj is self.namespace:
                self.told[path] = "the namespace"
            elif id(obj) in self.around:
                self.told[path] = "a set that holds it"
            elif id(obj) in self.paths:
                self.told[path] = f"-> {self.paths[id(obj)]}"
            elif id(obj) in self.elsewhere:
                self.told[path] = f"the class {_name(obj)}"
            elif self.elsewhere and isinstance(obj, enum.Enum) and id(type(obj)) in self.elsewhere:
                self.told[path] = f"{vars(obj).get('_name_')} of the class {_name(type(obj))}"
            else:
                if not self.is_value(obj):
                    self.paths[id(obj)] = path
                self.told[path] = self.kind(type(obj)).tell(path, obj)
        return self.told

    def then(self, children: Iterable[tuple[str, Any]]) -> None:
        """Goes on with these, in this order."""
        self.stack.extend(reversed(list(children)))

    def is_value(self, obj: Any) -> bool:
        """Who holds the same one shares nothing that could be noticed."""
        kind = type(obj)
        if kind in (tuple, frozenset):
            return set(map(type, obj)) <= _FLAT
        return self.kind(kind).is_value or (isinstance(obj, (types.FunctionType, type)) and self.by_reference(obj))

    def by_reference(self, obj: Any) -> bool:
        """A class or a function of a library: its name says all."""
        if isinstance(obj, types.FunctionType):
            # What a library's decorator made of a function of the notebook has the notebook's name, and its own code.
            mine = obj.__globals__ is self.namespace or obj.__module__ == "__main__"
            return not mine and _at(obj.__module__, obj.__qualname__) is obj
        if isinstance(obj, type):
            made_by_c = not obj.__flags__ & (1 << 9)
            return made_by_c or (obj.__module__ != "__main__" and _at(obj.__module__, obj.__qualname__) is obj)
        return False

    def kind(self, kind: type) -> _Kind:
        found = self.kinds.get(kind)
        if found is None:
            found = self.kinds[kind] = self.look_at(kind)
        return found

    def look_at(self, kind: type) -> _Kind:
        is_value = (
            issubclass(kind, (*_VALUES, types.ModuleType, types.BuiltinFunctionType, *_DESCRIPTORS))
            or (_root(kind) == "pandas" and hasattr(kind, "get_indexer"))  # shared far and wide by pandas itself
            or kind.__name__ in _PANDAS_MOMENTS | {"Interval"}
            or kind.__name__.lower().endswith("dtype")
            or ("numpy" in sys.modules and issubclass(kind, sys.modules["numpy"].generic))
            or (_root(kind) == "torch" and kind.__name__ in _TORCH_CONSTANTS)
            or any(_name(base) in _SHARED_BY_LIBRARIES for base in kind.__mro__)
            or kind.__module__ in _ADDRESSES
        )
        of_pandas = _root(kind) == "pandas" and kind.__name__ in _PANDAS_MOMENTS
        return _Kind(
            self.way(kind),
            is_value,
            is_mine=kind.__module__ == "__main__",
            is_flat=kind in _FLAT or of_pandas or (self.scalar != () and issubclass(kind, self.scalar)),
            slots=tuple(_slots(kind)),
            left_out=_left_out(kind),
            hides=_hides(kind),
            is_unknown=kind.__module__ == "__main__" or _at(kind.__module__, kind.__qualname__) is not kind,
        )

    def way(self, kind: type) -> Callable[[str, Any], str]:
        """How objects of a type are told."""
        for kinds, way in _WAYS:
            if issubclass(kind, kinds):
                return functools.partial(way, self)
        roots = {_root(base) for base in kind.__mro__}
        if kind.__module__ in _ADDRESSES or kind.__name__ == "FactRules":
            return functools.partial(_BY_TYPE_ONLY, self)
        if roots & _ROOTS_BY_TYPE or any(_name(base) in _CLASSES_BY_TYPE for base in kind.__mro__):
            return functools.partial(_BY_TYPE_ONLY, self)
        libraries = {
            "numpy": self.of_numpy,
            "pandas": self.of_pandas,
            "matplotlib": self.of_matplotlib,
            "torch": self.of_torch,
            "ray": self.of_ray,
        }
        ways = [tell for library, tell in libraries.items() if library in roots and library in sys.modules]
        names = {_name(base) for base in kind.__mro__}
        ways += [functools.partial(tell, self) for name, tell in _BY_PROPERTIES.items() if name in names]

        def tell(path: str, obj: Any) -> str:
            for way in ways:
                try:
                    told = way(path, obj)
                except AttributeError as error:
                    if error.obj is not obj:
                        raise
                    break  # a program has taken its attributes from it: it is told as what is left of it
                if told:
                    return told
            return self.instance(path, obj)

        return tell if ways else self.instance

    # -- builtin containers ----------------------------------------------------------------------

    def flat(self, values: Iterable[Any]) -> bool:
        """Whether Python's own words say all of these: they are no containers, or tuples of such."""
        kinds = set(map(type, values))
        if tuple in kinds:
            for each in values:
                if type(each) is tuple:
                    kinds.update(map(type, each))
            if any(type(each) is tuple and tuple in map(type, each) for each in values):
                return False
            kinds.discard(tuple)
        return kinds <= _FLAT or all(self.kind(kind).is_flat for kind in kinds)

    def sequence(self, path: str, obj: Any) -> str:
        if self.flat(obj):
            return _all_of(obj)
        self.then((f"{path}[{index}]", item) for index, item in enumerate(obj))
        return f"of {len(obj)}"

    def mapping(self, path: str, obj: Any) -> str:
        if self.flat(dict.keys(obj)) and self.flat(dict.values(obj)):
            return _all_of(dict(dict.items(obj)))
        children: list[tuple[str, Any]] = []
        keys = []
        entries = list(dict.items(obj))
        if all(type(key) is str for key, _ in entries) and {"_mgr", "_flags"} <= obj.keys():
            # The attributes of a frame: what pandas loads has one more, and all in another order.
            entries = sorted((each for each in entries if each[0] != "_typ"), key=lambda each: each[0])
        for index, (key, value) in enumerate(entries):
            if type(key) in _ATOMS:
                keys.append(_atom(key))
                children.append((f"{path}[{keys[-1]}]", value))
            else:
                keys.append("?")
                children += [(f"{path}.key({index})", key), (f"{path}.value({index})", value)]
        self.then(children)
        return _short("{" + ", ".join(keys) + "}")

    def unordered(self, path: str, obj: Any) -> str:
        items = list(obj)
        if self.flat(items):
            return _short("{" + ", ".join(sorted(map(repr, items))) + "}")
        around = self.around | {id(obj)}
        alone = sorted(
            (repr(sorted(_Describer(self.namespace, around).run({"": item}).items())), n)
            for n, item in enumerate(items)
        )
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
        for plain in (int, float, complex, str, bytes, bytearray):
            if isinstance(obj, plain):
                return _short(plain.__repr__(obj))
        if isinstance(obj, BaseException):
            self.then([(f"{path}.args", obj.args)])
            return ""
        if isinstance(obj, (io.BytesIO, io.StringIO)):
            return "closed" if obj.closed else f"{_atom(obj.getvalue())} at {obj.tell()}"
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
        if "_singleton_init_arguments" in vars(obj):  # qiskit made it for its constants, kept there by their addresses
            return f"class {_name(obj)} of {', '.join(map(_name, obj.__bases__))}"
        attributes = {name: value for name, value in sorted(vars(obj).items()) if name not in _NOT_OF_A_CLASS}
        if isinstance(obj, enum.EnumMeta):
            attributes.pop("_value2member_map_", None)  # combinations of flags are there once somebody asked for them
        self.then(
            [
                (f"{path}.__class__", type(obj)),
                (f"{path}.__bases__", obj.__bases__),
                *((f"{path}.{name}", value) for name, value in attributes.items()),
                *((f"{path} registers({n})", each) for n, each in enumerate(_registered(obj))),
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
        kind = self.kind(type(obj))
        state = getattr(obj, "__dict__", None)
        attributes = [(name, value) for name, value in dict.items(state) if name not in kind.left_out] if state else []
        if not kind.is_mine:
            attributes.sort(key=lambda each: str(each[0]))  # a library's own order of them is noticed by nobody
        names = _short(", ".join(str(name) for name, _ in attributes))
        attributes += ((name, value) for name, value in _held_in(kind.slots, obj) if name not in kind.left_out)
        held = self.builtin(path, obj)
        parts: list[tuple[str, Any]] = self.dictionary(path, state)
        known_as = self.known_as(obj)
        if held is None and (kind.hides or (not isinstance(state, dict) and not attributes)):
            held, reduced = self.reduced(path, obj)
            parts += reduced
        if kind.is_unknown:
            parts.append((f"{path}.__class__", type(obj)))
        # In one entry if it is short: of small objects there are many.
        simple = {name for name, value in attributes if type(value) in _ATOMS}
        told = ", ".join(f"{name}={_atom(value)}" for name, value in attributes if name in simple)
        if len(told) > _LONG or isinstance(obj, logging.Handler):  # of which some are kept with the loggers
            simple, told = set(), ""
        self.then([*((f"{path}.{name}", value) for name, value in attributes if name not in simple), *parts])
        order = f" has {names}" if names else ""
        return f"{_name(type(obj))}{known_as} {held or ''}{order}{told and ': '}{told}".rstrip()

    def dictionary(self, path: str, state: Any) -> list[tuple[str, Any]]:
        """The attributes as a dictionary that others may hold, too: itself the instance, another's, a variable's."""
        if not isinstance(state, dict):
            return []
        self.alive.append(state)
        if id(state) in self.paths or type(state) is not dict:
            return [(f"{path}.__dict__", state)]
        self.paths[id(state)] = f"{path}.__dict__"
        return []

    def reduced(self, path: str, obj: Any) -> tuple[str, list[tuple[str, Any]]]:
        """An object with a state in C, which it tells only as it would to be copied."""
        try:
            reduction = obj.__reduce_ex__(4)
        except Exception:
            return "of which no more is told", []
        if isinstance(reduction, str):
            return reduction, []
        parts = [None if part is None else list(part) for part in reduction[3:5]]
        return "", [(f"{path}.reduced[{n}]", part) for n, part in enumerate([*reduction[:3], *parts])]

    def known_as(self, obj: Any) -> str:
        """The name of a library's own constant: identity is all that such an object has."""
        name = type(obj).__module__
        if name not in self.constants:
            module = sys.modules.get(name)
            found = {} if module is None or name == "__main__" else dict(vars(module))
            self.constants[name] = {id(found[each]): each for each in sorted(found, reverse=True)}
        known = self.constants[name].get(id(obj))
        return f" which is {known}" if known else ""

    # -- libraries ---------------------------------------------------------------------------------

    def of_numpy(self, path: str, obj: Any) -> str | None:
        numpy = sys.modules["numpy"]
        if isinstance(obj, numpy.dtype):
            return f"dtype {obj!r} {obj.metadata or ''}"
        if isinstance(obj, numpy.generic):
            return f"{_name(type(obj))} {obj.dtype!r} {_contents(numpy.asarray(obj))} {obj!r}"
        if isinstance(obj, numpy.ufunc):
            return f"ufunc {obj.__name__}"
        if obj is getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None):
            return "numpy's own random state"  # no variable's
        if not isinstance(obj, numpy.ndarray):
            return None
        plain = numpy.ndarray.view(obj, numpy.ndarray)
        self.lies(path, obj)
        if isinstance(obj, numpy.ma.MaskedArray):  # its own attributes come and go as they are asked for
            filled = numpy.ma.default_fill_value(obj.dtype) if obj._fill_value is None else obj._fill_value
            about = {
                "mask": _contents(numpy.ma.getmaskarray(obj)),
                "fill": repr(numpy.asarray(filled).tolist()),
                "hard": obj.hardmask,
            }
        else:
            about = getattr(obj, "__dict__", {})
        extra = [(f"{path}.{name}", value) for name, value in about.items()]
        if obj.dtype.hasobject or obj.dtype.kind == "T":
            self.then([*extra, (f"{path}[...]", plain.ravel().tolist())])
            held = "objects"
        else:
            self.then(extra)
            held = _contents(plain)
        return f"{_name(type(obj))} {obj.dtype!r} {obj.shape} {held} {_preview(plain)}"

    def lies(self, path: str, array: Any) -> None:
        """Tells how an array lies in memory, at the end."""
        self.arrays.append((path, array))
        flags = array.flags
        if not (flags.c_contiguous and flags.writeable):
            order = "C" * flags.c_contiguous + "F" * flags.f_contiguous
            self.layouts[f"layout of {path}"] = f"{order or 'no'} order{'' if flags.writeable else ', read-only'}"
        first, last = _extent(array)
        if array.nbytes > last - first:  # writing one element writes others
            self.layouts[f"memory of {path} itself"] = f"{array.nbytes} bytes lie in {last - first}, {array.strides}"

    def shared_memory(self) -> Description:
        """Which arrays overlap, and at what distance. Of many in one place, each is told with the first only."""
        told: Description = {}
        for group in _neighbours([each for _, each in self.arrays]):
            pairs = [(one, other) for one in group for other in group if other < one]
            for one, other in pairs if len(group) <= 50 else [(one, group[0]) for one in group[1:]]:
                (path, each), (other_path, first) = self.arrays[one], self.arrays[other]
                if _share(each, first):
                    distance = _address(each) - _address(first)
                    told[f"memory of {path} and {other_path}"] = f"shared at {distance}"
        return told

    def of_pandas(self, path: str, obj: Any) -> str | None:
        pandas = sys.modules["pandas"]
        extensions = pandas.api.extensions
        moments = (pandas.Timestamp, pandas.Timedelta, pandas.Period, pandas.Interval)
        if isinstance(obj, moments) or obj is pandas.NaT or obj is pandas.NA:
            return repr(obj)
        if isinstance(obj, pandas.offsets.BaseOffset):
            about = sorted((name, str(value)) for name, value in obj.kwds.items() if name != "calendar")
            return f"{_name(type(obj))} {obj.n} {obj.normalize} {_short(repr(about))}"  # the calendar: of the others
        if isinstance(obj, extensions.ExtensionDtype):
            return f"dtype {_name(type(obj))} {obj}"
        if isinstance(obj, extensions.ExtensionArray):
            return self.column(path, obj, obj)
        if isinstance(obj, pandas.RangeIndex):
            self.then([(f"{path}.name", obj.name)])
            return repr(range(obj.start, obj.stop, obj.step))
        if isinstance(obj, pandas.MultiIndex):
            levels = [(f"{path}.level({n})", obj.get_level_values(n)) for n in range(obj.nlevels)]
            self.then([(f"{path}.names", list(obj.names)), *levels])
            return f"MultiIndex {[str(level.dtype) for level in obj.levels]} of {len(obj)}"
        if isinstance(obj, pandas.Index):
            self.then([(f"{path}.name", obj.name), (f"{path}.freq", getattr(obj, "freqstr", None))])
            return self.column(path, obj, obj.array)
        if isinstance(obj, (pandas.Series, pandas.DataFrame)) and "_mgr" not in vars(obj):
            return None  # it was given other attributes, and has no data
        if isinstance(obj, pandas.Series):
            own = [(f"{path}.name", obj.name), (f"{path}.index", obj.index), (f"{path}.attrs", obj.attrs)]
            self.then([*own, *self.added(path, obj)])
            return self.column(path, obj, obj.array)
        if isinstance(obj, pandas.DataFrame):
            self.then(
                [
                    (f"{path}.columns", obj.columns),
                    (f"{path}.index", obj.index),
                    (f"{path}.attrs", obj.attrs),
                    *((f"{path}.{name}", getattr(obj, name, None)) for name in obj._metadata),
                    *self.added(path, obj),
                ]
            )
            for n in range(obj.shape[1]):
                values = obj.iloc[:, n].array
                self.told[f"{path}.iloc[:, {n}]"] = self.column(f"{path}.iloc[:, {n}]", values, values)
            return f"{_name(type(obj))} {obj.shape}"
        return None

    def added(self, path: str, obj: Any) -> list[tuple[str, Any]]:
        """Attributes that somebody has set, and pandas knows nothing of."""
        known = {*_OF_PANDAS, *obj._metadata}
        if obj._metadata == type(obj)._metadata:  # pandas before 3 gives what was unpickled one of its own
            known.add("_metadata")
        return [(f"{path}.{name}", value) for name, value in vars(obj).items() if name not in known]

    def column(self, path: str, owner: Any, values: Any) -> str:
        """Values of one dtype. Their memory is pandas' own affair."""
        numpy = sys.modules["numpy"]
        categories = getattr(values.dtype, "categories", None)
        dtype = _address_free(values.dtype) if categories is None else f"category ordered={values.ordered}"
        about = f"{_name(type(owner))} {dtype} of {len(values)}"
        text = getattr(values, "_pa_array", None)
        if text is not None and str(text.type) in ("string", "large_string"):
            return f"{about} {_texts(text)} {_short(repr(text.slice(0, 8).to_pylist()))}"
        mask = getattr(values, "_mask", None)
        if isinstance(mask, numpy.ndarray):
            held = values._data.copy()
            held[mask] = held.dtype.type()  # what is there is seen by nobody
            return f"{about} {_contents(held)} {_contents(mask)} {_preview(held)}"
        if categories is not None:
            self.stack.append((f"{path}.categories", categories))
            plain = values.codes
        elif hasattr(values.dtype, "closed"):
            self.then([(f"{path}.left", values.left), (f"{path}.right", values.right)])
            return about
        else:
            plain = getattr(values, "_ndarray", None)
            plain = plain if isinstance(plain, numpy.ndarray) else numpy.asarray(values)
        if plain.dtype.hasobject or plain.dtype.kind == "T":
            self.stack.append((f"{path}.values", plain.tolist()))
            return about
        return f"{about} {_contents(plain)} {_preview(plain)}"

    def of_matplotlib(self, path: str, obj: Any) -> str | None:
        cbook = sys.modules.get("matplotlib.cbook")
        if cbook is not None and isinstance(obj, cbook.CallbackRegistry):
            return "callbacks"  # of artists to each other
        if any(_name(base) == "matplotlib.colors.Colormap" for base in type(obj).__mro__):
            about = {name: value for name, value in vars(obj).items() if name not in _KEPT_TO_BE_FASTER["matplotlib"]}
            return f"{_name(type(obj))} {_plain([each for item in about.items() for each in item])}"
        if not hasattr(obj, "get_figure") or not hasattr(obj, "get_zorder"):
            return None
        children = [(f"{path}.figure", obj.get_figure())]
        for name in _PARTS_OF_AN_ARTIST:
            held = getattr(obj, name, None)
            if held is not None and hasattr(held, "__len__") and not isinstance(held, str):
                children += [(f"{path}.{name}[{n}]", each) for n, each in enumerate(held)]
        for name in ("patch", "legend_", "xaxis", "yaxis", "zaxis", "cmap", "norm", *_KEPT_BY_AN_ARTIST):
            held = getattr(obj, name, None)
            if held is not None:
                children.append((f"{path}.{name}", held))
        if hasattr(obj, "spines"):
            children += [(f"{path}.spines.{name}", spine) for name, spine in obj.spines.items()]
        told = [f"zorder={obj.get_zorder()} visible={obj.get_visible()}"]
        for name in ("_original_facecolor", "_original_edgecolor"):  # "white" in one figure, its numbers in its copy
            if getattr(obj, name, None) is not None:
                told.append(f"{name}={_colour(getattr(obj, name))}")
        drawn = _FOUND_BY_DRAWING.get(type(obj).__name__, frozenset())
        if getattr(obj, "_A", None) is not None:  # what its colours are made of is told
            drawn |= {"facecolor", "edgecolor"}
        for name in _ASKED_OF_AN_ARTIST:
            asked = getattr(obj, f"get_{name}", None)
            if asked is not None and name not in drawn:
                try:
                    told.append(f"{name}={_plain(asked())}")
                except Exception as error:  # not all answer before they are drawn
                    told.append(f"{name}: {type(error).__name__}")
        self.then(children)
        return f"{_name(type(obj))} {' '.join(told)}"

    def of_torch(self, path: str, obj: Any) -> str | None:
        torch = sys.modules["torch"]
        kind = type(obj)
        if kind.__name__ in _TORCH_CONSTANTS and _root(kind) == "torch":
            return f"{_name(kind)} {obj!r}"
        if isinstance(obj, torch.Generator):
            state = _contents(obj.get_state().numpy())
            return f"{_name(kind)} {obj.device} {obj.initial_seed()} {state}"
        if isinstance(obj, (torch.UntypedStorage, torch.TypedStorage)):
            plain = torch.tensor([], dtype=torch.uint8).set_(getattr(obj, "_untyped_storage", obj).cpu())
            self.arrays.append((path, plain.numpy()))
            return f"{_name(kind)} {getattr(obj, 'dtype', '')} {_contents(plain.numpy())}"
        if isinstance(obj, torch.optim.Optimizer):
            return self.optimizer(path, obj)
        if not isinstance(obj, torch.Tensor):
            return None
        extra = [(f"{path}.{name}", value) for name, value in getattr(obj, "__dict__", {}).items()]
        if obj.is_leaf and obj.grad is not None:
            extra.append((f"{path}.grad", obj.grad))
        plain = obj.detach()
        made_by = "" if obj.grad_fn is None else f" grad_fn={type(obj.grad_fn).__name__}"
        about = f"{_name(kind)} {obj.dtype} {tuple(obj.shape)} {obj.device}"
        about += f" requires_grad={obj.requires_grad}{made_by}"
        if plain.layout is not torch.strided:
            parts = _SPARSE_PARTS.get(str(plain.layout), ())
            plain = plain.coalesce() if plain.layout is torch.sparse_coo else plain
            self.then([*extra, *((f"{path}.{part}", getattr(plain, part)()) for part in parts)])
            return f"{about} {plain.layout}"
        if plain.is_quantized:
            parts = (("int_repr", plain.int_repr()), ("steps", f"{plain.qscheme()} {plain.dequantize().sum().item()}"))
            self.then([*extra, *((f"{path}.{name}", part) for name, part in parts)])
            return about
        self.then(extra)
        if plain.is_meta:
            return about
        plain = plain.as_subclass(torch.Tensor).cpu().resolve_conj().resolve_neg()
        try:
            array = plain.numpy()
        except TypeError:  # a type that NumPy does not know
            array = plain.view({1: torch.uint8, 2: torch.int16}[plain.element_size()]).numpy()
        self.lies(path, array)
        return f"{about} {_contents(array)} {_preview(array)}"

    def optimizer(self, path: str, obj: Any) -> str:
        """Its attributes come in another order from a pickle, and those that hold nothing not always."""
        attributes = sorted((name, value) for name, value in vars(obj).items() if name not in _NOT_OF_AN_OPTIMIZER)
        told = [(name, value) for name, value in attributes if value or not name.endswith("_hooks")]
        self.then((f"{path}.{name}", value) for name, value in told)
        return f"{_name(type(obj))} has {', '.join(name for name, _ in told)}"

    def of_ray(self, path: str, obj: Any) -> str | None:
        """References to what other processes hold say nothing; what is sent there is told."""
        function = getattr(obj, "_function", None)
        if isinstance(function, types.FunctionType):
            self.then([(f"{path}._function", function), (f"{path}.options", getattr(obj, "_default_options", None))])
        of_actors = getattr(getattr(obj, "__ray_metadata__", None), "modified_class", None)
        if of_actors is not None:
            self.then((f"{path}.base({n})", base) for n, base in enumerate(of_actors.__bases__))
        return f"some {_name(type(obj))}"


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What is found out once of a type.

    Attributes:
        tell: how its objects are told.
        is_value: who holds the same one shares nothing.
        is_mine: a class of the notebook.
        is_flat: their repr says all.
        slots: names and descriptors.
        left_out: attributes that are not told.
        hides: its objects have a state in C.
        is_unknown: its name does not lead to it.
    """

    tell: Callable[[str, Any], str]
    is_value: bool
    is_mine: bool
    is_flat: bool
    slots: tuple[tuple[str, Any], ...]
    left_out: frozenset[str]
    hides: bool
    is_unknown: bool


def _widget(self: _Describer, path: str, obj: Any) -> str:
    """What the frontend is sent; not under which names it knows the widget."""
    self.then((f"{path}.{name}", getattr(obj, name)) for name in sorted(obj.keys) if name not in _NOT_OF_A_WIDGET)
    return f"widget {_name(type(obj))}"


def _bokeh_model(self: _Describer, path: str, obj: Any) -> str:
    """Its properties: what the browser is sent. Its number comes from a counter."""
    self.then((f"{path}.{name}", value) for name, value in sorted(obj.properties_with_values().items()))
    return f"model {_name(type(obj))}"


def _bokeh_document(self: _Describer, path: str, obj: Any) -> str:
    self.then([(f"{path}.title", obj.title), *((f"{path}.roots[{n}]", root) for n, root in enumerate(obj.roots))])
    return f"document of {len(obj.roots)}"


def _image(self: _Describer, path: str, obj: Any) -> str:
    """Pixels, colours, what it says of itself; not the file that it may still be read from."""
    pixels = _hashed(obj.tobytes())  # reads them
    known = {name: value for name, value in vars(obj).items() if not name.startswith("_")}
    self.then((f"{path}.{name}", known[name]) for name in sorted(known.keys() - _NOT_OF_AN_IMAGE))
    colours = None if obj.palette is None else bytes(obj.getpalette(obj.palette.mode))
    palette = _hashed(colours) if colours else None
    return f"{_name(type(obj))} {obj.mode} {obj.size} {obj.format} {pixels} {palette}"


def _expression(self: _Describer, path: str, obj: Any) -> str:
    """SymPy's: what it says itself, and the classes that are the notebook's."""
    children = [(f"{path}.args[{n}]", each) for n, each in enumerate(obj.args)]
    if self.kind(type(obj)).is_unknown:
        children.append((f"{path}.__class__", type(obj)))
    self.then(children)
    return f"{_name(type(obj))} {_short(sys.modules['sympy'].srepr(obj))}"


_NOT_OF_AN_IMAGE = frozenset(
    {"fp", "png", "map", "tile", "im", "palette", "readonly", "pyaccess", "decoderconfig", "decodermaxblock"}
)
_NOT_OF_A_WIDGET = frozenset({"comm", "_msg_callbacks"})
_BY_PROPERTIES: dict[str, Callable[[_Describer, str, Any], str]] = {
    "ipywidgets.widgets.widget.Widget": _widget,
    "PIL.Image.Image": _image,
    "sympy.core.basic.Basic": _expression,
    "bokeh.model.model.Model": _bokeh_model,
    "bokeh.document.document.Document": _bokeh_document,
}
"""Libraries that say themselves what their objects are made of; the rest is how they go about it."""

_NOT_OF_AN_OPTIMIZER = frozenset(
    {"_zero_grad_profile_name", "_warned_capturable_if_run_uncaptured"}  # for the profiler, and to warn once
    | {"step", "_opt_called", "_step_count"}  # a scheduler's, to warn who does not call both in their order
)
_TORCH_CONSTANTS = frozenset({"device", "dtype", "layout", "memory_format", "qscheme"})
_SPARSE_PARTS = {
    "torch.sparse_coo": ("indices", "values"),
    "torch.sparse_csr": ("crow_indices", "col_indices", "values"),
    "torch.sparse_bsr": ("crow_indices", "col_indices", "values"),
    "torch.sparse_csc": ("ccol_indices", "row_indices", "values"),
    "torch.sparse_bsc": ("ccol_indices", "row_indices", "values"),
}
_ROOTS_BY_TYPE = frozenset({"asyncio", "zmq", "concurrent"})
_CLASSES_BY_TYPE = frozenset(
    {"traitlets.config.configurable.Configurable"}  # shells and kernels
    | {"ipykernel.iostream.OutStream"}  # knows which cell's output it is just now
    | {"subprocess.Popen", "z3.z3.Context"}
    | {"patsy.eval.EvalEnvironment"}  # the variables that whoever made or loaded a model's formula could see
)
_ADDRESSES = frozenset({"z3.z3types"})
"""Modules of which the classes are addresses in all but name."""

_SHARED_BY_LIBRARIES = frozenset(
    {"matplotlib.colors.Colormap", "pandas._libs.tslibs.offsets.BaseOffset"}
    | {"sympy.core.basic.Basic"}  # a cache of its own decides which expressions are one object
    | {"sympy.core.facts.FactRules", "z3.z3.Context"}
)
"""Constants in all but name: whether two objects of a library hold the same one is noticed by nobody."""

_FOUND_BY_DRAWING = {"Spine": frozenset({"path"}), "_ColorbarSpine": frozenset({"path", "position"})}
_KEPT_BY_AN_ARTIST = (*("_colorbar", "_major_tick_kw", "_minor_tick_kw", "_loc_real", "_gridspecs"),)
_PARTS_OF_AN_ARTIST = (
    *("axes", "lines", "patches", "collections", "images", "texts", "artists", "tables", "child_axes", "containers"),
    *("legends", "legend_handles", "subfigs"),
)
_ASKED_OF_AN_ARTIST = (
    *("label", "title", "xlabel", "ylabel", "xlim", "ylim", "xscale", "yscale", "text", "position"),
    *("color", "facecolor", "edgecolor", "linewidth", "linestyle", "marker"),
    *("xdata", "ydata", "xy", "width", "height", "offsets", "array", "size_inches", "dpi"),
    *("alpha", "markersize", "markerfacecolor", "markeredgecolor", "markevery", "drawstyle", "hatch", "linewidths"),
    *("linestyles", "sizes", "paths", "path", "segments", "data", "extent", "interpolation", "clim", "coordinates"),
    *("fontsize", "fontfamily", "fontweight", "fontstyle", "rotation", "ha", "va", "usetex", "wrap", "bbox_patch"),
    *("center", "radius", "theta1", "theta2", "angle", "aspect", "adjustable", "autoscalex_on", "autoscaley_on"),
    *("zlabel", "zlim", "zscale", "proj_type", "suptitle", "supxlabel", "supylabel", "constrained_layout"),
    *("label_text", "scale", "majorticklocs", "minorticklocs", "ticklabels", "view_interval", "inverted", "children"),
    *("frame_on", "axis_on", "axisbelow", "clip_on", "url", "gid", "in_layout", "rasterized", "snap"),
)

_Way = Callable[[_Describer, str, Any], str]

_BY_TYPE_ONLY: _Way = lambda self, path, obj: f"some {_name(type(obj))}"  # noqa: E731

_WAYS: tuple[tuple[Any, _Way], ...] = (
    (_BY_TYPE, _BY_TYPE_ONLY),
    (types.ModuleType, lambda self, path, obj: f"module {obj.__name__}"),
    (types.CodeType, lambda self, path, obj: f"code {_code(obj)}"),
    (types.FunctionType, _Describer.function),
    (types.BuiltinFunctionType, _Describer.builtin_function),
    (types.MethodType, _Describer.method),
    (types.CellType, _Describer.cell),
    (_DESCRIPTORS, lambda self, path, obj: f"{type(obj).__name__} {obj.__name__}"),
    (type, _Describer.a_class),
    (super, lambda self, path, obj: self.super(path, obj)),  # type: ignore[attr-defined]
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
    (re.Pattern, lambda self, path, obj: f"pattern {_atom(obj.pattern)} {obj.flags}"),  # its repr is cut short
    (_VALUES, lambda self, path, obj: f"{_name(type(obj))} {_short(repr(obj))}"),
)


def _view(self: _Describer, path: str, obj: Any) -> str:
    self.then([(f"{path}.mapping", gc.get_referents(obj)[0])])
    return type(obj).__name__


def _super(self: _Describer, path: str, obj: Any) -> str:
    """What is asked of one is answered by its object, but for its own members."""
    own = {name: vars(super)[name].__get__(obj) for name in ("__thisclass__", "__self__")}
    self.then((f"{path}.{name}", value) for name, value in own.items())
    return "super"


_Describer.super = _super  # type: ignore[attr-defined]
_Describer.view = _view  # type: ignore[attr-defined]


def _atom(obj: Any) -> str:
    kind = type(obj)
    if kind is int and obj.bit_length() > 10_000:  # too long for decimal digits
        return _short(f"int {obj:#x}")
    if kind in (str, bytes) and len(obj) > _LONG:
        content = obj.encode("utf-8", "surrogatepass") if kind is str else obj
        return f"{kind.__name__} {obj[:100]!r}... {len(obj)} {_hashed(content)}"
    return _short(f"{kind.__name__} {obj!r}")


def _all_of(values: Any) -> str:
    """Of a list or a dict of such of which Python's own words say all."""
    try:
        return _short(repr(values))
    except ValueError:  # a number too long for decimal digits
        items = values.items() if isinstance(values, dict) else values
        return _short(repr([_all_of(item) if type(item) is tuple else _atom(item) for item in items]))


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:100]}... {_hashed(text.encode('utf-8', 'surrogatepass'))}"


def _hashed(data: Any) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()[:16]


def _folded(told: Description) -> Description:
    """Few enough to be sent: where there are many, runs of entries are told by a digest."""
    if len(told) <= MOST:
        return told
    entries = list(told.items())
    runs = [entries[first : first + TOGETHER] for first in range(0, len(entries), TOGETHER)]
    return {f"{run[0][0]} and {len(run) - 1} more": _hashed(repr(run).encode("utf-8", "surrogatepass")) for run in runs}


# -- arrays ----------------------------------------------------------------------------------------


def _contents(array: Any) -> str:
    """A digest of what an array holds, in its own order, wherever that lies; of nothing between fields."""
    digest = hashlib.sha1(usedforsecurity=False)
    _digest(array, digest)
    return digest.hexdigest()[:16]


def _digest(array: Any, digest: Any) -> None:
    numpy = sys.modules["numpy"]
    if array.dtype.names:
        for name in array.dtype.names:
            _digest(array[name], digest)
    elif array.size == 0 or array.dtype.itemsize == 0:
        return
    elif array.dtype.char == "G":
        _digest(numpy.ascontiguousarray(array).view("g"), digest)
    elif array.dtype.char == "g" and array.dtype.itemsize == 16:  # 80 bits, and what happened to be beside them
        digest.update(numpy.ascontiguousarray(array).reshape(-1).view("u1").reshape(-1, 16)[:, :10].tobytes())
    elif array.flags.c_contiguous:
        digest.update(array.reshape(-1).view("u1"))
    else:
        rows = max(1, _BLOCK // max(1, array.nbytes // len(array)))
        for first in range(0, len(array), rows):
            digest.update(numpy.ascontiguousarray(array[first : first + rows]).reshape(-1).view("u1"))


def _texts(chunked: Any) -> str:
    """A digest of a column of Arrow's strings, however it is cut."""
    numpy = sys.modules["numpy"]
    lengths = hashlib.sha1(usedforsecurity=False)
    letters = hashlib.sha1(usedforsecurity=False)
    offset_type = "i8" if str(chunked.type) == "large_string" else "i4"
    for chunk in chunked.chunks:
        if len(chunk) == 0:
            continue
        filled = chunk.fill_null("") if chunk.null_count else chunk
        _, offsets, content = filled.buffers()
        ends = numpy.frombuffer(offsets, offset_type)[filled.offset : filled.offset + len(filled) + 1]
        sizes = numpy.diff(ends).astype("i8")
        if chunk.null_count:
            sizes[chunk.is_null().to_numpy(zero_copy_only=False)] = -1
        lengths.update(sizes)
        if content is not None:
            letters.update(memoryview(content)[int(ends[0]) : int(ends[-1])])
    return f"{lengths.hexdigest()[:16]} {letters.hexdigest()[:16]}"


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def _extent(array: Any) -> tuple[int, int]:
    """From where to where in memory an array's elements lie."""
    steps = [(length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True)]
    first = _address(array) + sum(step for step in steps if step < 0)
    return first, first + sum(map(abs, steps)) + array.itemsize


def _neighbours(arrays: list[Any]) -> list[list[int]]:
    """The indices of those whose extents in memory overlap, each group in order; none that is alone."""
    extents = []
    for index, each in enumerate(arrays):
        if each.size:
            extents.append((*_extent(each), index))
    groups: list[list[int]] = []
    reached = 0
    for first, last, index in sorted(extents):
        if first < reached:
            groups[-1].append(index)
        else:
            groups.append([index])
        reached = max(reached, last)
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _share(one: Any, other: Any) -> bool:
    numpy = sys.modules["numpy"]
    try:
        return bool(numpy.shares_memory(one, other, max_work=100_000))
    except Exception:  # too hard to tell
        return True


def _address_free(dtype: Any) -> str:
    """The repr of a dtype, or its name where that says at which address it lies."""
    text = repr(dtype)
    return f"{_name(type(dtype))} {dtype}" if " object at 0x" in text else text


def _preview(values: Any) -> str:
    return _short(repr(values.ravel()[:8].tolist())) if not values.dtype.hasobject and values.dtype.kind != "T" else ""


# -- artists ---------------------------------------------------------------------------------------


def _colour(value: Any) -> str:
    """However it is spelled."""
    colors = sys.modules["matplotlib.colors"]
    try:
        return str(tuple(map(float, colors.to_rgba(value))))
    except (ValueError, TypeError):  # an array of colours
        return _plain(value)


def _plain(value: Any) -> str:
    """A number, a colour, an array, a path of them: what an artist answers."""
    numpy = sys.modules["numpy"]
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        return _short(f"[{', '.join(map(_plain, value))}]")
    if isinstance(value, numpy.ma.MaskedArray):
        return f"{_plain(value.filled(0))} without {_contents(numpy.ma.getmaskarray(value))}"
    if isinstance(value, numpy.ndarray):
        if value.dtype.hasobject:
            return _plain(value.tolist())
        return f"{value.shape} {value.dtype} {_contents(value)}"
    if isinstance(value, numpy.generic):
        return repr(value.item())
    if hasattr(value, "vertices") and hasattr(value, "codes"):
        return f"path {_plain(value.vertices)} {_plain(value.codes)}"
    if hasattr(value, "get_text"):
        look = [value.get_rotation(), value.get_fontsize(), value.get_color(), value.get_visible()]
        return f"text {value.get_text()!r} {_plain(look)}"
    return _atom(value) if type(value) in _ATOMS else type(value).__name__


# -- code and classes --------------------------------------------------------------------------------


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


def _registered(kind: type) -> list[type]:
    """What was registered with an abstract class, by name: to look asks no class whether it is one."""
    if "_abc_impl" not in vars(kind):
        return []
    found = [each for reference in _abc._get_dump(kind)[0] if (each := reference()) is not None]  # type: ignore[attr-defined]
    return sorted(found, key=_name)


def _slots(kind: type) -> Iterable[tuple[str, Any]]:
    for base in kind.__mro__:
        for name, member in sorted(vars(base).items()):
            if isinstance(member, types.MemberDescriptorType) and "__slots__" in vars(base):
                yield name, member


def _held_in(slots: Iterable[tuple[str, Any]], obj: Any) -> Iterable[tuple[str, Any]]:
    for name, member in slots:
        try:
            yield name, member.__get__(obj)
        except AttributeError:
            continue


def _left_out(kind: type) -> frozenset[str]:
    """Attributes that only make a library faster. Of classes in the notebook all are told."""
    found: set[str] = set()
    for base in kind.__mro__:
        if base.__module__ != "__main__":
            for of in (_root(base), f"{_root(base)}.{base.__name__}"):
                found |= _KEPT_TO_BE_FASTER.get(of, frozenset())
            found |= {name for name, value in vars(base).items() if isinstance(value, functools.cached_property)}
    return frozenset(found)


def _hides(kind: type) -> bool:
    """Whether its objects are larger than what Python can see of them: a class in C, C++ or Rust among its bases."""
    for base in kind.__mro__[:-1]:
        if base.__module__ in ("builtins", "collections", "typing", "enum", "abc"):
            continue
        own = vars(base)
        members = sum(isinstance(member, types.MemberDescriptorType) for member in own.values())
        seen = 8 * (members + ("__dict__" in own) + ("__weakref__" in own))
        if base.__basicsize__ - base.__base__.__basicsize__ > seen:  # type: ignore[union-attr]
            return True
    return False
