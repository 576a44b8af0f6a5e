"""How an object comes apart: the one table that fingerprint and codec both read. `rebuild` is the other way.

Law: what the fingerprint cannot see the codec must not store, and the other way round; so both ask
`Reducer.reduce` (the codec as `reducer_override`) and `Reducer.decompose` (the whole way that a pickler goes).
Order, as in the C pickler: our table, cloudpickle, `copyreg`, `__reduce_ex__(5)` (paper 6.1: the pickle
protocol defines reachability).

Reductions of our own:

- A function of the notebook comes back bound to the *live* namespace, with its closure cells shared as they
  were. cloudpickle alone would freeze copies of the globals that it names, and split shared cells.
- An instance of a class of the notebook is what it is made of (`notebook_classes`): none of its own code is asked.
- Code keeps its file name and its lines, so that its source is found again (`cell_sources`).
- A class of the notebook comes back as one class for all instances in the payload; whether that is the live one is
  the codec's business (`codec.class_streams`), which looks whether it is the same. cloudpickle's class tracker, which
  hands out the live class and overwrites its attributes, is switched off.
- A sentinel of a library (`dataclasses.MISSING`) stays the one that its module holds.
- What libraries say of their classes (`questions`); where nobody says anything, what a class is like (`class_shape`).
"""

from __future__ import annotations

import functools
import io
import sys
import time
import types
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from operator import methodcaller
from sys import getrefcount
from typing import Any

import cloudpickle
import cloudpickle.cloudpickle as _cloud

from kishu_kernel.objects.attribute_dicts import ALONE, by_attributes, makes_anew, place_of, with_shared_attributes
from kishu_kernel.objects.class_reductions import SKELETONS, goes_by_name, reduction_of_class, reduction_of_method
from kishu_kernel.objects.class_shape import reduction_by_class_shape, refusal_of_proxy, refusal_of_swig
from kishu_kernel.objects.classes import (
    PICKLING_WAYS,
    derives,
    has_active_metaclass,
    has_pythons_metaclass,
    is_users_own,
    module_contents,
    module_name,
    qualified_name,
    seen_attributes,
)
from kishu_kernel.objects.code_reductions import (
    reduction_of_cell,
    reduction_of_code,
    reduction_of_dynamic,
    reduction_of_function,
    reduction_of_function_within,
)
from kishu_kernel.objects.dict_views import reduction_of_proxy, reduction_of_view
from kishu_kernel.objects.function_caches import reduction_of_cached
from kishu_kernel.objects.hidden_links import HiddenLinks, hidden_among, hidden_attributes, state_of_type
from kishu_kernel.objects.left_out import reduction_with_left_out, ways_in_python
from kishu_kernel.objects.library import LEFT_OUT, HeldOutsideError, Library, Reduce, Reduction, WithMemo
from kishu_kernel.objects.library_globals import ModuleAttribute, module_attribute_name, module_attribute_names
from kishu_kernel.objects.moment import Moment, is_registered
from kishu_kernel.objects.native_rules import with_rule_of
from kishu_kernel.objects.notebook_classes import notebook_reduction_of
from kishu_kernel.objects.own_modules import held_since_import, original_place, place_since_import
from kishu_kernel.objects.questions import (
    class_memos_of,
    class_reduction_of,
    copies_on_write,
    is_complete,
    is_fingerprint_only,
    library_reduction_of_users_class,
    private_memory_of,
    reduction_of,
    refusal_of,
    visible_reduction,
)
from kishu_kernel.objects.rebuild.code import module_attribute, module_original
from kishu_kernel.objects.reduction_table import Entry, ReductionTable
from kishu_kernel.objects.registry import Entry as LibraryEntry
from kishu_kernel.objects.registry import UnknownError
from kishu_kernel.objects.told_states import is_told_by_state
from kishu_kernel.process.native import untouched
from kishu_kernel.process.slot_names import unnoted

HANGS = 1.0
"""Seconds after which a reduction that the user interrupts is taken to be what hung."""


