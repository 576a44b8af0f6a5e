"""Environments of the compared systems: each made once, by itself, kept in a cache.

`requirements/workloads.txt` pins what the workloads use, and is part of each environment, so that systems differ in
nothing else; a system that does not work with one of these versions names its own in its file. The interpreter is the
one that runs the benchmark. `KISHU_BENCHMARK_CACHE` says where they lie; else it is the user's cache directory, or a
temporary one. What is half made, and what is wanted otherwise than it was made, is made anew.

    python -m benchmarks.environments [name ...]
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

from benchmarks.harness import ROOT, BenchmarkError

REQUIREMENTS = ROOT / "benchmarks" / "requirements"
COMMON = "workloads.txt"
OURS = "kishu-kernel"
NAMES = (OURS, "kishu-0.3.4", "elastic", "elastic-kernel", "ipyflow")
SECONDS = 1800
_here = False


def use_this_interpreter() -> None:
    """From now on "kishu-kernel" is the environment that the benchmark itself runs in: nothing is made for it."""
    global _here
    _here = True


def python(name: str) -> str:
    """The interpreter of an environment, which is made where there is none.

    "kishu-kernel" has this project's dependencies; the project itself comes from this checkout.

    Raises:
        BenchmarkError: it cannot be made.
    """
    if name == OURS and _here:
        return sys.executable
    return made(name, requirements(name))


def made(name: str, wanted: list[str]) -> str:
    """The interpreter of an environment of this name that has what is wanted, a line each.

    Raises:
        BenchmarkError: it cannot be made.
    """
    version = f"{platform.python_implementation().lower()}{platform.python_version()}"
    place = _cache() / f"{name}-{version}"
    interpreter = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = place / "requirements.txt"  # written last: what is half made is made anew
    if not _is(ready, wanted):
        with _alone(place.with_name(f"{place.name}.lock")):
            if not _is(ready, wanted):  # another process may have made it meanwhile
                _make(name, place, interpreter, wanted)
                ready.write_text("\n".join(wanted), encoding="utf-8")
    return str(interpreter)


def requirements(name: str) -> list[str]:
    """What is installed, a line each: the system's own ones replace those of the workloads."""
    if name not in NAMES:
        raise ValueError(f"no environment {name}")
    own = dependencies() if name == OURS else _lines(f"{name}.txt")
    pinned = {_project(line) for line in own if "==" in line}
    return [*own, *(line for line in _lines(COMMON) if _project(line) not in pinned)]


def dependencies() -> list[str]:
    """Those of this project, a line each."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return list(tomllib.load(file)["project"]["dependencies"])


def _lines(name: str) -> list[str]:
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    return [line for each in text.splitlines() if (line := each.partition("#")[0].strip())]


def _project(line: str) -> str:
    return line.partition("==")[0].partition("[")[0].lower().replace("_", "-")


def _is(ready: Path, wanted: list[str]) -> bool:
    return ready.exists() and ready.read_text(encoding="utf-8") == "\n".join(wanted)


def _make(name: str, place: Path, interpreter: Path, wanted: list[str]) -> None:
    print(f"making the environment of {name} in {place}", file=sys.stderr, flush=True)
    began = time.monotonic()
    command = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    try:
        shutil.rmtree(place, ignore_errors=True)
        venv.create(place, with_pip=True)
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchmarkError(f"no environment for {name}: {_reason(error)}") from error
    print(f"made it in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    """The installer's last line, its warnings apart."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not installed within {SECONDS} s"
    said = getattr(error, "stderr", None) or str(error)
    lines = [line for line in map(str.strip, said.splitlines()) if line]
    errors = [line for line in lines if not line.startswith(("WARNING", "[notice]"))]
    return [type(error).__name__, *lines, *errors][-1][:300]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other process of this machine is in here at the same time, where the system can tell."""
    with path.open("w") as file:
        try:
            import fcntl
        except ImportError:
            pass
        else:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cache() -> Path:
    """A directory that can be written to."""
    named = os.environ.get("KISHU_BENCHMARK_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    place = Path(named) if named else home / "kishu-kernel-benchmarks"
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        if named:
            raise
        place = Path(tempfile.gettempdir()) / "kishu-kernel-benchmarks"
        place.mkdir(exist_ok=True)
    return place


def main(names: list[str]) -> int:
    """Make these, or all; one that cannot be made does not stop the others."""
    failed = 0
    for name in names or NAMES:
        try:
            print(python(name))
        except BenchmarkError as error:
            print(error, file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
