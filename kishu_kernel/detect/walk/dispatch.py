"""Which function walks which kind of object."""

from __future__ import annotations

import array
import enum
import functools
import pickle
import types
from typing import Any

from kishu_kernel.detect.walk.arrays import (
    walk_array,
    walk_derived_array,
    walk_dtype,
    walk_exposed_memory,
    walk_pickle_buffer,
    walk_python_array,
    walk_scalar,
)
from kishu_kernel.detect.walk.code import (
    walk_builtin,
    walk_cache_node,
    walk_cached,
    walk_class,
    walk_code,
    walk_framed,
    walk_function,
    walk_module,
)
from kishu_kernel.detect.walk.containers import walk_bytearray, walk_dict, walk_sequence, walk_set
from kishu_kernel.detect.walk.hubs import walk_hub
from kishu_kernel.detect.walk.opaque import walk_called_anew, walk_failed, walk_opaque
from kishu_kernel.detect.walk.reductions import (
    is_asked,
    is_reduced,
    is_simple,
    is_told,
    walk_by_state,
    walk_label,
    walk_member,
    walk_reduced,
    walk_reduced_value,
    walk_reduction,
    walk_simple,
    walk_simple_value,
    walk_told,
    walk_told_value,
    walk_widget,
)
from kishu_kernel.detect.walk.state import Handler, Shared, Walk
from kishu_kernel.objects.arrays import array_type, is_array_type, is_dtype_type, is_scalar_type
from kishu_kernel.objects.classes import derives, module_name, qualified_name
from kishu_kernel.objects.library_globals import globals_of_class, version_of_class_globals
from kishu_kernel.objects.questions import (
    exposed_memory_of,
    is_called_anew,
    is_dynamic,
    is_fingerprint_only,
    is_hub,
    is_label_type,
    is_untraversable,
    is_value_type,
    reduction_of,
)
from kishu_kernel.objects.rebuild.code import make_function, module_attribute, set_function_state
from kishu_kernel.objects.rebuild.instances import make_derived, make_instance
from kishu_kernel.objects.reducers import entry_of, is_told_wholly


class ObjectWalk(Walk):
    """A walk over objects of any kind."""

    natively = (
        walk_simple,
        walk_simple_value,
        walk_told,
        walk_told_value,
        walk_reduced,
        walk_reduced_value,
        walk_by_state,
        walk_array,
        walk_function,
        walk_member,
        walk_scalar,
    )
    makers = make_function, set_function_state, module_attribute, make_instance, make_derived

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        first = shared.handlers
        if not first:
            first.update(_HANDLERS)
            plain = array_type()
            if plain is not None:
                first[plain] = walk_array
        self.handlers, self.handlers_at_first = first.copy(), len(first)

    def resolve(self, kind: type, obj: Any) -> Handler:
        """How instances of a type not met before are walked."""
        if self.shared.unnamed and is_called_anew(kind):
            return walk_called_anew
        found = self.shared.resolved.get(kind) or self._found(kind, obj)
        for held in found[1:]:
            if id(held) not in self.static_parts:  # most types of one library's have bases and modules in common
                self.static_parts.add(id(held))
                self.static |= held
        handler: Handler = found[0]
        return handler

    def _found(self, kind: type, obj: Any) -> tuple[Any, ...]:
        """Who walks instances, and behind that what their library holds."""
        table = self.shared.table
        entry_of(table, kind)  # forgets what lasts no longer
        then, known = table.lasting.get(kind) or (None, None)
        if known is None or then is None or then != version_of_class_globals(kind):
            if kind not in self.statics:
                found = globals_of_class(kind, self.shared.held_by_libraries)
                self.statics[kind] = [*found, *table.statics_of(kind)]
            handler = self._resolved(kind, obj) if known is None else known[0]
            asked = known is None and not derives(kind, type) and is_asked(self, kind)
            known = (handler, *self.statics[kind])
            if asked:
                return known
            then = version_of_class_globals(kind)
            table.lasting.put(kind, (then, known))
        if then is not None:
            self.shared.moment.walkers[kind] = known
        self.shared.resolved[kind] = known
        return known

    def _resolved(self, kind: type, obj: Any) -> Handler:
        if is_untraversable(kind):
            if is_fingerprint_only(kind):
                return walk_label if is_label_type(kind) else walk_widget
            return walk_opaque if reduction_of(kind) is None else walk_reduction
        if derives(kind, type):
            return walk_class
        if derives(kind, types.ModuleType):
            return walk_module
        if derives(kind, enum.Enum):
            return walk_member
        if is_label_type(kind):
            return walk_label
        if is_hub(kind):
            return walk_hub
        if (module_name(kind), qualified_name(kind)) == ("functools", "_lru_list_elem"):
            return walk_cache_node
        if exposed_memory_of(kind) is not None:
            return walk_exposed_memory
        if is_scalar_type(kind):
            return walk_scalar
        if is_dtype_type(kind):
            return walk_dtype
        if is_array_type(kind):
            return walk_derived_array
        if kind in _FRAMED:
            return walk_framed
        if is_simple(self, kind, obj):
            return walk_simple_value if is_value_type(kind) else walk_simple
        if is_told(self, kind):
            return walk_told_value if is_value_type(kind) else walk_told
        is_value = is_value_type(kind)
        if is_told_wholly(self.shared.table, kind) and not (type(kind) is not type or is_value or is_dynamic(kind)):
            return walk_by_state
        if is_reduced(self, kind):
            return walk_reduced_value if is_value else walk_reduced
        return walk_reduction

    def walk_failed(self, obj: Any) -> None:
        """It is opaque."""
        walk_failed(self, obj)


_FRAMED = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)

_HANDLERS: dict[type, Handler] = {
    list: walk_sequence,
    tuple: walk_sequence,
    dict: walk_dict,
    set: walk_set,
    frozenset: walk_set,
    bytearray: walk_bytearray,
    types.FunctionType: walk_function,
    types.CodeType: walk_code,
    functools._lru_cache_wrapper: walk_cached,
    array.array: walk_python_array,
    types.BuiltinFunctionType: walk_builtin,
    pickle.PickleBuffer: walk_pickle_buffer,
}
