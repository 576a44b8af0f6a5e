"""The kernel's contract on the oldest and the newest Python of this machine, beside the one that runs all tests.

The argument is where the environments are made. Pythons are looked for on PATH and among pyenv's. Of `tests/kernel`
each takes one test in `SHARES`, and each commit others, so that all are run in time; `KISHU_SHARES=1` runs all, and
.github/workflows runs all tests on each Python.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = [
    *("hypothesis", "ipywidgets", "jupyter_console", "jupyter_kernel_test", "matplotlib", "nbclient", "nbformat"),
    *("numpy", "pandas", "pytest>=8", "pytest-timeout", "scikit-learn"),
]
EXTRAS = "panel,remote,team"
SHARES = int(os.environ.get("KISHU_SHARES", "24"))

Version = tuple[int, int]

NOT_YET: dict[Version, tuple[str, ...]] = {}
"""What fails there, with what is known of it. To be struck out as it is mended."""


def main(work: Path) -> None:
    """Exits with the status of the first one that fails."""
    others = {version: python for version, python in found().items() if version != sys.version_info[:2]}
    if not others:
        print("no other Python from 3.10 on is here: nothing was tried")
    source = copy(work / "source")
    turn = int(commit(), 16)
    for number, version in enumerate(sorted({min(others), max(others)} if others else ())):
        environment = work / ".".join(map(str, version))
        print(f"-- {others[version]}", flush=True)
        run(source, others[version], "-m", "venv", str(environment))
        python = str(environment / "bin" / "python")
        quiet = ["-qq", "--disable-pip-version-check", "--no-compile"]
        run(source, python, "-m", "pip", "install", *quiet, "-e", f".[{EXTRAS}]", *TOOLS)
        test = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        run(source, *test, "tests/conformance", "tests/kernel/test_sources.py::test_in_a_new_kernel")
        without = [f"--deselect={each}" for each in NOT_YET.get(version, ())]
        run(source, *test, *without, f"--share={(turn + number) % SHARES}/{SHARES}", "tests/kernel")


def copy(to: Path) -> Path:
    """What is tested, where nothing is built beside the sources that others test at the same time."""
    unwanted = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "build")
    return Path(shutil.copytree(ROOT, to, ignore=unwanted))


def commit() -> str:
    """Of what is tested; 0 where Git does not know."""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return asked.stdout.strip() or "0"


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


def run(where: Path, *command: str) -> None:
    """Runs a command; exits where it fails."""
    unwanted = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")  # each kernel would compile all that it imports
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    status = subprocess.run(command, cwd=where, env=environment, stdin=subprocess.DEVNULL).returncode
    if status:
        sys.exit(status)


main(Path(sys.argv[1]))
