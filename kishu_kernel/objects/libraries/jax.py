"""JAX."""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings
from kishu_kernel.objects.library import Library

_USUAL = {
    **{"jax_enable_x64": False, "jax_debug_nans": False, "jax_debug_infs": False, "jax_disable_jit": False},
    **{"jax_default_matmul_precision": None, "jax_numpy_dtype_promotion": "standard"},
}


def _option(name: str, usual: Any) -> Setting:
    def write(value: Any) -> None:
        sys.modules["jax"].config.update(name, value)

    return Setting(lambda: getattr(sys.modules["jax"].config, name), write, lambda: usual)


class Jax(Library):
    """Its arrays cannot change, and are stored as they say themselves."""

    data = True
    ambient = (Settings("options of JAX", "jax", {name: _option(name, usual) for name, usual in _USUAL.items()}),)
