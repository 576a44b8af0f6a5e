"""Which C sources a native module was built from, as a number that is built into it.

Law: imports nothing of ours, since who builds the module runs this file alone (the hook of hatchling).
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "native"


def sources_digest(directory: Path = SOURCES) -> int:
    """Of 64 bits, of all sources in this directory; 0 where there are none, as where a wheel was installed."""
    digest = hashlib.sha256()
    files = sorted(name for name in os.listdir(directory) if name.endswith((".c", ".h"))) if directory.is_dir() else []
    for name in files:
        with open(f"{directory}/{name}", "rb", buffering=0) as file:
            content = file.read()
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return int.from_bytes(digest.digest()[:8], "big") if files else 0
