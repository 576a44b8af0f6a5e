"""How objects of particular libraries come apart, where what they themselves tell will not do. Part of the table.

Two kinds of entries: what is stored in another way than its library would have it, and what is stored as it is, since
its library's own way makes something else of it. What cannot be stored, and can be seen, is in `library_looks`.

Each is found by the names of its class: nothing is imported that the session has not imported.
"""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable
from typing import Any

from kishu_kernel.objects.classes import (
    attributes,
    home_of_sentinel,
    is_untraversable,
    module_name,
    mro_of,
    qualified_name,
)
from kishu_kernel.objects.library_looks import is_only_seen
from kishu_kernel.objects.rebuild.parts import (
    make_instance,
    module_attribute,
    new_name,
    set_array_state,
    set_content,
    set_instance_state,
    set_optimizer_state,
    set_state_and_attributes,
    set_tensor_state,
)

Reduction = Any


def library_entry(kind: type) -> Callable[[Any], Reduction] | None:
    """The reduction for this type, or None. It may answer NotImplemented, or raise where nothing can be stored."""
    key = (module_name(kind), qualified_name(kind))
    if key in _ENTRIES:
        return _ENTRIES[key]
    if is_only_seen(kind):
        return _refuse
    for base in mro_of(kind):
        entry = _OF_SUBCLASSES.get((module_name(base), qualified_name(base)))
        if entry is not None:
            return entry
    return next((entry for is_such, entry in _BY_NATURE if is_such(kind)), None)


# -- stored in another way -----------------------------------------------------------------------------


def _figure(figure: Any) -> Reduction:
    # Left in, a load would open a window, and register a figure that nobody asked for.
    make, arguments, state = figure.__reduce_ex__(5)[:3]
    return make, arguments, {key: value for key, value in state.items() if key != "_restore_to_pylab"}


def _colours(colormap: Any) -> Reduction:
    # All colormaps of a name hold the one list of its module: not the user's, and no link between figures.
    make, arguments, state, *_ = colormap.__reduce_ex__(5)
    for module in [sys.modules[name] for name in _COLOURS if name in sys.modules]:
        for name, value in vars(module).items():
            if value is colormap.colors and type(value) is list:
                return make, arguments, {**state, "colors": ModuleAttribute(module.__name__, name)}
    return NotImplemented


def _callbacks(registry: Any) -> Reduction:
    # Its own reduction takes a number from a counter, so that no two are alike.
    make, arguments, state = registry.__reduce_ex__(5)[:3]
    used = [number for callbacks in state["callbacks"].values() for number in callbacks]
    del state["_cid_gen"]  # a load puts it last
    return make, arguments, {**state, "_cid_gen": max(used, default=-1) + 1}


def _tensor(tensor: Any) -> Reduction:
    if not tensor.is_leaf:
        # Its history cannot be stored: what comes back is the value, and says so when gradients are asked of it.
        return tensor.detach().__reduce_ex__(5)
    if tensor.grad is None:
        return NotImplemented
    # Its own reduction leaves the gradient out.
    make, arguments, *rest = tensor.__reduce_ex__(5)
    return make, arguments, (rest[0] if rest else None, tensor.grad), None, None, set_tensor_state


def _of_parser(obj: Any) -> Reduction:
    # `argparse.SUPPRESS` is a string that is known by its identity: a copy of it is a default like any other.
    make, arguments, state, *rest = obj.__reduce_ex__(5)
    if type(state) is not dict:
        return NotImplemented
    marker = sys.modules["argparse"].SUPPRESS
    known = {name: ModuleAttribute("argparse", "SUPPRESS") for name, value in state.items() if value is marker}
    return make, arguments, {**state, **known}, *rest


def _sentinel(obj: object) -> Reduction:
    # All that it is is that it is the one that a library's module holds.
    where = home_of_sentinel(obj)
    return NotImplemented if where is None else (module_attribute, where)


def _image(image: Any) -> Reduction:
    # Its own reduction knows its pixels, and nothing of what else stood in a file.
    make, arguments, state, *_ = image.__reduce_ex__(5)
    told = {name: value for name, value in vars(image).items() if name not in _PARTS_OF_AN_IMAGE}
    return (
        make,
        arguments,
        (state, {k: v for k, v in told.items() if _is_plain(v)}),
        None,
        None,
        set_state_and_attributes,
    )


def _boosted(model: Any) -> Reduction:
    # Its own reduction knows its trees and parameters, and nothing of what it was fitted to.
    make, arguments, state, *_ = model.__reduce_ex__(5)
    own = {name: value for name, value in vars(model).items() if name != "_object"}
    return make, arguments, (state, own), None, None, set_state_and_attributes


