"""Whose an imported module is."""

from __future__ import annotations

import importlib
import sys
import zipfile
from pathlib import Path

import pytest

from kishu_kernel.process.code_origins import is_users_module


def _package(home: Path, name: str, *, listed: bool = False) -> None:
    (home / name).mkdir(parents=True)
    (home / name / "__init__.py").write_text("")
    info = home / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n" if listed else "other/__init__.py,,\nother.py,,\n")


def _module(home: Path, name: str) -> None:
    (home / f"{name}.py").write_text("")
    (home / f"{name}-1.0.dist-info").mkdir()
    (home / f"{name}-1.0.dist-info" / "RECORD").write_text(f"{name}.py,sha256=x,1\n")


def _namespace(home: Path, name: str) -> None:
    (home / name / "part").mkdir(parents=True)
    (home / name / "part" / "__init__.py").write_text("")
    (home / "part-1.0.dist-info").mkdir()
    (home / "part-1.0.dist-info" / "RECORD").write_text(f"{name}/part/__init__.py,,\n")


def _project(home: Path, name: str) -> None:
    _package(home, name)
    (home / f"{name}.egg-info").mkdir()
    (home / f"{name}.egg-info" / "top_level.txt").write_text(name)


CASES = {
    "beside what is installed": (_package, True),
    "a project's source": (_project, True),
    "a file": (lambda home, name: (home / f"{name}.py").write_text(""), True),
    "installed there": (lambda home, name: _package(home, name, listed=True), False),
    "a file that is installed there": (_module, False),
    "a package without a file": (_namespace, False),
}


@pytest.mark.parametrize("case", CASES)
def test_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    make, own = CASES[case]
    name = f"origins_{case.replace(' ', '_').replace(chr(39), '')}"
    make(tmp_path, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module(name)
    assert is_users_module(name) is own
    del sys.modules[name]


@pytest.mark.parametrize("inside", ["", "python"])
def test_what_lies_in_an_archive_is_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    name = f"origins_archived{inside}"
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(f"{inside}/{name}/__init__.py".lstrip("/"), "")
    monkeypatch.syspath_prepend(str(tmp_path / "all.zip" / inside))
    importlib.import_module(name)
    assert not is_users_module(name)
    del sys.modules[name]
