"""Real kernels, as in `tests/kernel`."""

from tests.kernel.conftest import kernel, start

__all__ = ["kernel", "start"]
