"""Which C sources a native module was built from, as a number that is built into it.

Law: imports nothing of ours, since who builds the module runs this file alone (the hook of hatchling).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[1] / "native"


def sources_digest(directory: Path = SOURCES) -> int:
    """Of 64 bits, of all sources in this directory; 0 where there are none, as where a wheel was installed."""
    digest = hashlib.sha256()
    files = sorted((*directory.glob("*.c"), *directory.glob("*.h")), key=lambda file: file.name)
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode())
        digest.update(content)
    return int.from_bytes(digest.digest()[:8], "big") if files else 0
