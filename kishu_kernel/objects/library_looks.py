"""What of objects can be seen that cannot be stored. Part of the table: for the fingerprint alone.

So it is known whether a cell changed them; they come back by running cells again. What may hide a state that nobody can
ask for (a connection to a database, a subtracted background) has no entry here: it counts as changed when touched.

Each is found by the names of its class: nothing is imported that the session has not imported.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

from kishu_kernel.objects.classes import module_name, mro_of, observers_of, qualified_name


def is_only_seen(kind: type) -> bool:
    """Its instances cannot be stored, and yet tell what they are."""
    return _seeing(kind) is not None


def seen(obj: Any) -> tuple[Any, ...]:
    """For the fingerprint: what an object is made of that cannot be stored.

    Raises:
        Exception: whatever looking at it raises: this one cannot be seen either.
    """
    look = _seeing(type(obj))
    return _elsewhere, (type(obj), *look(obj)) if look is not None else ()


def _seeing(kind: type) -> Callable[[Any], tuple[Any, ...]] | None:
    for base in mro_of(kind):
        look = _SEEN.get((module_name(base).partition(".")[0], qualified_name(base)))
        if look is not None:
            return look
    return None


def _elsewhere(*_: Any) -> None:
    """Stands for what is only seen. Never stored."""


def _widget(widget: Any) -> tuple[Any, ...]:
    """Its traits, what was hung on it, and whom it calls: nothing that leads into the kernel."""
    traits = {name: value for name, value in widget._trait_values.items() if name not in _WIDGETS_OWN}
    return (
        traits,
        hung_on(widget),
        [called.__code__ for called in observers_of(widget)],
    )  # not themselves: they are not its own


def hung_on(widget: Any) -> dict[str, Any]:
    """Attributes of a widget that are no traits: what code alone changes."""
    return {name: value for name, value in vars(widget).items() if name not in _WIDGETS_OWN}


def _answers(*methods: str) -> Callable[[Any], tuple[Any, ...]]:
    def look(obj: Any) -> tuple[Any, ...]:
        return tuple(getattr(obj, name)() for name in methods)

    return look


def _xgboost_matrix(matrix: Any) -> tuple[Any, ...]:
    data = matrix.get_data()
    fields = {name: matrix.get_float_info(name) for name in _FIELDS_OF_XGBOOST}
    groups = matrix.get_uint_info("group_ptr")
    names = (matrix.feature_names, matrix.feature_types)
    return (data.data, data.indices, data.indptr, data.shape, fields, groups, *names)


def _lightgbm_data(dataset: Any) -> tuple[Any, ...]:
    own = {name: value for name, value in vars(dataset).items() if name != "_handle"}
    made = vars(dataset).get("_handle") is not None
    return own, {name: dataset.get_field(name) for name in ("label", "weight", "init_score", "group") if made}


def _getters(obj: Any) -> tuple[Any, ...]:
    """All that OpenCV says of an algorithm: what it was told."""
    names = [name for name in dir(obj) if name.startswith("get") and name != "getDefaultName"]
    return ({name: getattr(obj, name)() for name in names},)


def _what_can_be_set(obj: Any) -> tuple[Any, ...]:
    names = [name for name in dir(obj) if not name.startswith("_")]
    return ({name: value for name in names if not callable(value := getattr(obj, name))},)


def _pixels(core: Any) -> tuple[Any, ...]:
    return core.mode, core.size, sys.modules["PIL.Image"].Image()._new(core).tobytes()


def _only(*names: str) -> Callable[[Any], tuple[Any, ...]]:
    return lambda obj: tuple(getattr(obj, name) for name in names)


def _of_spark(obj: Any) -> tuple[Any, ...]:
    # The JVM's own objects never change, where these refer to them: another plan is another object.
    told = {name: value for name, value in vars(obj).items() if name not in _SPARKS_OWN}
    numbers = {name: value._target_id for name, value in told.items() if hasattr(type(value), "_get_object_id")}
    return ({**told, **numbers},)


def _reader(reader: Any) -> tuple[Any, ...]:
    return reader.tell(), reader.read_at(reader.size(), 0)


def _tables(context: Any) -> tuple[Any, ...]:
    return ({name: context.execute(f'SELECT * FROM "{name}"', eager=False) for name in context.tables()},)


def _variant(tensor: Any) -> tuple[Any, ...]:
    if tensor.dtype.name != "variant":  # a resource may change
        raise TypeError(f"what stands behind a tensor of type {tensor.dtype.name} cannot be seen")
    return (tensor._id,)  # of a plan; another one is another tensor


def _context_variable(variable: Any) -> tuple[Any, ...]:
    return variable.name, variable.get(None)


def _digest(hasher: Any) -> tuple[Any, ...]:
    with contextlib.suppress(TypeError):
        return hasher.name, hasher.digest()
    return hasher.name, hasher.digest(64)  # of those that can be as long as one likes


def _memory(view: memoryview) -> tuple[Any, ...]:
    return view.obj, view.format, view.shape, view.strides, view.readonly, view.tobytes()


def _found(match: Any) -> tuple[Any, ...]:
    return match.re, match.string, match.pos, match.endpos, match.regs


_FIELDS_OF_XGBOOST = (*("label", "weight", "base_margin", "label_lower_bound", "label_upper_bound", "feature_weights"),)
_WIDGETS_OWN = frozenset(
    {
        *("comm", "keys", "_property_lock", "_cross_validation_lock", "_trait_values", "_trait_notifiers"),
        *("_trait_validators", "_msg_callbacks", "_click_handlers", "_submission_callbacks", "_display_callbacks"),
    }
)
_SPARKS_OWN = ("ctx", "_sc", "_session", "_sql_ctx", "_schema", "_jrdd_val", "_jrdd_deserializer", "_broadcast")

_SEEN: dict[tuple[str, str], Callable[[Any], tuple[Any, ...]]] = {
    ("ipywidgets", "Widget"): _widget,
    ("ray", "ObjectRef"): _answers("binary"),
    ("distributed", "Future"): _only("key"),
    ("pyspark", "Accumulator"): _only("aid", "value"),
    ("pyspark", "DataFrame"): _of_spark,
    ("pyspark", "Column"): _of_spark,
    ("pyspark", "JavaParams"): _of_spark,
    ("xgboost", "DMatrix"): _xgboost_matrix,
    ("lightgbm", "Dataset"): _lightgbm_data,
    ("cv2", "Feature2D"): _getters,
    ("cv2", "CLAHE"): _getters,
    ("cv2", "KalmanFilter"): _what_can_be_set,
    ("builtins", "ImagingCore"): _pixels,
    ("builtins", "ImagingDraw"): lambda _: (),  # draws in an image that the one beside it holds
    ("scipy", "_Qhull"): lambda _: (),  # who holds it tells of what it was made
    ("pyarrow", "BufferReader"): _reader,
    ("polars", "SQLContext"): _tables,
    ("torch", "ScriptModule"): _answers("save_to_buffer"),
    ("tensorflow", "EagerTensor"): _variant,
    ("tensorflow", "DatasetV2"): _only("_variant_tensor", "element_spec"),
    ("tensorflow", "StaticHashTable"): _answers("export"),
    ("tensorflow", "MutableHashTable"): _answers("export"),
    ("_contextvars", "ContextVar"): _context_variable,
    ("builtins", "memoryview"): _memory,
    ("weakref", "KeyedRef"): lambda reference: (reference(), reference.key),
    ("_ctypes", "CField"): lambda field: (repr(field),),
    ("mmap", "mmap"): lambda held: (held.tell(), held[:]),
    ("re", "Match"): _found,
    ("_hashlib", "HASH"): _digest,
    ("_hashlib", "HASHXOF"): _digest,
    ("_hashlib", "HMAC"): _digest,
    ("_blake2", "blake2b"): _digest,
    ("_blake2", "blake2s"): _digest,
}
"""By package and class, what can be asked of those that cannot be stored."""