class Reducer:
    """The reductions of one walk or one payload. Holds what must be remembered within it.

    Args:
        before: went the same way: what is made on the way is to be the same objects again.
        hidden_links: of this payload, as far as they are known.
        moment: the one in which this is; None: the table's, or a new one.

    Attributes:
        namespace: the live namespace of the notebook.
        by_place: what one of the user's modules holds since it was imported.
        told_place: something of that went by its place, which may be another's later.
        shells: ids of the cells of closures that were met.
        ways: as of `Moment`.
        private: what belongs to an object whose library says that sharing need not survive storing, by its id.
    """

    def __init__(
        self,
        table: ReductionTable,
        before: Reducer | None = None,
        hidden_links: HiddenLinks | None = None,
        moment: Moment | None = None,
    ) -> None:
        self.table, self.namespace = table, table.namespace
        moment = moment or table.moment or Moment()
        self._entries: dict[type, Entry | None] = moment.entries
        self._places, self._plain, self._hiding = moment.places, moment.plain, moment.hiding
        self._classes, self._copying, self.ways = moment.classes, moment.copying, moment.ways
        self._hidden_links, self.shells, self.by_place = hidden_links, set[int](), held_since_import
        self.told_place = False
        self._memo: dict[Hashable, Any] = {} if before is None else before._memo
        self.private: dict[int, tuple[Any, Library]] = {}  # what is held is kept: some of it is made on access

    @functools.cached_property
    def _cloud(self) -> Any:
        return cloudpickle.Pickler(io.BytesIO(), protocol=5)

    def reduce(self, obj: Any) -> Reduction:
        """The reduction that replaces `obj.__reduce_ex__`, or NotImplemented. See `reducer_override`."""
        if held_since_import and id(obj) in held_since_import and (place := self._place_of(obj)) is not None:
            self.told_place = True
            return ModuleAttribute(*place).__reduce__()
        return self._by_kind(obj)

    def _by_kind(self, obj: Any) -> Reduction:
        return NotImplemented if (entry := self.entry(type(obj))) is None else entry(self, obj)

    def entry(self, kind: type) -> Entry | None:
        """As of the table, asked once."""
        known = self._entries
        return known[kind] if kind in known else known.setdefault(kind, entry_of(self.table, kind))

    def _place_of(self, obj: Any) -> tuple[str, str] | None:
        """Where one of the user's modules holds it since it was imported, if it cannot be taken apart: a connection."""
        place = place_since_import(obj)
        try:
            if place is not None and self._by_kind(obj) is NotImplemented:
                self.as_pickle_does(obj)
        except Exception:
            return place
        return None

    def reduce_whole(self, obj: Any) -> Reduction:
        """As `reduce`, and what holds its attributes stays the same object for all that hold it.

        Raises:
            TypeError: that cannot be had.
            Exception: whatever the object's own reduction raises.
        """
        held = self.shared_attributes(obj)  # first: a reduction may hold it, too
        reduction = self.reduce(obj)
        if reduction is NotImplemented and untouched(obj):
            return by_attributes(obj, self._plain)
        if self._hidden_links is not None and type(reduction) is tuple and (hidden := self.hidden(obj, reduction)):
            reduction = self._hidden_links.with_linked(obj, reduction, hidden)
        if held is None:
            return reduction
        whole = self.decompose(obj) if reduction is NotImplemented else reduction
        return with_shared_attributes(obj, whole, held) if makes_anew(obj, whole) else reduction

    def with_left(self, obj: Any, reduction: tuple[Any, ...], left: list[tuple[str, Any]]) -> Reduction:
        """A reduction that may hide these attributes, with what of them is known by now to be stored anyway."""
        hidden = {} if self._hidden_links is None else hidden_among(left, reduction)
        return self._hidden_links.with_linked(obj, reduction, hidden) if self._hidden_links and hidden else reduction

    def hidden(self, obj: Any, reduction: Sequence[Any]) -> dict[str, Any]:
        """Attributes that show what this reduction does not tell, and that a load can give back."""
        kind = type(obj)
        if kind not in self._hiding:
            self._hiding[kind] = state_of_type(kind) if hides(self.table, kind) else None
        state_of = self._hiding[kind]
        if state_of is None or ((len(reduction) < 3 or reduction[2] is None) and not makes_anew(obj, reduction)):
            return {}
        return hidden_attributes(obj, reduction, state_of)

    def shared_attributes(self, obj: Any) -> Any:
        """The dictionary of its attributes if something else may hold it, too, or if it is of a class of its own."""
        kind = type(obj)
        if kind not in self._places:
            self._places[kind] = place_of(kind)
        place = self._places[kind]
        if place is None or untouched(obj) or (kind is types.FunctionType and not self.is_notebook_function(obj)):
            return None
        held = place.__get__(obj)
        return held if getrefcount(held) > ALONE or type(held) is not dict else None

    def decompose(self, obj: Any) -> Reduction:
        """How a pickler would take `obj` apart: a string where it goes by reference, else a tuple.

        Raises:
            Exception: whatever the object's own reduction raises.
        """
        try:
            reduction = self.reduce(obj)
        except TypeError:
            if is_fingerprint_only(type(obj)):  # not stored, and yet known again
                return visible_reduction(obj)
            raise
        return self.as_pickle_does(obj) if reduction is NotImplemented else reduction

    def as_pickle_does(self, obj: Any) -> Reduction:
        """What a pickler gives that our table says nothing to."""
        kind = type(obj)
        if kind is types.FunctionType:
            return obj.__qualname__
        if derives(kind, type):
            return qualified_name(obj)
        reducer = cloudpickle.Pickler.dispatch_table.get(kind)  # chains copyreg's
        return self._own(obj) if reducer is None else reducer(obj)

    def _own(self, obj: Any) -> Reduction:
        if module_name(type(obj)) == "__main__" and not (seen_attributes(obj) or {}).keys().isdisjoint(PICKLING_WAYS):
            raise TypeError(f"{qualified_name(type(obj))} objects cannot be stored that have ways of their own")
        return self.asked(obj, methodcaller("__reduce_ex__", 5))

    def asked(self, obj: Any, way: Callable[[Any], Reduction]) -> Reduction:
        """What a way gives that asks the object itself. One that hangs until it is interrupted is not asked again."""
        until = time.monotonic() + HANGS
        try:
            with unnoted:
                return way(obj)
        except KeyboardInterrupt:
            if time.monotonic() > until:
                self.table.refuse(type(obj))
            raise

    @property
    def left_out(self) -> tuple[str, ...]:
        """What reductions have left out so far, since it cannot be stored."""
        return tuple(sorted(self._memo.get(LEFT_OUT, ())))

    def is_copy_on_write(self, obj: Any) -> bool:
        """Whether the array is private, and its library copies it before a write: no write shows elsewhere."""
        private = self.private.get(id(obj))
        return private is not None and copies_on_write(private[1], self._copying)

    def is_special(self, kind: type) -> bool:
        """The table, cloudpickle or `copyreg` has a reduction of its own for this type."""
        return self.entry(kind) is not None or is_registered(kind)

    def is_notebook_function(self, obj: types.FunctionType) -> bool:
        """Its globals are the live namespace."""
        return obj.__globals__ is self.table.namespace

    # -- entries of the table -------------------------------------------------------------------

    def _function(self, function: types.FunctionType) -> Reduction:
        if self.is_notebook_function(function):
            return reduction_of_function(function, self.shells)
        if self.table.lasting_references.get(function) is not None:
            return NotImplemented  # a walk has found that it goes by its name
        if (place := original_place(function)) is not None:
            return module_original, place
        reduction = self._cloud.reducer_override(function)
        if reduction is NotImplemented or (dynamic := reduction_of_dynamic(function, self.shells)) is None:
            links = None if reduction is NotImplemented else self._hidden_links
            within = links is not None and links.holds_globals(function)
            return reduction_of_function_within(function, self.shells) if within else reduction
        return dynamic

    def _cell(self, cell: types.CellType) -> Reduction:
        return reduction_of_cell(cell, self.shells)

    def _class(self, cls: type) -> Reduction:
        if has_pythons_metaclass(cls) and (known := self._classes.get(cls)) is not None:  # others may run code
            return known
        if has_active_metaclass(cls):
            raise TypeError("a class cannot be stored whose metaclass runs code whenever it is looked at")
        if (place := original_place(cls)) is not None:
            return module_original, place
        taught = class_reduction_of(cls)
        if taught is not None and (said := _entry_for(taught, said=True)(self, cls)) is not NotImplemented:
            return said
        reduction = reduction_of_class(cls, self._cloud, class_memos_of(cls))
        return self._classes.setdefault(cls, reduction) if has_pythons_metaclass(cls) else reduction

    def by_value(self, cls: type) -> bool:
        """The class is stored whole: it is the notebook's, or was made at run time."""
        reduction = NotImplemented if goes_by_name(cls) else self._class(cls)
        return isinstance(reduction, tuple) and reduction[0] in SKELETONS

    def _cached(self, cached: Any) -> Reduction:
        wrapped = cached.__wrapped__
        own = isinstance(wrapped, types.FunctionType) and self.is_notebook_function(wrapped)
        return reduction_of_cached(cached) if own else NotImplemented

    def _module(self, module: types.ModuleType) -> Reduction:
        contents = module_contents(module)  # to ask one that is loaded when it is asked would load it
        name = contents.get("__name__")
        if type(name) is str and sys.modules.get(name) is module:
            return _cloud.subimport, (name,)
        if type(module) is types.ModuleType and type(name) is str and "__builtins__" not in contents:
            return types.ModuleType, (name,), dict(contents)  # cloudpickle's have them
        return NotImplemented

    def _held(self, obj: Any) -> Reduction:
        name = module_attribute_name(obj)
        return NotImplemented if name is None else (module_attribute, (module_name(type(obj)), name))

    def _refuse(self, obj: Any) -> Reduction:
        # cloudpickle would store the text of a file, the bytes of a memoryview: another type comes back.
        raise TypeError(f"{qualified_name(type(obj))} objects cannot be stored")

    def _refuse_visible(self, obj: Any) -> Reduction:
        raise HeldOutsideError(f"what a {type(obj).__name__} refers to is held elsewhere: it cannot be stored")

    @staticmethod
    def _note_private(private: LibraryEntry, way: Reduce | None, reducer: Reducer, obj: Any) -> Reduction:
        with suppress(UnknownError):
            for held in private.answer(obj):
                reducer.private[id(held)] = held, private.library
        return NotImplemented if way is None else reducer.asked(obj, way)


