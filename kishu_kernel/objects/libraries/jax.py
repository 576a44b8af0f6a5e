"""JAX."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings
from kishu_kernel.objects.library import Library

# Those that a cell sets when it imports the library. Of others, what they are when they are first read.
_USUAL = {
    **{"jax_enable_x64": False, "jax_debug_nans": False, "jax_debug_infs": False, "jax_disable_jit": False},
    **{"jax_default_matmul_precision": None, "jax_numpy_dtype_promotion": "standard"},
}


def _options() -> Mapping[str, Setting]:
    return _settings_of(*sys.modules["jax"].config.values)


@functools.cache
def _settings_of(*names: str) -> Mapping[str, Setting]:
    return {name: _option(name) for name in names}


def _option(name: str) -> Setting:
    def read() -> Any:
        value = getattr(sys.modules["jax"].config, name)
        if value is not None and type(value) not in (bool, int, float, str):
            raise TypeError("a device, a mesh: what it stands for is in this process")
        return value

    def write(value: Any) -> None:
        sys.modules["jax"].config.update(name, value)

    return Setting(read, write, (lambda: _USUAL[name]) if name in _USUAL else None)


class Jax(Library):
    """Its arrays cannot change, and are stored as they say themselves."""

    data = True
    ambient = (Settings("options of JAX", "jax", _options),)
