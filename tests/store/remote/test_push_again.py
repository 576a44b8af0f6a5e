"""Who pushes again and again reads what has changed: it sends what a push sends that reads all."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from kishu_kernel.model import Checkpoint, CheckpointId, Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk import environment_pool, store_files
from kishu_kernel.store.disk.known_pages import USABLE, KnownPages, PagesLook
from kishu_kernel.store.remote import merging
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.collect import collect
from kishu_kernel.store.remote.holdings import KnownHoldings, read_holdings
from kishu_kernel.store.remote.lacking import what_is_lacking
from kishu_kernel.store.remote.link import remote_of
from kishu_kernel.store.remote.pull import pull
from kishu_kernel.store.remote.push import Pushed, push
from tests.store.values import checkpoint_id

from .remotes import AT_ONCE, Failing, Interrupted, add, memory_remote, name, values

STEPS = 40


def needed(_: object, refs: Mapping[str, CheckpointId]) -> list[Version]:
    """What has a tag: that goes there again, where it was removed."""
    return [Version(("x",), id) for name, id in refs.items() if name.startswith("tag/")]


class Notebook:
    """A history that goes to a remote with all that may happen to it and to that, drawn by lot."""

    def __init__(self, place: Path, seed: int) -> None:
        self.here, self.there, self.remote = place / "here", place / "there", memory_remote()
        self.known = KnownHoldings()
        self._place = place
        self._chance = random.Random(seed)
        self._states = 0
        self.run_cell()
        self.run_cell()
        push(self.here, self.remote, known=self.known, needed=needed)
        clone(self.remote, self.there)

    def step(self) -> None:
        often: list[Callable[[], object]] = [self.run_cell, self.amend, self.write_note, self.tag]
        rarely: list[Callable[[], object]] = [
            self.drop, self.write_elsewhere, self.pull, self.sweep, self.compact, self.copy, self.fail
        ]  # fmt: skip
        for _ in range(self._chance.choice((1, 1, 1, 2, 3, 6))):
            self._chance.choice(often)()
        if self._chance.random() < 0.4:
            self._chance.choice(rarely)()

    # what a kernel does

    def run_cell(self, path: Path | None = None) -> None:
        self._states += 1
        parent = self._chance.choice([number for number in range(self._states) if self._has(path or self.here, number)])
        data = self._chance.randbytes(self._chance.choice((10, 3000, 20_000)))
        add(path or self.here, self._states, parent, self._chance.choice(("main", "other")), data)

    def amend(self, path: Path | None = None) -> None:
        """Outputs of one length, and back: LMDB uses its pages again."""
        length = self._chance.choice((100, 9000))
        text = self._chance.choice("ab") * length
        self._change(path, outputs=({"output_type": "stream", "name": "stdout", "text": text},))

    def write_note(self) -> None:
        self._change(None, message=self._chance.choice(("one", "two", "")))

    def tag(self) -> None:
        name(self.here, self._chance.choice("xyz"), self._chance.choice((None, self._some(self.here))))

    def drop(self) -> None:
        store = LmdbStore(self.here)
        store.collect([Version(("x",), checkpoint_id(self._some(self.here)))], reason="it was dropped to save space")
        store.close()

    def compact(self) -> None:
        store_files.compact(self.here)

    # what others do

    def write_elsewhere(self) -> None:
        self._chance.choice((self.run_cell, self.amend))(self.there)
        push(self.there, self.remote)

    def pull(self) -> None:
        path = self._chance.choice((self.here, self.there))
        pull(path, self.remote, in_use=self._chance.random() < 0.5)

    def sweep(self) -> None:
        def choose(records: object, refs: object) -> tuple[list[Version], list[Version]]:
            return [Version(("x",), checkpoint_id(self._some(self.there)))], []

        collect(self.remote, remote_of(self.here), choose, **AT_ONCE)

    def copy(self) -> None:
        """The directory is copied, and the copy pushed: they are two from then on."""
        copied = self._place / f"copy-{self._states}"
        shutil.copytree(self.here, copied, dirs_exist_ok=True)
        self.run_cell(copied)
        push(copied, self.remote)

    def fail(self) -> None:
        at, heard = self._chance.randrange(1, 14), self._chance.random() < 0.5
        with suppress(Interrupted):
            push(self.here, Failing(self.remote, at, heard), known=self.known, needed=needed)

    # helpers

    def _has(self, path: Path, number: int) -> bool:
        return number == 0 or (path.exists() and checkpoint_id(number) in self._ids(path))

    def _ids(self, path: Path) -> set[CheckpointId]:
        store = LmdbStore(path)
        found = {each.id for each in store.checkpoints()}
        store.close()
        return found

    def _some(self, path: Path) -> int:
        return int(self._chance.choice(sorted(self._ids(path))), 16)

    def _change(self, path: Path | None, **fields: object) -> None:
        path = path or self.here
        store = LmdbStore(path)
        found: Checkpoint = store.checkpoint(checkpoint_id(self._some(path)))
        store.amend(replace(found, **fields), {})  # type: ignore[arg-type]
        store.close()


@pytest.mark.parametrize("seed", range(6))
def test_it_sends_what_a_push_sends_that_reads_all(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "TOGETHER", 4)
    notebook, chance = Notebook(tmp_path, seed), random.Random(-seed)
    for _ in range(STEPS):
        notebook.step()
        if chance.random() < 0.5:
            check_plans(notebook)
        if chance.random() < 0.7:
            push(notebook.here, notebook.remote, known=notebook.known, needed=needed)
            assert push(notebook.here, notebook.remote, needed=needed) == Pushed()
    push(notebook.here, notebook.remote, known=notebook.known, needed=needed)
    pull(notebook.here, notebook.remote)
    clone(notebook.remote, tmp_path / "after")
    assert values(tmp_path / "after").keys() == values(notebook.here).keys()


def check_plans(notebook: Notebook) -> None:
    link, known = remote_of(notebook.here), notebook.known.take()
    assert link is not None
    holdings = read_holdings(notebook.remote, link, known)
    with environment_pool.opened(notebook.here) as store:
        again = what_is_lacking(store, link, holdings, needed)
        assert again == what_is_lacking(store, link, replace(holdings, pages=KnownPages()), needed)
    notebook.known.give_back(holdings)


def test_what_was_removed_there_goes_there_again_from_pages_that_have_not_changed(tmp_path: Path) -> None:
    here, remote, known = tmp_path / "here", memory_remote(), KnownHoldings()
    for number in range(1, 60):
        add(here, number, data=b"%d" % number)
    for _ in range(2):
        push(here, remote, known=known, needed=needed)
    dropped = Version(("x",), checkpoint_id(5))
    collect(remote, remote_of(here), lambda *_: ([dropped], []), **AT_ONCE)
    for _ in range(2):
        assert push(here, remote, known=known, needed=needed) == Pushed()
    name(here, "mine", 5)
    assert push(here, remote, known=known, needed=needed).versions == 1
    clone(remote, tmp_path / "there")
    assert values(tmp_path / "there") == values(here)


@pytest.mark.skipif(not USABLE, reason="pages cannot be read here")
def test_it_reads_few_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, remote, known, read = tmp_path / "here", memory_remote(), KnownHoldings(), []
    rows_of = PagesLook.rows

    def rows(self: PagesLook, table: str) -> Iterator[tuple[bytes, memoryview]]:
        for each in rows_of(self, table):
            read.append(each)
            yield each

    monkeypatch.setattr(PagesLook, "rows", rows)
    for number in range(1, 200):
        add(here, number, data=b"%d" % number)
    push(here, remote, known=known)
    push(here, remote, known=known)
    assert len(read) > 1000
    store = LmdbStore(here)
    store.collect([Version(("x",), checkpoint_id(number)) for number in range(1, 150)], reason="it was dropped")
    store.close()
    assert push(here, remote, known=known) == Pushed()
    add(here, 200, data=b"200")
    read.clear()
    assert push(here, remote, known=known).checkpoints == 1
    assert len(read) < 150