def entry_of(table: ReductionTable, kind: type) -> Entry | None:
    """Our own reduction for a type, or None."""
    is_known, found, version = table.known(kind)
    if not is_known:
        found = _found_out(table, kind)
        table.note(kind, found, version)
    return found


def hides(table: ReductionTable, kind: type) -> bool:
    """Instances are taken apart by code of a library's, or of Python's, which may hide what attributes show."""
    entry_of(table, kind)  # finds that out, too
    return table.is_hiding(kind) or derives(kind, BaseException)


def is_told_wholly(table: ReductionTable, kind: type) -> bool:
    """What `told_state` gives of instances, where it gives anything, is what their entry gives."""
    entry_of(table, kind)  # finds that out, too
    return table.is_told_by_state(kind)


def _found_out(table: ReductionTable, kind: type) -> Entry | None:
    if kind in table.refused:
        return Reducer._refuse
    if kind in _ENTRIES:
        return _ENTRIES[kind]
    way: Reduce | WithMemo | None = refusal_of(kind) or library_reduction_of_users_class(kind)
    said = way is not None
    if way is None and not derives(kind, type):
        way = notebook_reduction_of(kind, table.namespace)
    if way is None:
        way = reduction_of(kind)
        said = way is not None
    way = way or refusal_of_swig(kind)
    if way is not None:
        return _entry_for(way, held_or=bool(module_attribute_names(kind)), said=said)
    if derives(kind, type):
        return Reducer._class
    if derives(kind, types.ModuleType):
        return Reducer._module
    if derives(kind, io.IOBase) and kind not in (io.BytesIO, io.StringIO):
        return Reducer._refuse
    with_left_out = reduction_with_left_out(kind)
    private = private_memory_of(kind)
    if private is not None:
        return functools.partial(Reducer._note_private, private, with_left_out)
    if is_complete(kind):
        return None if with_left_out is None else _entry_for(with_left_out)
    if is_fingerprint_only(kind):
        return Reducer._refuse_visible
    if ways_in_python(kind):
        table.note_hiding(kind)
    way = reduction_by_class_shape(kind) or refusal_of_proxy(kind) or with_left_out
    if way is not None:
        held_or = not is_users_own(kind) and bool(module_attribute_names(kind))
        if way is with_left_out and not held_or and is_told_by_state(kind):
            table.note_told_by_state(kind)
        return _entry_for(way, held_or=held_or)
    return Reducer._held if module_attribute_names(kind) else None


