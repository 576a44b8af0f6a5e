"""PyTorch: tensors, their memory, modules, random numbers."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import Any

from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.library import Library, Reduction, WithMemo
from kishu_kernel.objects.rebuild.libraries import load_storage, set_tensor_state, storage_array


def _tensor(tensor: Any) -> Reduction:
    if not tensor.is_leaf:
        # Its history cannot be stored: what comes back is the value, and says so when gradients are asked of it.
        return tensor.detach().__reduce_ex__(5)
    if tensor.grad is None:
        return NotImplemented
    # Its own reduction leaves the gradient out.
    make, arguments, *rest = tensor.__reduce_ex__(5)
    return make, arguments, (rest[0] if rest else None, tensor.grad), None, None, set_tensor_state


def _storage(storage: Any, memo: dict[Hashable, Any]) -> Reduction:
    # Its own reduction copies it into the stream, and cuts what tensors and arrays share.
    memory = getattr(storage, "_untyped_storage", storage)  # what is typed warns where it is asked
    dtype = None if memory is storage else storage.dtype
    if memory.device.type != "cpu" or not memory.nbytes():
        return NotImplemented
    key = memory.data_ptr(), memory.nbytes(), dtype
    if key not in memo:
        try:
            memo[key] = storage_array(memory, dtype)
        except (RuntimeError, TypeError):  # a PyTorch without NumPy
            return NotImplemented
    return load_storage, (memo[key], dtype)


class _RandomNumbers(Provider):
    name = "random numbers of PyTorch"
    module = "torch"
    drawn = True

    def read(self) -> Any:
        state = sys.modules["torch"].get_rng_state()
        return state.numpy().tobytes() if "numpy" in sys.modules else bytes(state.tolist())

    def write(self, value: Any) -> None:
        torch = sys.modules["torch"]
        torch.set_rng_state(torch.tensor(list(value), dtype=torch.uint8))


_COMPARED = "kishu_kernel.compare.libraries.torch"


class Torch(Library):
    """Memory on the CPU goes as arrays do, so that it may be shared with them; gradients go along."""

    shapes = True
    comparisons = {
        "torch.Tensor": f"{_COMPARED}:tensors",
        "torch.nn.modules.module.Module": f"{_COMPARED}:networks",
    }
    compared_inside = {"torch.Tensor"}
    reductions = {"torch.Tensor": _tensor}
    exact_reductions = {
        "torch.storage.TypedStorage": WithMemo(_storage),
        "torch.storage.UntypedStorage": WithMemo(_storage),
    }
    visible_state = {"ScriptModule": lambda module: (module.save_to_buffer(),)}
    harmless = True
    data = True
    ambient = (_RandomNumbers(),)
