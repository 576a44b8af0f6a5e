"""Files that another program lays hands on while a store is open: told, and never the end of the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from .processes import HEAD, python, succeed

LIVE = (
    HEAD
    + """
    import shutil
    from tests.store import workload
    path = Path(sys.argv[1])
    data, lock = path / "data.mdb", path / "lock.mdb"
    store = LmdbStore(path)
    for number in range(1, 7):
        workload.commit(store, number)
    old = data.read_bytes()
    for number in range(7, 10):
        workload.commit(store, number)
    whole = data.read_bytes()
    acts = {
        "commit": lambda: workload.commit(store, 99),
        "checkpoints": lambda: list(store.checkpoints()),
        "load": lambda: store.load(Version(("x",), checkpoint_id(2))),
        "refs": store.refs,
        "statistics": store.statistics,
        "collect": lambda: store.collect([], reason="a test"),
        "sweep": lambda: store._environment.copy(os.open(os.devnull, os.O_WRONLY)),
    }
    def over(content):
        with data.open("r+b") as file:
            file.write(content)
            file.truncate()
    def all_told(*words):
        for name, act in acts.items():
            try:
                act()
            except StoreError as error:
                assert any(word in str(error) for word in words), error
            else:
                sys.exit(f"{name} went on")
    """
)


def live(path: Path, what: str) -> None:
    succeed(python(LIVE + what, path))


@pytest.mark.parametrize("size", [0, 1, 4096, 8192, 100_000])
def test_a_data_file_that_is_cut_short(tmp_path: Path, size: int) -> None:
    live(
        tmp_path / "s",
        f"""
    os.truncate(data, {size})
    all_told("cut short")
    over(whole)  # put back
    workload.check(store, range(1, 10))
    workload.commit(store, 10)
    workload.check(store, range(1, 11))
    os.truncate(data, {size})
    all_told("cut short")
    store.close()
    """,
    )


@pytest.mark.parametrize("how", ["over(old)", "(path / 'old').write_bytes(old); os.replace(path / 'old', data)"])
def test_an_older_copy_laid_over_it(tmp_path: Path, how: str) -> None:
    live(
        tmp_path / "s",
        f"""
    {how}
    try:
        workload.commit(store, 10)
    except StoreError as error:
        assert "cut short" in str(error) or "replaced" in str(error), error
    else:
        sys.exit("not noticed")
    store.close()
    """,
    )


def test_an_older_copy_of_the_same_length(tmp_path: Path) -> None:
    live(
        tmp_path / "s",
        """
    over(old + bytes(len(whole) - len(old)))
    all_told("older copy")
    over(whole)
    workload.commit(store, 10)
    workload.check(store, range(1, 11))
    store.close()
    """,
    )


@pytest.mark.parametrize(
    "how",
    [
        "over(bytes(len(whole)))",
        "over(bytes(8192) + whole[8192:])",
        "over(bytes(4096) + whole[4096:])",
        "over(whole[:4096] + bytes(4096) + whole[8192:])",
        "over(b'x' * len(whole))",
        "over(whole[4096:] + whole[:4096])",
    ],
)
def test_a_beginning_that_is_overwritten(tmp_path: Path, how: str) -> None:
    live(tmp_path / "s", f"\n    {how}\n    all_told('replaced', 'cut short')\n    store.close()\n")


def test_pages_that_are_overwritten(tmp_path: Path) -> None:
    """The first pages are as they were: only the time of the last change tells."""
    live(
        tmp_path / "s",
        """
    time.sleep(0.05)  # a clock tick of the file system
    over(whole[:8192] + bytes(len(whole) - 8192))
    all_told("damaged")
    over(whole)
    workload.check(store, range(1, 10))
    workload.commit(store, 10)
    store.close()
    """,
    )


@pytest.mark.parametrize("how", ["os.truncate(lock, 0)", "os.truncate(lock, 64)", "lock.unlink()"])
def test_a_lock_file_that_goes_is_made_anew(tmp_path: Path, how: str) -> None:
    live(
        tmp_path / "s",
        f"""
    for number in range(10, 16):
        {how}
        workload.commit(store, number)
        {how}
        workload.check(store, range(1, number + 1))
    {how}
    store.close()
    store = LmdbStore(path)
    workload.check(store, range(1, 16))
    store.close()
    """,
    )


def test_another_process_writes_and_nothing_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "s"
    live(
        path,
        """
    import subprocess
    for number in range(20, 26):
        code = "; ".join([
            "import sys", "from pathlib import Path", "from kishu_kernel.store import LmdbStore",
            "from tests.store import workload", "store = LmdbStore(Path(sys.argv[1]))", "number = int(sys.argv[2])",
            "workload.commit(store, number)", "workload.commit(store, number + 100)", "store.close()",
        ])
        subprocess.run([sys.executable, "-c", code, sys.argv[1], str(number)], check=True)
        workload.check(store, [number, number + 100])
        workload.commit(store, number + 200)
    store.close()
    """,
    )
