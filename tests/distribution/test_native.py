"""The wheel holds the native walker where there is a compiler, says so, and is made without it elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = f"kishu_kernel/native/walker{sysconfig.get_config_var('EXT_SUFFIX')}"
COMPILER = (sysconfig.get_config_var("CC") or "").split()[:1]


def wheel(directory: Path, **environment: str) -> tuple[str, set[str], str]:
    """The name of a wheel that is built so, what is in it, and what was said."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "KISHU_LABEXTENSION": "0", **environment},
    )
    (path,) = directory.glob("kishu_kernel-*.whl")
    with zipfile.ZipFile(path) as archive:
        return path.name, set(archive.namelist()), done.stdout + done.stderr


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")) or sys.platform == "win32" or not COMPILER,
    reason="no native walker is built here",
)
def test_a_wheel_with_a_binary_says_for_which_python_it_is(tmp_path: Path) -> None:
    if subprocess.run(["which", *COMPILER], capture_output=True).returncode:
        pytest.skip("there is no compiler")
    before = set((ROOT / "kishu_kernel" / "native").iterdir())
    name, files, _ = wheel(tmp_path, KISHU_PURE="0")
    version = f"cp3{sys.version_info.minor}"
    assert f"-{version}-{version}-" in name
    assert NAME in files
    assert not any(file.endswith((".c", ".h")) for file in files)
    assert set((ROOT / "kishu_kernel" / "native").iterdir()) == before


def test_without_a_compiler_the_wheel_is_for_any_python_and_says_so_in_one_line(tmp_path: Path) -> None:
    name, files, said = wheel(tmp_path, CC="/nowhere/cc")
    assert name.endswith("-py3-none-any.whl")
    assert not any("/native/" in file for file in files)
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        [line] = [each for each in said.splitlines() if "native walker" in each]
        assert "no C compiler could build it" in line


def test_who_wants_none_gets_none(tmp_path: Path) -> None:
    name, _, said = wheel(tmp_path, KISHU_PURE="1")
    assert name.endswith("-py3-none-any.whl")
    assert "native" not in said


@pytest.mark.parametrize(("switch", "native"), [("1", False), ("", None)])
def test_who_wants_none_when_it_runs_uses_none(switch: str, native: bool | None) -> None:
    code = (
        "from kishu_kernel.detect.walk.twins import chosen, PURE\n"
        "from kishu_kernel.detect.fingerprint import Fingerprinter\n"
        "from kishu_kernel.objects.reduction_table import ReductionTable\n"
        "print(chosen() is not PURE, Fingerprinter(ReductionTable({})).take([[1], {2: []}]).digest.hex())"
    )
    environment = {**os.environ, "KISHU_PURE": switch}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    used, digest = done.stdout.split()
    assert native is None or used == str(native)
    assert digest == "2f5d0071cd092de2d4251a628ef0e40c"
