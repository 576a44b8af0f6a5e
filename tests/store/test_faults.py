"""Disks that are full, read-only, over quota, broken or without power: nothing reported is lost, and work goes on.

The faults happen in other processes: what must not happen is a SIGBUS, and that would end the tests."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import lmdb
import pytest

from kishu_kernel.errors import KishuError, StoreError
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk import locks

from . import workload
from .faults import CONTROL, after_power_loss, build_shim, read_log, small_disk
from .processes import HEAD, end, hear, python, succeed, tell
from .values import checkpoint_id, payload, trivial

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="faults are injected by means of POSIX")

WORKLOAD = "\n    from tests.store.workload import check, commit\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as place:
        yield place


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_shim(tmp_path_factory.mktemp("shim"))


def whole(path: Path) -> None:
    """LMDB's own verifier finds nothing, where this LMDB has one."""
    with suppress(ImportError):
        from lmdb.verify import verify

        verify(str(path))


# --- full


def test_a_full_disk_stops_checkpoints_until_it_has_room_again(disk: Path) -> None:
    process = python(
        HEAD
        + WORKLOAD
        + """
    disk = Path(sys.argv[1])
    def free():
        facts = os.statvfs(disk)
        return facts.f_bavail * facts.f_frsize
    def fill(leave):
        with open(disk / "other", "ab", buffering=0) as other:
            while free() > leave:
                other.write(bytes(min(free() - leave, 1 << 20)))

    for round, leave in enumerate([0, 4096, 8192, 12288, 20480, 40960, 200_000, 1_000_000]):
        path = disk / f"store{round}"
        store = LmdbStore(path)
        done = [1]
        commit(store, 1)
        fill(leave)
        failed = 0
        for number in range(2, 30):
            try:
                commit(store, number)
                done.append(number)
            except StoreError as error:
                assert "has no room left" in str(error), error
                assert str(path) in str(error)
                assert not store.contains(checkpoint_id(number))
                failed += 1
            check(store, done)
        assert failed
        store.close()
        store = LmdbStore(path)  # opens on the full disk
        check(store, done)
        (disk / "other").unlink()
        for number in range(2, 7):
            commit(store, number)
            done.append(number)
        check(store, done)
        store.close()
        for file in path.iterdir():
            file.unlink()
    """,
        disk,
    )
    succeed(process)


@pytest.mark.parametrize("there", ["nothing", "directory", "store"])
def test_opening_on_a_full_disk_is_refused_not_fatal(disk: Path, there: str) -> None:
    process = python(
        HEAD
        + """
    disk, there = Path(sys.argv[1]), sys.argv[2]
    path = disk / "store"
    if there == "store":
        LmdbStore(path).close()
        (path / "lock.mdb").unlink()  # as in a copy; LMDB writes its new one through memory
    elif there == "directory":
        path.mkdir()
    try:
        with open(disk / "other", "ab", buffering=0) as other:
            while other.write(bytes(4096)):
                pass
    except OSError:
        pass
    for _ in range(2):
        try:
            LmdbStore(path)
        except StoreError as error:
            assert "room" in str(error) or "cannot be created" in str(error), error
        else:
            sys.exit("opened")
    (disk / "other").unlink()
    store = LmdbStore(path)
    store.commit(trivial(1), [payload(b"s")], {})
    store.close()
    """,
        disk,
        there,
    )
    succeed(process)


@pytest.mark.parametrize("left", [0, 100, 4096])
def test_what_a_full_disk_left_of_a_new_store_is_begun_anew(path: Path, left: int) -> None:
    path.mkdir()
    with lmdb.Environment(str(path)):
        pass
    content = (path / "data.mdb").read_bytes()[:left]
    assert left < 4096 or any(content)
    (path / "data.mdb").write_bytes(content)
    store = LmdbStore(path)
    commit(store, 1)
    store.close()


