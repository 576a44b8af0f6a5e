"""An environment of its own for kishu 0.3.4: made once, kept in a cache.

It has the versions of NumPy, pandas, IPython and ipykernel that this one has, so that the systems differ in nothing
else. `KISHU_BENCHMARK_CACHE` says where; else it lies in the user's cache directory, or in a temporary one.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from importlib import metadata
from pathlib import Path

from benchmarks.harness import BenchmarkError

KISHU = "kishu==0.3.4"
SAME = ("numpy", "pandas", "pyarrow", "ipykernel", "ipython", "dill")
SECONDS = 600


def kishu_python() -> str:
    """The interpreter of the environment, which is made where there is none.

    Raises:
        BenchmarkError: it cannot be made.
    """
    place = _cache() / f"kishu-0.3.4-{platform.python_implementation().lower()}{platform.python_version()}"
    wanted = "\n".join(_requirements())
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = place / "requirements.txt"  # written last: what is half made is made anew
    if not (python.exists() and ready.exists() and ready.read_text(encoding="utf-8") == wanted):
        try:
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=True)
            _pip(python, *_requirements())
            ready.write_text(wanted, encoding="utf-8")
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or getattr(error, "strerror", None) or type(error).__name__
            raise BenchmarkError(f"no environment for {KISHU}: {said.strip().splitlines()[-1]}") from error
    return str(python)


def _requirements() -> list[str]:
    installed = {each.metadata["Name"].lower(): each.version for each in metadata.distributions()}
    return [KISHU, *(f"{name}=={installed[name]}" for name in SAME if name in installed)]


def _pip(python: Path, *packages: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)


def _cache() -> Path:
    """A directory that can be written to."""
    named = os.environ.get("KISHU_BENCHMARK_CACHE")
    if named:
        return Path(named)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    place = home / "kishu-kernel-benchmarks"
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        return Path(tempfile.gettempdir()) / "kishu-kernel-benchmarks"
    return place
