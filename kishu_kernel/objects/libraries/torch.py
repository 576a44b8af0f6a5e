"""PyTorch: tensors, their memory, modules, random numbers."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings, attribute
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


def _torch() -> Any:
    return sys.modules["torch"]


def _default_type() -> str:
    return str(_torch().get_default_dtype()).partition(".")[2]


def _default_device() -> str:
    return str(_torch().get_default_device())


def _set_default_device(device: str) -> None:
    _torch().set_default_device(None if device == "cpu" else device)  # a device that is set costs each call something


def _printed() -> dict[str, Any]:
    return dict(vars(sys.modules["torch._tensor_str"].PRINT_OPTS))


def _set_printed(options: dict[str, Any]) -> None:
    vars(sys.modules["torch._tensor_str"].PRINT_OPTS).update(options)


_SETTINGS = {
    "type": Setting(_default_type, lambda name: _torch().set_default_dtype(getattr(_torch(), name)), lambda: "float32"),
    "device": Setting(_default_device, _set_default_device, lambda: "cpu"),
    "gradients": Setting(lambda: _torch().is_grad_enabled(), lambda on: _torch().set_grad_enabled(on), lambda: True),
    "determinism": Setting(
        lambda: (
            _torch().are_deterministic_algorithms_enabled(),
            _torch().is_deterministic_algorithms_warn_only_enabled(),
        ),
        lambda how: _torch().use_deterministic_algorithms(how[0], warn_only=how[1]),
        lambda: (False, False),
    ),
    "anomalies": Setting(
        lambda: (_torch().is_anomaly_enabled(), _torch().is_anomaly_check_nan_enabled()),
        lambda how: _torch().autograd.set_detect_anomaly(*how),
        lambda: (False, True),
    ),
    "threads": Setting(lambda: _torch().get_num_threads(), lambda number: _torch().set_num_threads(number)),
    **{
        f"cudnn, {name}": attribute("torch.backends.cudnn", name, usual=usual)
        for name, usual in (("enabled", True), ("benchmark", False), ("deterministic", False))
    },
    "precision": Setting(
        lambda: _torch().get_float32_matmul_precision(),
        lambda name: _torch().set_float32_matmul_precision(name),
        lambda: "highest",
    ),
    "printing": Setting(
        _printed,
        _set_printed,
        lambda: {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None},
    ),
}

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
    ambient = (_RandomNumbers(), Settings("settings of PyTorch", "torch", _SETTINGS))