def test_a_file_that_may_not_grow_counts_as_full(path: Path) -> None:
    """RLIMIT_FSIZE works for everybody, everywhere: here the write fails at very many places."""
    pytest.importorskip("resource")
    process = python(
        HEAD
        + WORKLOAD
        + """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = LmdbStore(Path(sys.argv[1]), map_size=1 << 20)
    done, failures, number = [], 0, 0
    for extra in [0, 1, 4095, 4096, 8192, 10_000, 50_000, 262_144, 1_000_000, 3_000_000] * 2:
        limit = os.path.getsize(Path(sys.argv[1], "data.mdb")) + extra
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        for _ in range(12):
            number += 1
            try:
                commit(store, number)
                done.append(number)
            except StoreError as error:
                assert "has no room left" in str(error), error
                failures += 1
                assert not store.contains(checkpoint_id(number))
        check(store, done)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        number += 1
        commit(store, number)
        done.append(number)
    assert failures > 20
    check(store, done)
    """,
        path,
    )
    succeed(process)
    whole(path)


# --- forbidden


def test_a_read_only_disk_is_told_and_can_be_read(disk: Path) -> None:
    store = LmdbStore(disk / "store")
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    process = python(
        HEAD
        + """
    from kishu_kernel.store.disk import environment_pool
    path = Path(sys.argv[1])
    for place in (path, path.parent / "new"):
        try:
            LmdbStore(place)
        except StoreError as error:
            assert "cannot be written" in str(error) or "cannot be created" in str(error), error
        else:
            sys.exit("opened")
    for files in (2, 1):
        opened = environment_pool.acquire(path, readonly=True)
        with opened.reading() as txn:
            assert txn.stat(opened.tables["checkpoints"])["entries"] == 0
        environment_pool.release(opened)
    """,
        disk / "store",
    )
    succeed(process)