def _entry_for(way: Reduce | WithMemo, *, held_or: bool = False, said: bool = False) -> Entry:
    """An entry that goes this way.

    Args:
        held_or: by reference where the module of its class holds the object.
        said: a library says so: where it refuses, people are told why.
    """

    def take_apart(reducer: Reducer, obj: Any) -> Reduction:
        if held_or and (held := reducer._held(obj)) is not NotImplemented:  # as `ctypes.pythonapi`
            return held
        try:
            return way.reduce(obj, reducer._memo) if isinstance(way, WithMemo) else reducer.asked(obj, way)
        except UnknownError:
            return NotImplemented
        except TypeError as error:
            if said:
                reducer.table.refusals.note(obj, error)
            raise

    return take_apart if held_or else with_rule_of(way, take_apart)


_ENTRIES: dict[type, Entry] = {
    types.FunctionType: Reducer._function,
    types.CodeType: lambda _, code: reduction_of_code(code),
    types.CellType: Reducer._cell,
    types.MethodType: lambda _, method: reduction_of_method(method),
    functools._lru_cache_wrapper: Reducer._cached,
    **dict.fromkeys(map(type, ({}.keys(), {}.values(), {}.items())), lambda _, view: reduction_of_view(view)),
    types.MappingProxyType: lambda _, proxy: reduction_of_proxy(proxy),
}
