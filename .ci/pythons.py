"""The kernel's contract on the oldest and the newest Python of this machine, beside the one that runs all tests.

The argument is where the environments are made. Pythons are looked for on PATH and among pyenv's. The workflows in
.github/workflows run more on each of them.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ["hypothesis", "jupyter_kernel_test", "nbformat", "numpy", "pytest>=8", "pytest-timeout"]
TESTS = ["tests/conformance/test_jupyter_kernel.py", "tests/kernel/test_sources.py::test_in_a_new_kernel"]

Version = tuple[int, int]


def main(work: Path) -> None:
    """Exits with the status of the first one that fails."""
    others = {version: python for version, python in found().items() if version != sys.version_info[:2]}
    if not others:
        print("no other Python from 3.10 on is here: nothing was tried")
    for version in sorted({min(others), max(others)} if others else ()):
        environment = work / ".".join(map(str, version))
        print(f"-- {others[version]}", flush=True)
        run(others[version], "-m", "venv", str(environment))
        python = str(environment / "bin" / "python")
        run(
            python,
            "-m",
            "pip",
            "install",
            "-qq",
            "--disable-pip-version-check",
            "--no-compile",
            "-e",
            str(ROOT),
            *TOOLS,
        )
        run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)


def found() -> dict[Version, str]:
    """The Pythons that run, by their versions."""
    pythons: dict[Version, str] = {}
    for candidate in candidates():
        asked = subprocess.run(
            [candidate, "-c", "import sys, ensurepip; print(*sys.version_info[:2])"], capture_output=True, text=True
        )
        if not asked.returncode and (said := re.fullmatch(r"(3) (\d+)\s*", asked.stdout)):
            version = int(said[1]), int(said[2])
            if version >= (3, 10):
                pythons.setdefault(version, candidate)
    return pythons


def candidates() -> Iterator[str]:
    """What may be one; pyenv's own names for them may lead nowhere."""
    names = [f"python3.{minor}" for minor in range(10, 20)]
    yield from filter(None, map(shutil.which, names))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(str(each) for each in pyenv.glob("versions/3.*/bin/python"))


def run(*command: str) -> None:
    """Runs a command; exits where it fails."""
    status = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode
    if status:
        sys.exit(status)


main(Path(sys.argv[1]))
