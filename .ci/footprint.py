"""Install the sdist into a fresh environment beside ipykernel, and see what that brought: few packages, few megabytes.

The arguments are the sdist and where the environment is made. What it prints are the figures of docs/design/063.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path

PACKAGES = 6
"""Beside ours, at most: what it needs beyond ipykernel."""
MEGABYTES = 25
"""Of these, of ours, and of what Python compiles of all."""


def main(sdist: Path, environment: Path) -> None:
    """Exit with a message where it brings more, or does not bring all of its own."""
    venv.create(environment, with_pip=True)
    pip(environment, "install", "-q", "ipykernel")
    before, size = packages(environment), occupied(environment)
    pip(environment, "install", "-q", str(sdist))
    brought = sorted(packages(environment) - before - {"kishu-kernel"})
    megabytes = (occupied(environment) - size) / 1e6
    print(f"beyond ipykernel's: {len(brought)} packages ({', '.join(brought)}), {megabytes:.1f} MB with ours")
    assert len(brought) <= PACKAGES, brought
    assert megabytes <= MEGABYTES, megabytes
    assert (environment / "share/jupyter/kernels/kishu/kernel.json").is_file()


def pip(environment: Path, *arguments: str) -> str:
    """What pip says in the environment."""
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    command = [str(python), "-m", "pip", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def packages(environment: Path) -> set[str]:
    """Names of what is installed."""
    return {each["name"] for each in json.loads(pip(environment, "list", "--format=json"))}


def occupied(environment: Path) -> int:
    """Bytes of its files."""
    return sum(file.stat().st_size for file in environment.rglob("*") if file.is_file() and not file.is_symlink())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
