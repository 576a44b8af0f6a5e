"""What a kernel and the commands leave on a disk is for its user only, whatever the umask."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel.conftest import Start
from tests.kernel.driver import environment_of

from .driving import thought

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")


def open_to_others(home: Path) -> dict[str, str]:
    """What others than its user may do something with, or what he cannot read and write himself."""
    found = {}
    for place in (path for path in home.rglob("*") if "ipython" not in path.parts):
        mode = stat.S_IMODE(place.lstat().st_mode)
        wanted = 0o700 if place.is_dir() else 0o600
        if mode != wanted and not place.is_socket():
            found[str(place.relative_to(home))] = oct(mode)
    return found


def command(home: Path, umask: int, *words: str) -> None:
    code = f"import os; os.umask({umask}); from kishu_kernel.frontend.command.commands import main; main()"
    started = [sys.executable, "-c", code, *words]
    subprocess.run(started, check=True, env=environment_of(home, {}), cwd=home, timeout=60)


@pytest.mark.parametrize("umask", [0o000, 0o277])
def test_files_are_for_their_user_only(start: Start, tmp_path: Path, umask: int) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    code = f"import os, runpy; os.umask({umask}); runpy.run_module('kishu_kernel', run_name='__main__', alter_sys=True)"
    kernel = start(home=home, command=(sys.executable, "-c", code))
    kernel.ok("import numpy; x = numpy.arange(1000)\nx")
    thought(kernel)
    store = kernel.done("status")["store"]["path"]
    kernel.done("export", path=str(home / "exported.ipynb"))
    kernel.done("gc")
    assert list(home.rglob("kishu-live-*"))
    assert open_to_others(home) == {}
    kernel.close()
    command(home, umask, "export", store, str(home / "bundle.kishu"))
    command(home, umask, "import", str(home / "bundle.kishu"), "--to", str(home / "stores" / "other"))
    for words in (["trust", store, "--yes"], ["fsck", store, "--repair"], ["gc", store]):
        command(home, umask, *words)
    assert (home / "stores" / "other" / "data.mdb").exists()
    assert open_to_others(home) == {}


def test_a_notebook_that_is_replaced_stays_as_open_as_it_was(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.ok("x = 1")
    there = tmp_path / "there.ipynb"
    there.write_text("{}")
    there.chmod(0o644)
    kernel.done("export", path=str(there), force=True)
    assert stat.S_IMODE(there.stat().st_mode) == 0o644


def test_a_directory_in_which_a_store_is_put_stays_as_open_as_it_was(start: Start, tmp_path: Path) -> None:
    shared, there = tmp_path / "shared", tmp_path / "there"
    for place in (shared, there):
        place.mkdir()
        place.chmod(0o755)
    kernel = start(environment={"KISHU_STORE_DIR": str(shared)})
    kernel.ok("x = 1")
    store = kernel.done("status")["store"]["path"]
    kernel.close()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert open_to_others(shared) == {}
    command(tmp_path, 0o022, "export", store, "book.kishu")
    command(tmp_path, 0o022, "import", "book.kishu", "--to", "there/store")
    assert stat.S_IMODE(there.stat().st_mode) == 0o755
    assert open_to_others(there) == {}


@pytest.mark.parametrize(("mode", "way_out"), [(0o660, "chmod 600"), (0o602, "chmod 600")])
def test_a_kernel_says_which_key_it_does_not_use(start: Start, tmp_path: Path, mode: int, way_out: str) -> None:
    key = tmp_path / "key"
    key.write_bytes(bytes(32))
    key.chmod(mode)
    kernel = start(environment={"KISHU_KEY_FILE": str(key)})
    kernel.ok("x = 1")
    assert way_out in str(kernel.done("status")["warnings"])
    assert kernel.ok("print(x)").stdout == "1\n"
