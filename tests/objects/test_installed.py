"""Entry points are found where `importlib.metadata` finds them, whatever stands on the path."""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from kishu_kernel.objects.installed import entry_points

GROUP = "kishu_kernel.tests"
TEXT = f"[console_scripts]\nx = y:z\n\n[{GROUP}]\nmensura = mensura.kishu:Mensura\n"


def as_wheel(site: Path) -> Path:
    (site / "mensura-1.0.dist-info").mkdir(parents=True)
    (site / "mensura-1.0.dist-info" / "METADATA").write_text("Name: mensura\nVersion: 1.0\n")
    (site / "mensura-1.0.dist-info" / "entry_points.txt").write_text(TEXT)
    return site


def as_develop(site: Path) -> Path:
    (site / "Mensura.EGG-INFO").mkdir(parents=True)
    (site / "Mensura.EGG-INFO" / "PKG-INFO").write_text("Name: mensura\nVersion: 1.0\n")
    (site / "Mensura.EGG-INFO" / "entry_points.txt").write_text(TEXT)
    return site


def as_egg(site: Path) -> Path:
    egg = site / "mensura-1.0-py3.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Name: mensura\nVersion: 1.0\n")
    (egg / "EGG-INFO" / "entry_points.txt").write_text(TEXT)
    return egg


def as_archive(site: Path) -> Path:
    site.mkdir()
    with zipfile.ZipFile(site / "all.zip", "w") as file:
        file.writestr("mensura-1.0.dist-info/METADATA", "Name: mensura\nVersion: 1.0\n")
        file.writestr("mensura-1.0.dist-info/entry_points.txt", TEXT)
    return site / "all.zip"


@pytest.mark.parametrize("installed", [as_wheel, as_develop, as_egg, as_archive])
def test_they_are_found(installed: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed(tmp_path / "site"))
    monkeypatch.syspath_prepend(tmp_path / "missing")
    [point] = entry_points(GROUP)
    assert [point] == list(importlib.metadata.entry_points(group=GROUP))
    assert (point.name, point.value) == ("mensura", "mensura.kishu:Mensura")


def test_import_hooks_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_wheel(tmp_path / "site")

    class Hook:
        def find_spec(self, *_: object) -> None:
            return None

        def find_distributions(self, _: object) -> list[importlib.metadata.Distribution]:
            return [importlib.metadata.PathDistribution(tmp_path / "site" / "mensura-1.0.dist-info")]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Hook()])
    assert [each.name for each in entry_points(GROUP)] == ["mensura"]


def test_nothing_is_asked_where_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_wheel(tmp_path / "site")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "site"), str(tmp_path / "missing")])
    hooks = [each for each in sys.meta_path if each is PathFinder or not hasattr(each, "find_distributions")]
    monkeypatch.setattr(sys, "meta_path", hooks)  # setuptools, where something imported it, has one that is asked
    monkeypatch.delattr(importlib.metadata, "entry_points")
    assert entry_points("kishu_kernel.others") == []