def _is_plain(value: Any) -> bool:
    if type(value) in (dict, list, tuple):
        return all(map(_is_plain, [*value, *value.values()] if type(value) is dict else value))
    return value is None or isinstance(value, (bool, int, float, str, bytes))


def _made_of(*names: str) -> Callable[[Any], Reduction]:
    """What takes these attributes, in this order, to be made."""
    return lambda obj: (type(obj), tuple(getattr(obj, name) for name in names))


def _key_point(point: Any) -> Reduction:
    return type(point), (*point.pt, point.size, point.angle, point.response, point.octave, point.class_id)


def _span(span: Any) -> Reduction:
    return type(span), (span.doc, span.start, span.end, span.label, None, None, span.kb_id, span.id)


def _match(match: Any) -> Reduction:
    for way in ("match", "search", "fullmatch"):
        again = operator.methodcaller(way, match.string, match.pos, match.endpos)
        if (found := again(match.re)) is not None and found.regs == match.regs:
            return again, (match.re,)
    return _refuse(match)  # one of several that were found


def _struct(struct: Any) -> Reduction:
    return type(struct), (struct.format,)


def _labelled(obj: Any) -> Reduction:
    # Who looks at its attributes, as a pickler does, makes them: then as now there are none.
    make, arguments, state, *rest = obj.__reduce_ex__(5)
    if not (isinstance(state, tuple) and isinstance(state[1], dict)):
        return NotImplemented
    made: dict[str, dict[str, Any]] = {
        name: {} for name in ("_attrs", "_encoding") if name in state[1] and state[1][name] is None
    }
    return make, arguments, (state[0], {**state[1], **made}), *rest


def _compiled(function: Any) -> Reduction:
    # Loaded under its own name, it would be the very object that lives in this session.
    make, (parts,) = function.__reduce__()
    return make, (type(parts)(parts.ctor, {**parts.states, "uuid": _NewName()}),)


def _with_attributes(obj: Any) -> Reduction:
    # What was written in C knows nothing of the attributes that a class in Python, or its user, adds.
    own = attributes(obj)
    if not own:
        return NotImplemented
    make, arguments, *rest = obj.__reduce_ex__(5)
    state, items, pairs = [*rest, None, None, None][:3]
    told = state if isinstance(state, tuple) else (state,)
    if any(isinstance(each, dict) and own.keys() <= each.keys() for each in told) or len(rest) > 3:
        return NotImplemented
    return make, arguments, (state, own), items, pairs, set_state_and_attributes


def _array(array: Any) -> Reduction:
    # Of a class of a library's or the notebook's: numpy forgets that nobody may write to it.
    reduced = _with_attributes(array) if _forgets_attributes(type(array)) else NotImplemented
    if array.flags.writeable:
        return reduced
    make, arguments, state, *_ = array.__reduce_ex__(5)
    own = None if reduced is NotImplemented else attributes(array)
    return make, arguments, (state, own), None, None, set_array_state


def _container(obj: Any) -> Reduction:
    # What it does to each item that is put into it was done when it was put there.
    make, arguments, state, items, pairs = (*obj.__reduce_ex__(5), None, None, None)[:5]
    content = (None if items is None else list(items), None if pairs is None else dict(pairs))
    return make, arguments, (state, *content), None, None, set_content


def _does_something_to_items(kind: type) -> bool:
    """A list or a dict whose own way to take items up a load would go again."""
    ways = {name: getattr(kind, name) for name in ("__reduce_ex__", "__reduce__")}
    if any(way is not getattr(object, name) for name, way in ways.items()):
        return False
    if issubclass(kind, list):
        return kind.append is not list.append or kind.extend is not list.extend
    return issubclass(kind, dict) and kind.__setitem__ is not dict.__setitem__


def _is_subclassed_array(kind: type) -> bool:
    return any((module_name(base), qualified_name(base)) == ("numpy", "ndarray") for base in mro_of(kind)[1:])


def _forgets_attributes(kind: type) -> bool:
    """Its instances have attributes, but how they are pickled was written in C, for a class that has none."""
    if not kind.__dictoffset__ or issubclass(kind, (type, types.ModuleType, BaseException)):
        return False
    for base in mro_of(kind)[:-1]:
        ways = [vars(base)[name] for name in ("__reduce_ex__", "__reduce__", "__getstate__") if name in vars(base)]
        if ways:
            in_c = not any(isinstance(way, (types.FunctionType, staticmethod, classmethod)) for way in ways)
            return in_c and not base.__dictoffset__ and module_name(base) != "builtins"
    return False


# -- stored as it is -----------------------------------------------------------------------------------


def _as_it_is(obj: Any) -> Reduction:
    own = attributes(obj)
    return NotImplemented if own is None or is_untraversable(type(obj)) else _instance(obj, own)


