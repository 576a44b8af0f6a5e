"""What holds for all tests: nothing of the one who runs them is read or written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kishu_kernel.store.format.seal import KEY_FILE


@pytest.fixture(autouse=True, scope="session")
def own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A key for the tests, and for the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_FILE, str(tmp_path_factory.mktemp("key") / "key"))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in a browser come last: playwright has an event loop of its own in this thread."""
    items.sort(key=lambda item: "browser" in item.path.parts)
