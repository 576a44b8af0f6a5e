"""Makes `streams_v3/`, a store of format 3 whose streams call all that streams may call (`kishu_kernel.rebuild`).

A real session runs the cells of `streams_v3_cells.py`; what it stores is what the fixture holds.

Run once, by the version that wrote format 3; never again when the format has moved on::

    PYTHONPATH=. python3.11 tests/data/make_streams_v3.py

Bytecode is of one version of Python: 3.11. Code that Python's own library makes keeps the names of its files: run it
by a Python that is installed where everybody's is. The key is in the open: marks of a fixture protect nobody.
"""

from __future__ import annotations

import argparse
import builtins
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import lmdb
import numpy

from kishu_kernel.objects import rebuild
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.lmdb_store import LmdbStore
from tests.data.streams_v3_cells import ALL
from tests.support.harness import Notebook

DATA = Path(__file__).resolve().parent
HERE = DATA / "streams_v3"
KEY = bytes(range(32))
SESSION = "5e551011"


class Written:
    """Comes apart as the object of a library would."""

    __module__ = "loan"  # of the notebook, it would come apart in another way

    def __init__(self, *reduction: Any) -> None:
        self._reduction = reduction

    def __reduce__(self) -> Any:
        return self._reduction


def lend(*names: str) -> list[Written]:
    """Objects of libraries that are too large to be installed for this."""
    instance = (rebuild.make_instance, (argparse.Namespace,))
    key, other = "weight", "bias"
    optimizer = {"_var_key": builtins.str.upper, "_trainable_variables": [key, other]}
    written = {
        "tensor": (*instance, (None, [0.5]), None, None, rebuild.set_tensor_state),
        "optimizer": (*instance, (optimizer, dict, [(key, 0), (other, 1)]), None, None, rebuild.set_optimizer_state),
        "name": (rebuild.new_name, ()),
        "storage": (rebuild.load_storage, (numpy.arange(4), None)),
    }
    return [Written(*written[name]) for name in names]


def main() -> None:
    """Runs all cells, and keeps the store."""
    sys.modules["loan"] = types.ModuleType("loan")
    vars(sys.modules["loan"])["lend"] = lend
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        store = LmdbStore(Path(directory), signer=Signer(KEY))
        notebook = Notebook(store=store, session=SESSION)
        sys.modules["__main__"] = notebook.module
        for cell in ALL:
            made = notebook.ok(cell.strip())
            lost = [(record.names, record.reason) for record in made.versions if not record.stored]
            assert not lost, lost
        notebook.session.timeline.store.flush()
        store.close()
        HERE.mkdir(exist_ok=True)
        with lmdb.Environment(directory) as env:
            env.copy(str(HERE), compact=True)
        os.chdir(DATA)


if __name__ == "__main__":
    main()
