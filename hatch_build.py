"""Builds the JupyterLab extension and puts it into the wheel; run as a script, builds and checks it only.

Law: the kernel never waits for it. Where there is no Node, or no network, the wheel is made without the extension and
says so in one line. What was built from the same sources is reused, whatever the times of the files are.

KISHU_LABEXTENSION=1: without it no wheel is made, and editable installs build it, too; 0: it is left out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run as a script, by a Python that builds nothing
    BuildHookInterface = object  # type: ignore[assignment,misc]

SWITCH = "KISHU_LABEXTENSION"
SHARED = "share/jupyter/labextensions/kishu-kernel"

_STAMP = ".sources"
"""In the built extension, not in the wheel: the digest of what it was built from."""
_BUILT = ("package.json", "install.json", "static", "schemas")
_PATIENCE = 600
_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=30000")


class NotBuilt(Exception):
    """Why there is no extension, as the end of a sentence."""


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


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls before it makes a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the extension to the wheel's data files. `version` is "standard" or "editable"."""
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
