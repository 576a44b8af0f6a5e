"""Keras: layers, models, optimizers."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.class_shape import with_state
from kishu_kernel.objects.classes import attributes
from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.rebuild.instances import make_instance
from kishu_kernel.objects.rebuild.libraries import set_optimizer_state


def _keras(obj: Any) -> Reduction:
    own = attributes(obj)
    if own is None:
        return NotImplemented
    state = {name: None if name in _COMPILED else value for name, value in own.items()}
    numbers = state.pop("_trainable_variables_indices", None)
    if numbers is None:
        return with_state(obj, state)
    # An optimizer's: by names that variables have for as long as they live.
    known = [(each, numbers[obj._var_key(each)]) for each in own["_trainable_variables"]]
    return make_instance, (type(obj),), (state, type(numbers), known), None, None, set_optimizer_state


_COMPILED = ("train_function", "test_function", "predict_function")


class Keras(Library):
    """Stored as they are: their own way is an archive of a model, and who holds a layer of it would hold another."""

    packages = ("keras",)
    reductions = {"keras.src.saving.keras_saveable.KerasSaveable": _keras}