def _keras(obj: Any) -> Reduction:
    # Its own way is an archive of a model: who holds a layer of it would hold another, and a metric would be as new.
    own = attributes(obj)
    if own is None:
        return NotImplemented
    state = {name: None if name in _COMPILED_BY_KERAS else value for name, value in own.items()}
    numbers = state.pop("_trainable_variables_indices", None)
    if numbers is None:
        return _instance(obj, state)
    # An optimizer's: by names that variables have for as long as they live.
    known = [(each, numbers[obj._var_key(each)]) for each in own["_trainable_variables"]]
    return make_instance, (type(obj),), (state, type(numbers), known), None, None, set_optimizer_state


def _wrapped(proxy: Any) -> Reduction:
    return type(proxy), (proxy.__wrapped__,)


def _instance(obj: Any, own: dict[str, Any]) -> Reduction:
    return make_instance, (type(obj),), (own, {}), None, None, set_instance_state


def _refuse(obj: Any) -> Reduction:
    # Of a reference: it would come back, and what it refers to be gone, which other processes hold.
    raise TypeError(f"what a {type(obj).__name__} refers to is held elsewhere")


def _eager(tensor: Any) -> Reduction:
    if tensor.dtype.name in ("variant", "resource"):
        return _refuse(tensor)
    return NotImplemented


class _NewName:
    """Stands for a name that nobody has when it is loaded."""

    def __reduce__(self) -> Reduction:
        return new_name, ()


class ModuleAttribute:
    """Stands for what a library's module holds: goes by reference."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __reduce__(self) -> Reduction:
        return module_attribute, self._where


_COMPILED_BY_KERAS = ("train_function", "test_function", "predict_function")
_COLOURS = ("matplotlib._cm_listed", "seaborn.cm")

_ENTRIES: dict[tuple[str, str], Callable[[Any], Reduction]] = {
    ("matplotlib.cbook", "CallbackRegistry"): _callbacks,
    ("matplotlib.colors", "ListedColormap"): _colours,
    ("re", "Match"): _match,
    ("_struct", "Struct"): _struct,
    ("builtins", "object"): _sentinel,
    ("cv2", "KeyPoint"): _key_point,
    ("cv2", "DMatch"): _made_of("queryIdx", "trainIdx", "imgIdx", "distance"),
    ("cv2", "UMat"): lambda matrix: (type(matrix), (matrix.get(),)),
    ("spacy.tokens.span", "Span"): _span,
    ("spacy.tokens.token", "Token"): lambda token: (operator.getitem, (token.doc, token.i)),
    ("tensorflow.python.framework.ops", "EagerTensor"): _eager,
    ("numba.core.registry", "CPUDispatcher"): _compiled,
}

_OF_SUBCLASSES: dict[tuple[str, str], Callable[[Any], Reduction]] = {
    ("matplotlib.figure", "Figure"): _figure,
    ("torch", "Tensor"): _tensor,
    ("PIL.Image", "Image"): _image,
    ("catboost.core", "_CatBoostBase"): _boosted,
    ("argparse", "Action"): _of_parser,
    ("argparse", "_ActionsContainer"): _of_parser,
    ("xarray.core.dataset", "Dataset"): _labelled,
    ("xarray.namedarray.core", "NamedArray"): _labelled,
    ("plotly.basedatatypes", "BaseFigure"): _as_it_is,  # else: arrays become text, what was first comes last
    ("plotly.basedatatypes", "BasePlotlyType"): _as_it_is,
    ("numpy.polynomial._polybase", "ABCPolyBase"): _as_it_is,  # else: what is the class's becomes the instance's
    ("keras.src.saving.keras_saveable", "KerasSaveable"): _keras,
    ("tensorflow.python.trackable.data_structures", "_DictWrapper"): _wrapped,  # else: a plain one
    ("tensorflow.python.trackable.data_structures", "_TupleWrapper"): _wrapped,
    ("joblib.logger", "Logger"): _as_it_is,  # else: when it was made is forgotten
}

_BY_NATURE: tuple[tuple[Callable[[type], bool], Callable[[Any], Reduction]], ...] = (
    (_is_subclassed_array, _array),
    (_forgets_attributes, _with_attributes),
    (_does_something_to_items, _container),
)
"""By what a class is like, whoever made it."""

_PARTS_OF_AN_IMAGE = frozenset(
    {"_im", "im", "_mode", "_size", "info", "palette", "readonly", "pyaccess"}  # told by its own reduction
    | {"fp", "_fp", "_exclusive_fp", "_close_exclusive_fp_after_loading", "png", "map", "tile", "decoderconfig"}
    | {"decodermaxblock"}  # of the file, which was read
)
