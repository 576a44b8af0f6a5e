"""Builds the JupyterLab extension and the native walker, and puts them into the wheel; run as a script, the former.

Law: the kernel never waits for them. Where there is no Node, no compiler or no network, the wheel is made without what
needs it, and says so in one line. The extension that was built from the same sources is reused, whatever the times of
the files are.

KISHU_LABEXTENSION=1: without it no wheel is made, and editable installs build it, too; 0: it is left out.
KISHU_PURE=1: the native walker is left out; 0: without it no wheel is made.
"""

from __future__ import annotations

import hashlib
import os
import runpy
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run as a script, by a Python that builds nothing
    BuildHookInterface = object  # type: ignore[assignment,misc]

SWITCH = "KISHU_LABEXTENSION"
PURE = "KISHU_PURE"
SHARED = "share/jupyter/labextensions/kishu-kernel"

_STAMP = ".sources"
"""In the built extension, not in the wheel: the digest of what it was built from."""
_BUILT = ("package.json", "install.json", "static", "schemas")
_PATIENCE = 600
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=30000")


class NotBuilt(Exception):
    """Why something is not there, as the end of a sentence."""


class Extension:
    """The sources of the extension below `root`, and what is built from them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources = root / "labextension"
        self.built = root / "kishu_kernel" / "labextension"

    @property
    def exists(self) -> bool:
        """Whether one was built, from whichever sources."""
        return all((self.built / name).exists() for name in _BUILT)

    @property
    def ready(self) -> bool:
        """Whether it was built from the present sources."""
        stamp = self.built / _STAMP
        return self.exists and stamp.is_file() and stamp.read_text("utf-8") == self.digest()

    def digest(self) -> str:
        """Of everything that it is built from."""
        state = hashlib.sha256()
        for file in self._files():
            content = file.read_bytes()
            state.update(f"{file.relative_to(self.root).as_posix()} {len(content)}\n".encode())
            state.update(content)
        return state.hexdigest()

    def shared_data(self) -> dict[str, str]:
        """Files and directories, and where they lie in an environment."""
        return {str(self.built / name): f"{SHARED}/{name}" for name in _BUILT}

    def build(self, *, check: bool = False) -> None:
        """Builds it anew; installs what that needs. Raises `NotBuilt`.

        Args:
            check: look at the types first, which needs JupyterLab's own packages.
        """
        if not self.sources.is_dir():
            raise NotBuilt("its sources are not here")
        digest = self.digest()
        if not self._installed("typescript" if check else "@jupyter/builder"):
            self._npm(*_INSTALL, *(() if check else ("--omit=peer",)))
        if check:
            self._npm("run", "check")
        self._npm("run", "build")
        shutil.copyfile(self.sources / "install.json", self.built / "install.json")
        (self.built / _STAMP).write_text(digest, "utf-8")

    def _files(self) -> Iterator[Path]:
        static = self.root / "kishu_kernel" / "frontend" / "panel" / "static"
        yield from (static / "timeline.css", static / "timeline.js", *sorted((static / "timeline").rglob("*.js")))
        for directory, below, names in sorted(os.walk(self.sources)):
            below[:] = [name for name in below if name != "node_modules"]
            if "node_modules" not in Path(directory).parts:
                yield from (Path(directory, name) for name in sorted(names))

    def _installed(self, package: str) -> bool:
        """Whether it lies there, as the lock file says."""
        modules = self.sources / "node_modules"
        known, lock = modules / ".package-lock.json", self.sources / "package-lock.json"
        here = (modules / package).is_dir() and known.is_file()
        return here and known.stat().st_mtime >= lock.stat().st_mtime

    def _npm(self, *arguments: str) -> None:
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            raise NotBuilt("there is no Node.js with npm")
        said = f"npm {arguments[-1] if arguments[0] == 'run' else arguments[0]}"
        try:
            done = subprocess.run(
                [npm, *arguments], cwd=self.sources, capture_output=True, text=True, errors="replace", timeout=_PATIENCE
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotBuilt(f"{said}: {error}") from None
        if done.returncode:
            lines = [line.removeprefix("npm error").strip() for line in (done.stdout + done.stderr).splitlines()]
            told = [line for line in lines if "error" in line.lower()] or lines
            raise NotBuilt(f"{said} failed: {''.join(told[:1])}")


class NativeWalker:
    """The C sources below `root`, of which a module for this Python is built."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sources = root / "kishu_kernel" / "native"
        self.name = f"walker{sysconfig.get_config_var('EXT_SUFFIX')}"

    def build(self, directory: Path) -> Path:
        """Builds the module below this directory. Raises `NotBuilt`."""
        if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
            raise NotBuilt("it is for CPython with its global lock")
        try:
            from setuptools import Distribution, Extension
            from setuptools.command.build_ext import build_ext
        except ImportError:
            raise NotBuilt("setuptools, which knows the compiler, is not here") from None
        sources = [file.relative_to(self.root).as_posix() for file in sorted(self.sources.glob("*.c"))]
        headers = [str(file) for file in self.sources.glob("*.h")]
        known = runpy.run_path(str(self.root / "kishu_kernel" / "process" / "native_sources.py"))
        macros = [("KISHU_SOURCES", f"{known['sources_digest'](self.sources):#x}ULL")]
        module = Extension("kishu_kernel.native.walker", sources, depends=headers, define_macros=macros)
        before = Path.cwd()
        try:
            os.chdir(self.root)  # sources are named from here, and so are what is built of them
            with tempfile.TemporaryDirectory() as temporary:
                command = build_ext(Distribution({"name": "kishu-kernel", "ext_modules": [module]}))
                command.build_lib, command.build_temp, command.force = str(directory), temporary, True
                command.ensure_finalized()
                command.run()
        except Exception as error:  # there is none; it has no headers of Python's; it does not understand the sources
            raise NotBuilt(f"no C compiler could build it ({str(error).strip() or type(error).__name__})") from None
        finally:
            os.chdir(before)
        return directory / "kishu_kernel" / "native" / self.name


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls before it makes a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds to the wheel what is built for it. `version` is "standard" or "editable"."""
        self._add_walker(version, build_data)
        self._add_extension(version, build_data)

    def _add_walker(self, version: str, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get(PURE, "")
        if wanted == "1":
            return
        walker = NativeWalker(Path(self.root))
        editable = version == "editable"
        self._temporary = tempfile.TemporaryDirectory()
        try:
            built = walker.build(walker.root if editable else Path(self._temporary.name))
        except NotBuilt as error:
            if wanted == "0":
                raise RuntimeError(f"the native walker cannot be built: {error}") from None
            self.app.display_warning(f"kishu-kernel: made without the native walker, and so slower: {error}")
            return
        if not editable:  # there it lies beside its sources
            build_data["force_include"][str(built)] = f"kishu_kernel/native/{built.name}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _add_extension(self, version: str, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get(SWITCH, "")
        if wanted == "0":
            return
        extension = Extension(Path(self.root))
        try:
            if version == "editable" and wanted != "1":
                if not extension.exists:
                    return
            elif not extension.ready:
                extension.build()
        except NotBuilt as error:
            if wanted == "1":
                raise RuntimeError(f"the JupyterLab extension cannot be built: {error}") from None
            self.app.display_warning(f"kishu-kernel: made without the JupyterLab extension: {error}")
            return
        build_data["shared_data"].update(extension.shared_data())


def main() -> int:
    """Checks the types and builds; the exit status."""
    extension = Extension(Path(__file__).resolve().parent)
    try:
        extension.build(check=True)
    except NotBuilt as error:
        print(f"the JupyterLab extension cannot be built: {error}", file=sys.stderr)
        return 1
    print(f"built {extension.built.relative_to(extension.root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
