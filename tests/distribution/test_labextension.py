"""The JupyterLab extension comes into the wheel where it can be built, and the wheel comes without it elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

import kishu_kernel

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "labextension"
PLACE = "share/jupyter/labextensions/kishu-kernel/"
PARTS = ("hatch_build.py", "kernelspec", "kishu_kernel", "labextension", "pyproject.toml", "README.md", "LICENSE")


def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The project, without an extension that is built."""
    directory = tmp_path / "project"
    directory.mkdir()
    for name in (*PARTS, ".gitignore"):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(ROOT / name, directory / name, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, directory)
    shutil.rmtree(directory / "kishu_kernel" / "labextension", ignore_errors=True)
    return directory


def pretend_built(tree: Path) -> None:
    """As if it had been built from the sources as they are."""
    extension = hook().Extension(tree)
    (extension.built / "static").mkdir(parents=True)
    (extension.built / "schemas").mkdir()
    for name in ("package.json", "install.json", "static/remoteEntry.js", "schemas/plugin.json"):
        (extension.built / name).write_text("{}")
    (extension.built / ".sources").write_text(extension.digest())


def built(tree: Path, target: str = "wheel", node: bool = False, **switch: str) -> subprocess.CompletedProcess[str]:
    """What hatchling says when it builds it, by default where there is no Node.js."""
    environment = {name: value for name, value in os.environ.items() if name != "KISHU_LABEXTENSION"}
    if not node:
        environment["PATH"] = str(tree / "nothing")
    if target == "wheel:editable":  # in the way for which hatchling needs no further package
        with (tree / "pyproject.toml").open("a") as file:
            file.write('\n[tool.hatch.build]\ndev-mode-dirs = ["."]\n')
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(tree / "dist")]
    return subprocess.run(
        command, cwd=tree, env=environment | switch, capture_output=True, text=True, timeout=240, check=False
    )


def shipped(tree: Path) -> set[str]:
    """The files of the extension in the wheel; each name once, and none in the package."""
    (wheel,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if name.startswith("kishu_kernel/labextension")]
    found = [name.split(PLACE)[1] for name in names if PLACE in name]
    assert len(found) == len(set(found))
    return set(found)


PRETENDED = {"package.json", "install.json", "static/remoteEntry.js", "schemas/plugin.json"}


def test_version_is_the_package_s() -> None:
    assert json.loads((SOURCES / "package.json").read_text())["version"] == kishu_kernel.__version__


def test_lock_file_names_no_host() -> None:
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    assert lock["version"] == kishu_kernel.__version__
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
    assert all(package.get("integrity") for name, package in lock["packages"].items() if name)


def test_no_node_no_extension_and_one_line(tree: Path) -> None:
    done = built(tree)
    assert done.returncode == 0, done.stderr
    assert shipped(tree) == set()
    told = [line for line in done.stderr.splitlines() if "JupyterLab extension" in line]
    assert told == ["kishu-kernel: made without the JupyterLab extension: there is no Node.js with npm"]


def test_a_release_is_not_made_without_it(tree: Path) -> None:
    done = built(tree, KISHU_LABEXTENSION="1")
    assert done.returncode != 0
    assert "the JupyterLab extension cannot be built: there is no Node.js with npm" in done.stderr


def test_what_is_built_is_taken(tree: Path) -> None:
    pretend_built(tree)
    assert built(tree).returncode == 0
    assert shipped(tree) == PRETENDED


@pytest.mark.parametrize(
    "source", ["labextension/src/index.ts", "kishu_kernel/frontend/panel/static/timeline/view/panel.js"]
)
def test_other_sources_than_it_was_built_from(tree: Path, source: str) -> None:
    pretend_built(tree)
    with (tree / source).open("a") as file:
        file.write("// changed\n")
    assert built(tree).returncode == 0
    assert shipped(tree) == set()


def test_it_can_be_left_out(tree: Path) -> None:
    pretend_built(tree)
    assert built(tree, KISHU_LABEXTENSION="0").returncode == 0
    assert shipped(tree) == set()


@pytest.mark.parametrize("changed", [False, True])
def test_editable_installs_take_what_is_there(tree: Path, changed: bool) -> None:
    pretend_built(tree)
    if changed:
        (tree / "labextension" / "src" / "index.ts").write_text("// changed\n")
    assert built(tree, "wheel:editable").returncode == 0
    assert shipped(tree) == PRETENDED


def test_editable_installs_build_nothing(tree: Path) -> None:
    done = built(tree, "wheel:editable")
    assert (done.returncode, "extension" in done.stderr) == (0, False)
    assert shipped(tree) == set()


def test_sdist_with_the_built_one_needs_no_node(tree: Path) -> None:
    pretend_built(tree)
    assert built(tree, "sdist").returncode == 0
    (archive,) = (tree / "dist").glob("*.tar.gz")
    unpacked = tree / "unpacked"
    with tarfile.open(archive) as file:
        if sys.version_info >= (3, 12):
            file.extractall(unpacked, filter="data")
        else:
            file.extractall(unpacked)
    (project,) = unpacked.iterdir()
    assert built(project).returncode == 0
    assert shipped(project) == PRETENDED


@pytest.mark.soak  # `scripts/labextension` does it, too
def test_node_builds_it(tree: Path) -> None:
    modules = SOURCES / "node_modules"
    if shutil.which("npm") is None or not modules.is_dir():
        pytest.skip("no Node.js, or scripts/labextension was not run: it installs what the build needs")
    (tree / "labextension" / "node_modules").symlink_to(modules)
    done = built(tree, node=True, KISHU_LABEXTENSION="1")
    assert done.returncode == 0, done.stderr
    names = shipped(tree)
    assert {"package.json", "install.json", "schemas/kishu-kernel/plugin.json"} <= names
    assert [name for name in names if name.startswith("static/remoteEntry.")]
    metadata = json.loads((tree / "kishu_kernel" / "labextension" / "package.json").read_text())
    assert metadata["jupyterlab"]["_build"]["extension"] == "./extension"
