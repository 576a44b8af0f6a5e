"""What the codec borrows can be cleared by the collector, in any order: CPython before 3.13 crashes on some views."""

from __future__ import annotations

import pickle
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import numpy
import pytest

from kishu_kernel.model import Payload
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.memory import address_of, block_at, memory_at

LIBRARY = """
import pickle

class Foreign:
    "Gives its memory as a library does that pickles a view."
    def __init__(self): self.data = bytearray(1 << 20)
    def __reduce_ex__(self, _): return bytearray, (pickle.PickleBuffer(memoryview(self.data)),)
"""

PRELUDE = """
import gc, numpy
from lib import Foreign
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.reduction_table import ReductionTable

def failed(obj):
    payload = encode(("x",), {"x": obj}, ReductionTable({}))
    views = [buffer.data for buffer in payload.buffers]
    assert views
    try:
        raise OSError("the disk is full")
    except OSError as error:
        error.held = [error, payload, views, [view[5:] for view in views], [memoryview(view) for view in views]]
"""


@pytest.mark.parametrize(
    "made",
    [
        "numpy.arange(200_000.0)",
        "numpy.arange(200_000.0)[::-1]",
        "(lambda a: [a[:-1], a[1:]])(numpy.arange(200_000.0))",
        "numpy.asfortranarray(numpy.ones((300, 300)))",
        "numpy.array(['text %d' % i for i in range(50_000)], object)",
        "Foreign()",
    ],
)
def test_the_collector_clears_a_failed_commit(made: str, tmp_path: Path) -> None:
    """The exception of a failed commit keeps a cycle with the payload's views: it dies with a SIGSEGV without care."""
    code = f"{PRELUDE}\nfor _ in range(20):\n    failed({made})\n    gc.collect()\nprint('alive')"
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "lib.py").write_text(LIBRARY)
    code = f"import sys; sys.path.append({str(place)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "alive", "")


def payload_of(obj: Any) -> Payload:
    payload = encode(("x",), {"x": obj}, ReductionTable({}))
    assert isinstance(payload, Payload)
    return payload


def test_the_bytes_are_the_memory_itself() -> None:
    data = numpy.arange(100_000.0)
    [buffer] = payload_of(data).buffers
    assert bytes(buffer.data[:16]) == data[:2].tobytes()
    data[0] = 7
    assert bytes(buffer.data[:8]) == numpy.float64(7).tobytes()


def test_a_borrowed_buffer_keeps_its_memory() -> None:
    [buffer] = payload_of(numpy.full(100_000, 3.0)).buffers
    assert bytes(buffer.data) == numpy.full(100_000, 3.0).tobytes()


@pytest.mark.parametrize("made", [bytearray(b"abc"), b"abc", array("d", [1.0]), memoryview(b"abcdef")[2:]])
def test_the_address_of_anything_with_a_buffer(made: Any) -> None:
    view = memoryview(made)
    assert bytes(memory_at(address_of(made), view.nbytes, made)) == bytes(view)
    assert address_of(memoryview(made)) == address_of(made)


def test_what_has_no_buffer_has_no_address() -> None:
    with pytest.raises(TypeError):
        address_of(5)


def test_a_pickle_buffer_of_a_block_is_its_memory() -> None:
    data = bytearray(b"abcdef")
    block = block_at(address_of(data), 6, data)
    assert bytes(pickle.PickleBuffer(block).raw()) == b"abcdef"
