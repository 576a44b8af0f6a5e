"""The wheel and the command line make the kernel selectable, here and in other environments."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from importlib.metadata import metadata, requires
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager, get_kernel_spec

import kishu_kernel
from kishu_kernel.frontend.kernel import launcher

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "kernelspec"
FILES = {"kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}
KERNELS = Path("share", "jupyter", "kernels")


def read_spec(directory: Path) -> dict[str, object]:
    return json.loads((directory / "kernel.json").read_text("utf-8"))


# -- the files ------------------------------------------------------------------------------------


def test_kernel_json_says_what_frontends_show_and_start() -> None:
    assert read_spec(SPEC) == {
        "argv": ["python", "-m", "kishu_kernel", "-f", "{connection_file}"],
        "display_name": "Python 3 (Kishu)",
        "language": "python",
        "metadata": {"debugger": True, "supported_encryption": ["curve"]},
        "kernel_protocol_version": "5.5",
    }


@pytest.mark.parametrize("pixels", [32, 64])
def test_logo_is_a_transparent_png_of_its_named_size(pixels: int) -> None:
    data = (SPEC / f"logo-{pixels}x{pixels}.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, _depth, colour_type = struct.unpack(">IIBB", data[16:26])
    assert (width, height) == (pixels, pixels)
    assert colour_type == 6  # RGBA


def test_version_is_the_distribution_s() -> None:
    assert metadata("kishu-kernel")["Version"] == kishu_kernel.__version__


def test_changelog_does_not_lag_behind_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## \[(Unreleased|{re.escape(kishu_kernel.__version__)})\]", text, re.M)


# -- the wheel ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    without_extension = {**os.environ, "KISHU_LABEXTENSION": "0"}  # that is test_labextension's
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120, env=without_extension)
    (path,) = directory.glob("kishu_kernel-*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_carries_the_kernelspec_as_data_files(wheel: zipfile.ZipFile) -> None:
    data = re.compile(r"kishu_kernel-[^/]+\.data/data/share/jupyter/kernels/kishu/(.+)")
    found = {m[1]: name for name in wheel.namelist() if (m := data.fullmatch(name))}
    assert set(found) == FILES
    for file, name in found.items():
        assert wheel.read(name) == (SPEC / file).read_bytes()


def test_wheel_has_jupyter_server_load_the_extension(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if "/etc/jupyter/jupyter_server_config.d/" in name)
    assert json.loads(wheel.read(name)) == {"ServerApp": {"jpserver_extensions": {"kishu_kernel.server": True}}}


def test_wheel_carries_what_the_install_command_copies(wheel: zipfile.ZipFile) -> None:
    assert {f"kishu_kernel/kernelspec/{file}" for file in FILES} <= set(wheel.namelist())


def test_wheel_is_typed_and_holds_no_more_than_the_package(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert "kishu_kernel/py.typed" in names
    assert {
        f"kishu_kernel/frontend/panel/static/{file}" for file in ("timeline.js", "timeline.css", "widget.js")
    } <= set(names)
    static = ROOT / "kishu_kernel" / "frontend" / "panel" / "static"
    assert {path.relative_to(ROOT).as_posix() for path in static.rglob("*.js")} <= set(names)
    tops = {name.split("/")[0] for name in names}
    assert all(top == "kishu_kernel" or re.match(r"kishu_kernel-[^/]+\.", top) for top in tops)


def test_installed_environment_selects_the_kernel() -> None:
    assert get_kernel_spec("kishu").display_name == "Python 3 (Kishu)"


def test_everything_the_package_needs_is_declared() -> None:
    declared = {
        re.split(r"[<>=!~;\[ ]", requirement)[0].lower().replace("-", "_")
        for requirement in requires("kishu-kernel") or ()
        if "extra ==" not in requirement
    }
    assert {"ipykernel", "ipython", "cloudpickle", "dill", "xxhash", "lmdb"} <= declared
    assert {"jupyter_client", "jupyter_core", "traitlets"} <= declared


# -- install and uninstall ------------------------------------------------------------------------


def test_install_names_this_interpreter(tmp_path: Path) -> None:
    assert launcher.main(["install", "--prefix", str(tmp_path)]) == 0
    directory = tmp_path / KERNELS / "kishu"
    assert {file.name for file in directory.iterdir()} == FILES
    spec = read_spec(directory)
    assert spec["argv"][0] == sys.executable
    assert spec["argv"][-4:] == ["-m", "kishu_kernel", "-f", "{connection_file}"]
    assert {**spec, "argv": None} == {**read_spec(SPEC), "argv": None}


def test_install_takes_a_name_and_a_display_name(tmp_path: Path) -> None:
    options = ["--prefix", str(tmp_path), "--name", "kishu-dev"]
    assert launcher.main(["install", *options, "--display-name", "Dev (50 % Kishu)"]) == 0
    assert read_spec(tmp_path / KERNELS / "kishu-dev")["display_name"] == "Dev (50 % Kishu)"
    assert launcher.main(["uninstall", *options]) == 0
    assert not list((tmp_path / KERNELS).iterdir())


def test_install_replaces_what_it_wrote_before(tmp_path: Path) -> None:
    for display_name in ("one", "two"):
        launcher.install(display_name=display_name, prefix=tmp_path)
    assert read_spec(tmp_path / KERNELS / "kishu")["display_name"] == "two"


def test_install_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert launcher.main(["install", "--user"]) == 0
    assert "kishu" in KernelSpecManager(kernel_dirs=[str(tmp_path / "kernels")]).find_kernel_specs()
    assert launcher.main(["uninstall", "--user"]) == 0
    assert not (tmp_path / "kernels" / "kishu").exists()


def test_install_into_sys_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert launcher.main(["install", "--sys-prefix"]) == 0
    assert (tmp_path / KERNELS / "kishu" / "kernel.json").is_file()


def test_other_python_finds_its_way(tmp_path: Path) -> None:
    """As a person types it, in a directory whose files would shadow the standard library."""
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    command = [sys.executable, "-m", "kishu_kernel", "install", "--prefix", "prefix"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (
        0,
        f"Installed kernelspec kishu in {tmp_path / 'prefix' / KERNELS / 'kishu'}\n",
    )


def test_uninstall_tells_when_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher.main(["uninstall", "--prefix", str(tmp_path)]) == 1
    assert "there is no kernelspec 'kishu' in" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["..", "../kernels", "", "a/b"])
def test_uninstall_leaves_its_directory_never(tmp_path: Path, name: str) -> None:
    launcher.install(prefix=tmp_path)
    assert launcher.main(["uninstall", "--prefix", str(tmp_path), "--name", name]) == 1
    assert (tmp_path / KERNELS / "kishu" / "kernel.json").is_file()


@pytest.mark.parametrize("text", ['{"argv": ["python", "-m", "other"]}', "not json", "[]"])
def test_uninstall_spares_other_kernels(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / KERNELS / "other"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(text)
    assert launcher.main(["uninstall", "--prefix", str(tmp_path), "--name", "other"]) == 1
    assert other.is_dir()
    assert "another kernel" in capsys.readouterr().err


def test_name_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launcher.main(["install", "--prefix", str(tmp_path), "--name", "a b"]) == 1
    assert "Invalid kernel name 'a b'" in capsys.readouterr().err
    assert not (tmp_path / "share").exists()


def test_unwritable_place_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")  # not permissions: root may write everywhere
    assert launcher.main(["install", "--prefix", str(in_the_way)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("kishu_kernel install: cannot write to")
    assert "--user" in error


def test_places_exclude_each_other() -> None:
    with pytest.raises(SystemExit) as stop:
        launcher.main(["install", "--user", "--sys-prefix"])
    assert stop.value.code == 2


def test_install_imports_no_kernel() -> None:
    """`install` must work where the kernel itself cannot start, and at once."""
    code = (
        "import sys; from kishu_kernel.frontend.kernel import launcher\n"
        "launcher.main(['uninstall', '--prefix', 'nowhere'])\n"
        "print([m for m in ('ipykernel', 'IPython', 'lmdb', 'dill') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    assert done.stdout == "[]\n", done.stderr