def test_a_directory_that_may_not_be_written_is_told() -> None:
    """As somebody whom permissions bind: they do not bind root."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        path = Path(place, "stores", "store")
        process = python(
            HEAD
            + """
    path = Path(sys.argv[1])
    if os.geteuid() == 0:
        # what is imported on first use may lie where only root can read
        os.environ.update(KISHU_KEY_FILE=sys.argv[2] + "/first-key")
        store = LmdbStore(Path(sys.argv[2], "first"))
        store.commit(trivial(1), [payload(b"s")], {})
        store.close()
        path.parent.mkdir()
        os.chown(path.parent, 65534, 65534)
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    os.environ.update(KISHU_KEY_FILE=sys.argv[2] + "/key", HOME=sys.argv[2])
    store = LmdbStore(path)
    store.commit(trivial(1), [payload(b"s")], {})
    store.close()
    path.chmod(0o500)
    (path / "data.mdb").chmod(0o400)
    for place in (path, path / "below", path.parent.parent / "nobodys"):
        if place.parent == path.parent.parent and os.access(place.parent, os.W_OK):
            continue
        try:
            LmdbStore(place)
        except StoreError as error:
            assert "cannot be written" in str(error) or "cannot be created" in str(error), error
        else:
            sys.exit(f"opened {place}")
    assert path.stat().st_mode & 0o777 == 0o500  # what somebody closed stays closed
    path.chmod(0o700)
    (path / "data.mdb").chmod(0o600)
    assert LmdbStore(path).contains(checkpoint_id(1))
    """,
            path,
            place,
        )
        succeed(process)


# --- calls that fail


@pytest.mark.parametrize(
    ("kind", "error", "says"),
    [
        ("w", errno.EDQUOT, "has no room left"),
        ("w", errno.ENOSPC, "has no room left"),
        ("w", errno.EIO, "failed"),
        ("s", errno.EIO, "failed"),
        ("s", errno.ENOSPC, "has no room left"),
    ],
)
def test_any_call_may_fail(path: Path, shim: Path, kind: str, error: int, says: str) -> None:
    """The first, the second, ... of a commit: of pages, or of the page that makes them count."""
    process = python(
        HEAD
        + WORKLOAD
        + CONTROL
        + """
    path, kind, error, says = Path(sys.argv[1]), ord(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    store, done, number, failures = LmdbStore(path), [], 0, 0
    for nth in [1, 2, 3, 4, 5, 6, 8, 12] * 3:
        number += 1
        shim.fault_at(kind, nth, error)
        try:
            commit(store, number)
            done.append(number)
        except StoreError as failure:
            assert says in str(failure), failure
            failures += 1
        shim.fault_at(0, 0, 0)
        check(store, done)
        number += 1
        commit(store, number)  # in the same process, as if nothing had been
        done.append(number)
    assert failures >= 3, failures
    check(store, done)
    """,
        path,
        kind,
        error,
        says,
        LD_PRELOAD=str(shim),
    )
    succeed(process)
    whole(path)


def test_power_may_fail_at_any_moment(path: Path, shim: Path, tmp_path: Path) -> None:
    """All that was written is written down; disks are made of what was synced, and some of what was not."""
    log = tmp_path / "log"
    process = python(
        HEAD
        + WORKLOAD
        + CONTROL
        + """
    store = LmdbStore(Path(sys.argv[1]), map_size=1 << 20)
    for number in range(1, 25):
        commit(store, number)
        shim.fault_mark(number)
    """,
        path,
        LD_PRELOAD=str(shim),
        FAULTS_LOG=str(log),
    )
    succeed(process)
    entries = read_log(log)
    kinds = "".join(entry.kind for entry in entries)
    assert kinds.count("m") == 24
    for piece in kinds.split("m")[1:24]:
        # all pages, a sync, and then what makes them count, in a write that is durable by itself
        assert piece.rstrip("d").endswith("s"), piece
        assert piece.endswith("d"), piece

    random = Random(7)
    for turn in range(60):
        stop = random.randrange(kinds.index("m"), len(entries) + 1)
        done = kinds[:stop].count("m")
        place = tmp_path / f"after{turn}"
        place.mkdir()
        (place / "data.mdb").write_bytes(after_power_loss(entries[:stop], random))
        check_and_go_on(place, done)
        shutil.rmtree(place)


def test_a_power_loss_is_noticed_by_this_test(path: Path, shim: Path, tmp_path: Path) -> None:
    """Without syncing, checkpoints are lost: the simulation can tell."""
    log = tmp_path / "log"
    process = python(
        HEAD
        + WORKLOAD
        + CONTROL
        + """
    store = LmdbStore(Path(sys.argv[1]), sync=False)
    for number in range(1, 6):
        commit(store, number)
        shim.fault_mark(number)
    os.kill(os.getpid(), 9)
    """,
        path,
        LD_PRELOAD=str(shim),
        FAULTS_LOG=str(log),
    )
    process.communicate(timeout=60)
    entries = read_log(log)
    place = tmp_path / "after"
    place.mkdir()
    (place / "data.mdb").write_bytes(after_power_loss(entries, Random(1)))
    with pytest.raises((KishuError, AssertionError)):
        check_and_go_on(place, 5)


def check_and_go_on(place: Path, done: int) -> None:
    store = LmdbStore(place)
    try:
        workload.check(store, range(1, done + 1))
        workload.commit(store, done + 1)
        workload.commit(store, done + 2)
        workload.check(store, range(1, done + 3))
    finally:
        store.close()
    whole(place)


# --- files that changed


def test_a_file_cut_short_is_refused(path: Path, tmp_path: Path) -> None:
    """LMDB opens such a file, and dies of the missing pages when it reads them."""
    store = LmdbStore(path)
    for number in range(1, 9):
        workload.commit(store, number)
    store.close()
    size = (path / "data.mdb").stat().st_size
    script = (
        HEAD
        + WORKLOAD
        + """
    try:
        store = LmdbStore(Path(sys.argv[1]))
    except StoreError as error:
        assert "cut short" in str(error) or "is not a store" in str(error), error
    else:
        check(store, range(1, 9))
        sys.exit("opened")
    """
    )
    for left in (5000, 8191, 8192, size // 2, size - 4096, size - 1):
        place = tmp_path / str(left)
        place.mkdir()
        (place / "data.mdb").write_bytes((path / "data.mdb").read_bytes()[:left])
        succeed(python(script, place))


def test_a_file_cut_short_meanwhile_is_told(path: Path) -> None:
    process = python(
        HEAD
        + WORKLOAD
        + """
    store = LmdbStore(Path(sys.argv[1]))
    for number in range(1, 9):
        commit(store, number)
    os.truncate(Path(sys.argv[1], "data.mdb"), 100_000)
    for act in (
        lambda: commit(store, 9),
        lambda: list(store.checkpoints()),
        lambda: store.load(Version(("x",), checkpoint_id(2))),
    ):
        try:
            act()
        except Exception as error:
            assert "cut short" in str(error), error
        else:
            sys.exit("went on")
    """,
        path,
    )
    succeed(process)


@pytest.mark.parametrize("how", ["removed", "replaced", "moved"])
def test_a_store_that_is_no_longer_there_is_noticed(path: Path, how: str) -> None:
    store = LmdbStore(path)
    commit(store, 1)
    if how == "removed":
        shutil.rmtree(path)
    elif how == "replaced":
        other = LmdbStore(path.with_name("other"))
        other.close()
        os.replace(path.with_name("other") / "data.mdb", path / "data.mdb")
    else:
        path.rename(path.with_name("elsewhere"))
    with pytest.raises(StoreError, match="replaced" if how == "replaced" else "removed"):
        commit(store, 2)
    assert store.contains(checkpoint_id(1))  # what is open can still be read
    if how == "moved":
        path.with_name("elsewhere").rename(path)
        commit(store, 2)
    store.close()


# --- others who write


HOLDER = (
    HEAD
    + """
    store = LmdbStore(Path(sys.argv[1]))
    store.commit(trivial(1), [payload(b"s")], {})
    print("ready", flush=True)
    sys.stdin.readline()
    def work(txn):
        print("in", flush=True)
        time.sleep(300)
    store._environment.write(work)
    """
)


def commit(store: LmdbStore, number: int) -> None:
    store.commit(trivial(number), [payload(b"s")], {})


def test_a_writer_that_does_not_finish_is_not_waited_for_forever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = python(HOLDER, path)
    assert hear(holder) == "ready"
    store = LmdbStore(path)
    tell(holder)
    try:
        assert hear(holder) == "in"
        monkeypatch.setattr(locks, "TIMEOUT", 0.2)
        with pytest.raises(StoreError, match="another process"):
            commit(store, 2)
        assert store.contains(checkpoint_id(1))
    finally:
        end(holder)
    commit(store, 2)  # the turn ended with the process
    store.close()


def test_waiting_for_another_writer_can_be_interrupted(path: Path) -> None:
    holder = python(HOLDER, path)
    assert hear(holder) == "ready"
    waiting = python(
        HEAD
        + """
    import signal
    store = LmdbStore(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        store.commit(trivial(2), [], {})
    except KeyboardInterrupt:
        assert not store.contains(checkpoint_id(2))
    else:
        sys.exit("committed")
    print("interrupted", flush=True)
    sys.stdin.readline()
    store.commit(trivial(2), [], {})
    """,
        path,
    )
    assert hear(waiting) == "ready"
    tell(holder)
    try:
        assert hear(holder) == "in"
        tell(waiting)
        assert hear(waiting) == "interrupted"
    finally:
        end(holder)
    tell(waiting)
    succeed(waiting)


def test_a_child_that_outlives_its_kernel_holds_up_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child has its parent's open files, and so would keep the writer's lock."""
    fork = """
        child = os.fork()
        if not child:
            os.close(1)
            os.close(2)
            time.sleep(300)
            os._exit(0)
        print(child, flush=True)"""
    holder = python(HOLDER.replace('\n        print("in", flush=True)', fork), path)
    assert hear(holder) == "ready"
    tell(holder)
    child = int(hear(holder))
    monkeypatch.setattr(locks, "TIMEOUT", 10)
    try:
        end(holder)
        store = LmdbStore(path)
        commit(store, 2)
        store.close()
    finally:
        os.kill(child, signal.SIGKILL)
