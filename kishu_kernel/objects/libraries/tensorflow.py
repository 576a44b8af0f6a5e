"""TensorFlow: tensors, datasets, tables."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library, Reduction


def _eager(tensor: Any) -> Reduction:
    if tensor.dtype.name in ("variant", "resource"):
        raise TypeError(f"what a {type(tensor).__name__} refers to is held elsewhere")
    return NotImplemented


def _wrapped(proxy: Any) -> Reduction:
    return type(proxy), (proxy.__wrapped__,)


def _variant(tensor: Any) -> tuple[Any, ...]:
    if tensor.dtype.name != "variant":  # a resource may change
        raise TypeError(f"what stands behind a tensor of type {tensor.dtype.name} cannot be seen")
    return (tensor._id,)  # of a plan; another one is another tensor


def _exported(table: Any) -> tuple[Any, ...]:
    return (table.export(),)


class TensorFlow(Library):
    """Handles of resources are refused; what stands behind a plan is seen."""

    exact_reductions = {"tensorflow.python.framework.ops.EagerTensor": _eager}
    reductions = {
        "tensorflow.python.trackable.data_structures._DictWrapper": _wrapped,  # else: a plain one
        "tensorflow.python.trackable.data_structures._TupleWrapper": _wrapped,
    }
    visible_state = {
        "EagerTensor": _variant,
        "DatasetV2": lambda dataset: (dataset._variant_tensor, dataset.element_spec),
        "StaticHashTable": _exported,
        "MutableHashTable": _exported,
    }
    data = True
