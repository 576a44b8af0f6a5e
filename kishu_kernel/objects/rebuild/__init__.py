"""The other way: what payload streams call when they are loaded.

Law: the names in `STREAM_NAMES` are part of the stored format, and so are the arguments that they take. The code
behind a name may move: streams name all of them in one module, `kishu_kernel.rebuild`, which is made of this table.

Nothing here runs the user's code, or touches the world: only a file that a variable held open is opened again, where it
is still the same one, and never to be made or truncated.
"""

import sys
import types
from typing import Any

from kishu_kernel.objects.module_originals import ABSENT, _Absent
from kishu_kernel.objects.rebuild.arrays import (
    load_array,
    load_buffer_view,
    load_derived_array,
    load_strings,
    load_view,
)
from kishu_kernel.objects.rebuild.caches import make_filled_cache, set_cached_calls
from kishu_kernel.objects.rebuild.code import (
    EMPTY_CELL,
    _EmptyCell,
    dict_view,
    held_attribute,
    load_class,
    load_module,
    make_cached,
    make_class,
    make_code,
    make_function,
    make_module_function,
    module_attribute,
    module_original,
    set_cell,
    set_class_state,
    set_enum_state,
    set_function_state,
)
from kishu_kernel.objects.rebuild.ended import ended_iterator, make_executor, make_future, make_process, make_thread
from kishu_kernel.objects.rebuild.handlers import make_handler, set_handler_state
from kishu_kernel.objects.rebuild.handles import (
    dead_reference,
    make_buffered,
    make_closed,
    make_foreign,
    make_reference,
    make_text,
    open_again,
)
from kishu_kernel.objects.rebuild.instances import (
    bind_method,
    make_derived,
    make_instance,
    set_array_state,
    set_content,
    set_derived_state,
    set_exception_state,
    set_instance_state,
    set_shared_attributes,
    set_state_and_attributes,
    set_state_and_hidden,
    set_super,
)
from kishu_kernel.objects.rebuild.libraries import (
    load_storage,
    new_name,
    set_optimizer_state,
    set_tensor_state,
    set_traits,
    storage_array,
)

HOME = "kishu_kernel.rebuild"
"""The module that streams name. There is no file of it."""

STREAM_NAMES: dict[str, Any] = {
    "make_code": make_code,
    "make_function": make_function,
    "make_class": make_class,
    "set_class_state": set_class_state,
    "set_enum_state": set_enum_state,
    "make_module_function": make_module_function,
    "set_function_state": set_function_state,
    "set_cell": set_cell,
    "make_cached": make_cached,
    "make_filled_cache": make_filled_cache,
    "set_cached_calls": set_cached_calls,
    "dict_view": dict_view,
    "load_module": load_module,
    "load_class": load_class,
    "module_attribute": module_attribute,
    "module_original": module_original,
    "held_attribute": held_attribute,
    "make_instance": make_instance,
    "set_instance_state": set_instance_state,
    "make_derived": make_derived,
    "set_derived_state": set_derived_state,
    "set_state_and_attributes": set_state_and_attributes,
    "set_shared_attributes": set_shared_attributes,
    "set_state_and_hidden": set_state_and_hidden,
    "set_array_state": set_array_state,
    "set_content": set_content,
    "make_foreign": make_foreign,
    "make_reference": make_reference,
    "dead_reference": dead_reference,
    "set_exception_state": set_exception_state,
    "set_super": set_super,
    "open_again": open_again,
    "make_buffered": make_buffered,
    "make_text": make_text,
    "make_closed": make_closed,
    "make_handler": make_handler,
    "set_handler_state": set_handler_state,
    "make_thread": make_thread,
    "make_process": make_process,
    "make_future": make_future,
    "make_executor": make_executor,
    "ended_iterator": ended_iterator,
    "set_optimizer_state": set_optimizer_state,
    "new_name": new_name,
    "storage_array": storage_array,
    "load_storage": load_storage,
    "set_tensor_state": set_tensor_state,
    "set_traits": set_traits,
    "bind_method": bind_method,
    "load_array": load_array,
    "load_view": load_view,
    "load_buffer_view": load_buffer_view,
    "load_derived_array": load_derived_array,
    "load_strings": load_strings,
    "EMPTY_CELL": EMPTY_CELL,
    "_EmptyCell": _EmptyCell,
    "ABSENT": ABSENT,
    "_Absent": _Absent,
}
"""All that streams may name in it. Entries are added, and never renamed or removed."""


def _publish() -> None:
    """Makes `pickle` find them under the name of the module that streams have, in both directions."""
    module = types.ModuleType(HOME, "What payload streams call; see `kishu_kernel.objects.rebuild`.")
    vars(module).update(STREAM_NAMES)
    sys.modules[HOME] = module
    package, _, name = HOME.rpartition(".")
    setattr(sys.modules[package], name, module)  # dill looks it up there
    for each in STREAM_NAMES.values():
        if isinstance(each, (types.FunctionType, type)):
            each.__module__ = HOME


_publish()
