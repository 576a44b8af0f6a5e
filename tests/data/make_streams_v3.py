"""Makes `streams_v3/` and those whose names begin so: their streams call all that streams may call.

That is what `kishu_kernel.rebuild` has. A real session runs the cells of `streams_v3_cells.py` and so on; what it
stores is what the fixture holds. Names that were added to the table since the first one was made are called by the
others.

Each is run once, by the version that wrote it; never again when the format or the code has moved on::

    PYTHONPATH=. python3.11 tests/data/make_streams_v3.py streams_v3_functions

Bytecode is of one version of Python: 3.11. Code that Python's own library makes keeps the names of its files: run it
by a Python that is installed where everybody's is. The key is in the open: marks of a fixture protect nobody.
"""

from __future__ import annotations

import argparse
import builtins
import importlib
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import lmdb
import numpy

from kishu_kernel.objects import live_objects, rebuild
from kishu_kernel.session.module_data import ModuleData
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.lmdb_store import LmdbStore
from tests.support.harness import Notebook

DATA = Path(__file__).resolve().parent
KEY = bytes(range(32))
SESSION = "5e551011"


class Written:
    """Comes apart as the object of a library would."""

    __module__ = "loan"  # of the notebook, it would come apart in another way

    def __init__(self, *reduction: Any) -> None:
        self._reduction = reduction

    def __reduce__(self) -> Any:
        return self._reduction


class Hiding:
    """Comes apart without what it leads to, as a tag of a document does."""

    __module__ = "loan"

    def __init__(self, root: Any) -> None:
        self.root, self.name = root, "tag"

    def __reduce__(self) -> Any:
        return rebuild.make_instance, (argparse.Namespace,), {"name": self.name}


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


def main(name: str) -> None:
    """Runs all cells, and keeps the store."""
    sys.modules["loan"] = types.ModuleType("loan")
    vars(sys.modules["loan"]).update(lend=lend, Hiding=Hiding)
    cells: Any = importlib.import_module(f"tests.data.{name}_cells")
    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        live_objects.PROCESS = SESSION
        for module, source in getattr(cells, "MODULES", {}).items():
            Path(f"{module}.py").write_text(source)
        sys.path.insert(0, place)  # as the notebook's own directory
        store = LmdbStore(Path(directory), signer=Signer(KEY))
        notebook = Notebook(store=store, session=SESSION, modules=ModuleData(sys.modules))
        sys.modules["__main__"] = notebook.module
        for cell in cells.ALL:
            made = notebook.ok(cell.strip())
            lost = [(record.names, record.reason) for record in made.versions if not record.stored]
            assert not lost, lost
        notebook.session.timeline.store.flush()
        store.close()
        (DATA / name).mkdir(exist_ok=True)
        with lmdb.Environment(directory) as env:
            env.copy(str(DATA / name), compact=True)
        os.chdir(DATA)


if __name__ == "__main__":
    main(sys.argv[1])
