"""What holds for all tests: nothing of the one who runs them is read or written."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from kishu_kernel.objects.own_modules import held_since_import, tracked_modules
from kishu_kernel.process import native
from kishu_kernel.store.format import signing
from kishu_kernel.store.format.signing import KEY_FILE
from tests.support import addresses, soak

SOAK = pytest.StashKey[bool]()
COMPLAINTS = pytest.StashKey[list[str]]()

LONGEST = (
    "tests/browser",
    "tests/session/test_differential.py",
    "tests/hub/test_day.py",
    "tests/matrix/test_matrix.py",
    "tests/client/test_many_forks.py",
    "tests/session/test_restore.py",
    "tests/kernel/test_programs.py",
)
"""Groups that begin first, of a soak, too, so that no process is left with one when the others are done."""


@pytest.fixture(autouse=True, scope="session")
def own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A key for the tests, and for the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_FILE, str(tmp_path_factory.mktemp("key") / "key"))
        yield


@pytest.fixture(autouse=True)
def own_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel in the process of a test decides of signatures is decided for that test."""
    monkeypatch.setattr(signing, "_decided", [])


@pytest.fixture(autouse=True)
def own_modules() -> Iterator[None]:
    """What a session in the process of a test knows of the user's modules is known for that test."""
    tracked, held = set(tracked_modules), dict(held_since_import)
    yield
    if tracked_modules != tracked:
        tracked_modules.clear()
        tracked_modules.update(tracked)
    if held_since_import != held:
        held_since_import.clear()
        held_since_import.update(held)


@pytest.fixture(autouse=True, scope="session")
def own_address() -> None:
    """An address for the kernels of this process."""
    addresses.choose()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--share", default="0/1", metavar="K/N", help="of the tests only each Nth, from number K on")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SOAK] = soak.prepare(config)
    config.stash[COMPLAINTS] = native.complaints()  # else the first notebook of each process would tell them


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which twin of the walk is tested, and why."""
    twin = "in Python" if native.WALKER is None else "native"
    return [f"the walk: {twin}", *config.stash[COMPLAINTS]]


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest groups begin; in a soak, properties are tried again; of a share the others are left out."""
    order = {group: place for place, group in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(group_of(item.nodeid), len(order)))
    if config.stash[SOAK]:
        soak.properties(items)
    first, every = map(int, config.getoption("share").split("/"))
    if every > 1:
        kept = items[first % every :: every]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def pytest_collection_finish() -> None:
    """What there is before the first test is not looked at by each `gc.collect` of a test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where there are several processes, the tests of a group stay in one: they share kernels.

    xdist's own groups do nothing under pytest 9.2, which keeps the ids of tests elsewhere.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log)


def group_of(nodeid: str) -> str:
    """The module of a test; those in a browser are one group, since they share it."""
    module = nodeid.partition("::")[0]
    return "tests/browser" if module.startswith("tests/browser/") else module
