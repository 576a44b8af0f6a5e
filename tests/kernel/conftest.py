"""Kernels for tests: one for a whole module, where tests do not interfere, or one of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .driver import Kernel

Start = Callable[..., Kernel]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts kernels with the arguments of `Kernel`; all share one home unless told another."""
    with ExitStack() as kernels:

        def starting(*arguments: str, home: Path = tmp_path, **how: Any) -> Kernel:
            return kernels.enter_context(Kernel(home, *arguments, **how))

        yield starting


@pytest.fixture
def kernel(start: Start) -> Kernel:
    """A kernel of this test's own."""
    return start()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all tests of a module: each leaves it as it found it."""
    with Kernel(tmp_path_factory.mktemp("shared")) as kernel:
        yield kernel
