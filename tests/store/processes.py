"""Other processes for the store's tests, and what they begin with."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

HEAD = """
    import os, sys, time
    from pathlib import Path
    from kishu_kernel.errors import StoreError
    from kishu_kernel.model import Version
    from kishu_kernel.store import LmdbStore
    from tests.store.values import checkpoint_id, payload, trivial
"""


def python(code: str, *arguments: object, **environ: str) -> subprocess.Popen[str]:
    """Another process, which can import what this one can."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, **environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def succeed(*processes: subprocess.Popen[str]) -> None:
    """They end well. A SIGBUS, for one, does not."""
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{process.returncode}\n{out}{err}"


def tell(process: subprocess.Popen[str]) -> None:
    """Let it go on, where it waits for a line."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    """Its next line."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        out, err = process.communicate(timeout=60)
        raise AssertionError(f"{process.returncode}\n{out}{err}")
    return line.strip()


def end(process: subprocess.Popen[str]) -> None:
    """At once, and whatever it is doing."""
    process.kill()
    process.communicate(timeout=60)
