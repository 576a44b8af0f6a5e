"""What holds for all tests: nothing of the one who runs them is read or written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kishu_kernel.store.format.signing import KEY_FILE
from tests.support import addresses, soak

SOAK = pytest.StashKey[bool]()

LONGEST = ("tests/browser",)
"""Groups that begin first, so that no process is left with one when the others are done."""


@pytest.fixture(autouse=True, scope="session")
def own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A key for the tests, and for the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_FILE, str(tmp_path_factory.mktemp("key") / "key"))
        yield


@pytest.fixture(autouse=True, scope="session")
def own_address() -> None:
    """An address for the kernels of this process."""
    addresses.choose()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SOAK] = soak.prepare(config)


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where there are several processes, the tests of a file stay in one; so do those that share a browser."""
    if config.stash[SOAK]:
        soak.properties(items)
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group("tests/browser" if file.startswith("tests/browser/") else file))
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    [group] = next(item.iter_markers("xdist_group")).args
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)
