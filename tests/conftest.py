"""What holds for all tests: nothing of the one who runs them is read or written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kishu_kernel.store.format.signing import KEY_FILE


@pytest.fixture(autouse=True, scope="session")
def own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A key for the tests, and for the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_FILE, str(tmp_path_factory.mktemp("key") / "key"))
        yield


SERVERS = (
    "browser",
    "conformance",
    "matrix",
    "notebooks",
    "test_export.py",
    "distribution",
)
"""Tests that let others choose the ports of kernels and servers, which two processes at a time might choose alike."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where there are several processes, the tests of a file stay in one.

    Tests in a browser come last: playwright has an event loop of its own in this thread.
    """
    items.sort(key=lambda item: "browser" in item.path.parts)
    for item in items:
        alone = not set(SERVERS).isdisjoint(item.path.parts)
        item.add_marker(pytest.mark.xdist_group("servers" if alone else str(item.path)))
