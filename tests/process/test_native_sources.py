"""A native module that was built from other sources than those beside it is not used, and the user is told, once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kishu_kernel.process import native
from kishu_kernel.process.native_sources import SOURCES, sources_digest
from tests.support.harness import Notebook

IMPORTED = """
import sys, types
sys.modules["kishu_kernel.native.walker"] = module = types.ModuleType("walker")
{}
from kishu_kernel.process import audit_hook, native
from kishu_kernel.detect.walk.twins import NATIVE
from kishu_kernel.objects.codec import pickling
assert native.WALKER is NATIVE is None
[told] = native.complaints()
assert "built from other sources" in told and "pip install" in told
assert native.complaints() == []
"""


@pytest.mark.skipif(not SOURCES.is_dir(), reason="the sources are not here")
@pytest.mark.parametrize("made", ["", "module.Parts = list", "module.sources = 1; module.peek = lambda obj: None"])
def test_a_module_of_other_sources_is_not_used(made: str) -> None:
    environment = {**os.environ, native.PURE_SWITCH: ""}
    code = IMPORTED.format(made)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(native.WALKER is None, reason="there is no native module")
def test_the_module_is_built_from_the_sources_that_are_here() -> None:
    assert native.WALKER.sources == sources_digest()


def test_sources_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    assert sources_digest(tmp_path) == sources_digest(tmp_path / "nowhere") == 0
    (tmp_path / "walker.so").write_bytes(b"built")
    assert sources_digest(tmp_path) == 0
    (tmp_path / "walk.c").write_text("int one;")
    one = sources_digest(tmp_path)
    (tmp_path / "walk.h").write_text("int two;")
    two = sources_digest(tmp_path)
    (tmp_path / "walk.h").write_text("int six;")
    assert len({0, one, two, sources_digest(tmp_path)}) == 4


def test_the_user_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_complaints", [native.OUTDATED])
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("x = 1")
    notebook.ok("x = 2")
    assert notebook.warnings == [native.OUTDATED]
