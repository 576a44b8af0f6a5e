"""Real kernels, as in `tests/kernel`."""

from kernel.conftest import kernel, start

__all__ = ["kernel", "start"]
