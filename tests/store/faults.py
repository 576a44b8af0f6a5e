"""Faults that really happen: a disk of a few megabytes, and system calls that fail or are written down."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

SHIM = Path(__file__).with_name("faults.c")
PAGE = 4096

CONTROL = """
    import ctypes
    shim = ctypes.CDLL(None)
"""
"""In a process that the shim is loaded into. `shim.fault_at(kind, nth, errno)`: b"w"[0] a write, b"s"[0] a sync."""


@contextmanager
def small_disk(place: Path, size: str = "8m") -> Iterator[Path]:
    """A file system of its own; skips where this user may not mount."""
    place.mkdir()
    if os.name == "nt" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip(f"mounting a small disk is not permitted: {done.stderr.decode()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def build_shim(place: Path) -> Path:
    """The library to preload; skips where there is no compiler, or no preloading."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler and LD_PRELOAD")
    library = place / "faults.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl", "-lpthread"], check=True)
    return library


class Entry(NamedTuple):
    """What a process did to its data file. `kind`: w(rite), d(urable write), s(ync), t(runcate) or m(ark)."""

    kind: str
    offset: int
    data: bytes


def read_log(path: Path) -> list[Entry]:
    """What the shim wrote down."""
    content, at, entries = path.read_bytes(), 0, []
    head = struct.Struct("<cQQ")
    while at < len(content):
        kind, offset, length = head.unpack_from(content, at)
        at += head.size
        entries.append(Entry(kind.decode(), offset, content[at : at + length]))
        at += length
    return entries


def after_power_loss(entries: list[Entry], random: Random) -> bytes:
    """What can be on the disk after these: all that was synced, and any pages of what was not."""
    image = bytearray()

    def put(offset: int, data: bytes) -> None:
        if len(image) < offset + len(data):
            image.extend(bytes(offset + len(data) - len(image)))
        image[offset : offset + len(data)] = data

    waiting: list[tuple[int, bytes]] = []
    for kind, offset, data in entries:
        if kind == "w":
            waiting.append((offset, data))
        elif kind == "d":
            put(offset, data)
        elif kind == "s":
            for entry in waiting:
                put(*entry)
            waiting.clear()
    pages = [(at + place, data[place : place + PAGE]) for at, data in waiting for place in range(0, len(data), PAGE)]
    for page in random.sample(pages, random.randint(0, len(pages))):
        put(*page)
    return bytes(image)
