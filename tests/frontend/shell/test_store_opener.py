"""The store of a session: where it is, what it may occupy, and disks that come late."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kishu_kernel.frontend.shell import store_opener
from kishu_kernel.frontend.shell.settings import StoreLocation
from kishu_kernel.frontend.shell.store_opener import MAX_BYTES, SHARE, StoreOpener
from kishu_kernel.model import Buffer, Payload, SessionId, Version
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store import LmdbStore, MemoryStore
from kishu_kernel.store.format.signing import KEY_FILE
from kishu_kernel.store.transfer import transfer
from tests.store.values import checkpoint_id, full, payload, trivial

HERE = SessionId("here")


class Opening:
    """An opener, and what it told."""

    def __init__(self, base: Path, limit: int | None = None) -> None:
        self.told: list[str] = []
        where = StoreLocation(base, limit=limit)
        self.opener = StoreOpener(where, HERE, lambda: str(base.parent / "book.ipynb"), self.told.append)

    def open(self) -> Timeline:
        return self.opener.open()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "stores"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_opener, "RETRY_SECONDS", 0.0)


@pytest.mark.usefixtures("impatient")
def test_what_could_not_be_kept_on_disk_goes_there_when_it_can(base: Path) -> None:
    base.write_text("in the way")
    made = Opening(base)
    timeline = made.open()
    assert timeline.store.statistics().path is None
    [told] = made.told
    assert str(base) in told
    assert "memory" in told
    block = bytes(range(256)) * 100
    first = timeline.append(trivial(1), [Payload(("x",), "cloudpickle", b"s", (Buffer(memoryview(block)),))])
    made.opener.retry(timeline)
    assert timeline.store.statistics().path is None
    base.unlink()
    made.opener.retry(timeline)
    second = timeline.append(trivial(2), [])
    timeline.set_name("tag/", "good", first.id)
    timeline.store.flush()
    assert "stored on disk" in made.told[-1]
    assert made.opener.place is not None
    later = LmdbStore(made.opener.place.path)
    assert {each.id for each in later.checkpoints()} == {first.id, second.id}
    assert later.refs() == {"branch/main": second.id, "head/here": second.id, "tag/good": first.id}
    target = bytearray(len(block))
    [blob] = later.load(Version(("x",), first.id)).blobs
    blob.readinto(memoryview(target))
    assert target == block
    later.close()
    timeline.store.close()


def test_it_is_not_tried_at_every_cell(base: Path) -> None:
    base.write_text("in the way")
    made = Opening(base)
    timeline = made.open()
    base.unlink()
    made.opener.retry(timeline)
    assert timeline.store.statistics().path is None


def test_the_limit_is_sensible_for_the_disk(base: Path) -> None:
    timeline = Opening(base).open()
    share = shutil.disk_usage(base).free // SHARE
    assert timeline.limit is not None
    assert timeline.limit <= MAX_BYTES
    assert timeline.limit == MAX_BYTES or abs(timeline.limit - share) < share / 2
    timeline.store.close()
    for limit, expected in ((0, None), (5_000, 5_000)):
        timeline = Opening(base, limit).open()
        assert timeline.limit == expected
        timeline.store.close()


def test_a_key_that_cannot_be_kept_is_told(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "file" / "key"))
    made = Opening(base)
    made.open().store.close()
    [told] = made.told
    assert "key" in told


def test_a_transfer_is_whole(tmp_path: Path) -> None:
    source, target = MemoryStore(), LmdbStore(tmp_path / "store")
    source.commit(
        replace(trivial(1), outputs=full(1).outputs), [payload(b"one", b"x" * 5000)], {"branch/main": checkpoint_id(1)}
    )
    source.commit(trivial(2), [payload(b"two")], {"branch/main": checkpoint_id(2)})
    transfer(source, target)
    assert target.refs() == {}
    assert [each.code for each in target.checkpoints()] == [each.code for each in source.checkpoints()]
    assert target.checkpoint(checkpoint_id(1)).outputs == source.checkpoint(checkpoint_id(1)).outputs
    for number, stream in ((1, b"one"), (2, b"two")):
        assert target.load(Version(("x",), checkpoint_id(number))).stream == stream
    target.close()


@pytest.mark.usefixtures("impatient")
def test_a_late_disk_keeps_its_own_names(base: Path) -> None:
    first = Opening(base).open()
    kept = first.append(trivial(1), [])
    first.set_name("tag/", "good", kept.id)
    first.store.close()
    aside = base.rename(base.with_name("aside"))
    base.write_text("in the way")
    made = Opening(base)
    made.opener._session = SessionId("second")
    timeline = made.open()
    mine = timeline.append(trivial(2), [])
    timeline.set_name("tag/", "good", mine.id)
    base.unlink()
    aside.rename(base)
    made.opener.retry(timeline)
    refs = timeline.store.refs()
    assert (refs["branch/main"], refs["tag/good"], refs["head/here"]) == (kept.id,) * 3
    assert (refs["branch/main-2"], refs["tag/good-2"], refs["head/second"]) == (mine.id,) * 3
    assert timeline.branch == "main-2"
    assert "main-2" in timeline.notices[0]
    timeline.store.close()


def broken(store: Path) -> bytes:
    """Makes the store in a directory one that LMDB would crash on; what it was."""
    whole = (store / "data.mdb").read_bytes()
    (store / "data.mdb").write_bytes(whole[:8192] + bytes(len(whole) - 8192))
    return whole


@pytest.mark.usefixtures("impatient")
def test_beside_a_damaged_store_another_one_is_begun(base: Path) -> None:
    before = Opening(base)
    timeline = before.open()
    first = timeline.append(trivial(1), [payload(b"one")])
    timeline.store.close()
    assert before.opener.place is not None
    own = before.opener.place.path
    whole = broken(own)
    made = Opening(base)
    timeline = made.open()
    [told] = made.told
    assert "damaged" in told
    assert "fsck --repair" in told
    beside = Path(str(timeline.store.statistics().path))
    assert str(beside) in told
    assert beside != own
    second = timeline.append(trivial(2), [payload(b"two")])
    made.opener.retry(timeline)
    timeline.store.close()

    again = Opening(base)  # the same one, as long as the notebook's own is damaged
    timeline = again.open()
    assert timeline.store.statistics().path == str(beside)
    assert timeline.store.contains(second.id)
    again.opener.retry(timeline)
    assert timeline.store.statistics().path == str(beside)
    (own / "data.mdb").write_bytes(whole)  # repaired
    again.opener.retry(timeline)
    assert timeline.store.statistics().path == str(own)
    assert timeline.store.contains(first.id)
    assert timeline.store.contains(second.id)
    assert timeline.store.load(Version(("x",), second.id)).stream == b"two"
    assert "now" in again.told[-1]
    timeline.store.close()
    assert Opening(base).open().store.contains(second.id)


def test_the_one_beside_can_be_damaged_too(base: Path) -> None:
    places = []
    for number in range(1, 4):
        made = Opening(base)
        timeline = made.open()
        timeline.append(trivial(number), [])
        timeline.store.close()
        assert made.opener.place is not None
        places.append(made.opener.place.path)
        broken(places[-1])
    assert len(set(places)) == 3
