"""Streams of format 3 load as they were: each name that they call, with the arguments that it was given then.

The stores were written once, by `data/make_streams_v3.py`, and stay; what their cells made is looked at here.
"""

from __future__ import annotations

import builtins
import os
import pickle
import pickletools
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Version
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.rebuild import ABSENT, STREAM_NAMES
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.session.module_data import ModuleData
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.base import StoredPayload
from kishu_kernel.store.format.signing import Signer
from tests.data import streams_v3_functions_cells, streams_v3_newer_cells
from tests.support.harness import Notebook

from .stream_looks import LATEST, LOOKS, NEWER, OF_MODULES

DATA = Path(__file__).parents[1] / "data"
STORES = {
    "streams_v3": LOOKS,
    "streams_v3_newer": NEWER,
    "streams_v3_latest": LATEST,
    "streams_v3_functions": OF_MODULES,
}
"""The others were written when names had been added to the table."""

MODULES = {**streams_v3_newer_cells.MODULES, **streams_v3_functions_cells.MODULES}

SEAL = Signer(bytes(range(32)))

STORED_AS = "kishu_kernel.rebuild"
"""The module that streams of format 3 name, wherever the code is today."""

COMPILED_BY = "cpython-311"

NOT_IN_STREAMS = {
    "storage_array": "called when a storage of PyTorch's is stored, not when it is loaded",
    "make_foreign": "called where a stream names `_ctypes._unpickle`",
    "load_module": "called where a stream names `cloudpickle.cloudpickle.subimport`",
}
"""Public names that no stream calls, and why."""

NAMED_FOR_OTHERS = {("_ctypes", "_unpickle"), ("cloudpickle.cloudpickle", "subimport")}

MADE_WITH = {"pandas": ("3.", "stored with pandas 3.1.1"), "matplotlib": ("3.11.", "does not load")}
"""Versions whose objects these are, and what is told where another one cannot make them."""

TRIED_APART = {"reader", "storage", "streams_shop.price", "streams_shop.spare"}
"""What is loaded where there is a file, or PyTorch, or one of the user's own modules."""


class Opened:
    """One of the stores, its payloads loaded when they are looked for.

    Attributes:
        versions: of each name the last one.
        live: what is loaded so far.
        table: knows the classes in it.
    """

    def __init__(self, stored: str, path: Path, module: types.ModuleType) -> None:
        shutil.copytree(DATA / stored, path)
        self.store = LmdbStore(path, signer=SEAL)
        self.live = vars(module)
        self.table = ReductionTable(self.live)
        made = sorted(self.store.checkpoints(), key=lambda each: each.execution_count)
        records = [(record.names, each.id) for each in made for record in each.versions]
        self.versions = {name: Version(names, id) for names, id in records for name in names}
        for imported in made[0].versions:  # the modules
            self.load(imported.names[0])

    def stored(self, name: str) -> StoredPayload:
        return self.store.load(self.versions[name])

    def code(self, name: str) -> str:
        """Of the cell that made it."""
        return self.store.checkpoint(self.versions[name].checkpoint).code

    def load(self, name: str) -> None:
        self.live.update(decode(self.stored(name), self.live, live=self.table))

    def look(self, expression: str) -> Any:
        """The value of an expression, of which each variable is loaded that is not yet."""
        for name in compile(expression, "<look>", "eval").co_names:
            if name in self.versions and name not in self.live:
                self.load(name)
        return eval(expression, self.live)


Open = Callable[[str], Opened]


@pytest.fixture
def open_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    module = types.ModuleType("__main__")
    vars(module).update(__builtins__=builtins)
    monkeypatch.setitem(sys.modules, "__main__", module)
    (tmp_path / "beside").mkdir()
    for name, source in MODULES.items():
        file = tmp_path / "beside" / f"{name}.py"
        file.write_text(source, "utf-8")
        os.utime(file, (0, 0))  # it has not changed since
    monkeypatch.syspath_prepend(tmp_path / "beside")
    with ExitStack() as until_end:

        def opened(name: str) -> Opened:
            opened = Opened(name, tmp_path / name, module)
            until_end.callback(opened.store.close)
            return opened

        yield opened
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def opened(open_store: Open) -> Opened:
    return open_store("streams_v3")


def lines(look: str) -> list[str]:
    return [line.strip() for line in look.strip().splitlines()]


def called(stream: bytes) -> set[tuple[str, str]]:
    """What a stream refers to: module and name. `module_attribute` is told both as strings.

    A class that was stored apart is a stream in it.
    """
    found: set[tuple[str, str]] = set()
    memo: dict[int, Any] = {}
    pushed: list[Any] = [None, None]
    for operation, argument, _ in pickletools.genops(stream):
        name = operation.name
        if name == "MEMOIZE":
            memo[len(memo)] = pushed[-1]
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = pushed[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            pushed.append(memo[argument])
        else:
            if name == "STACK_GLOBAL" or (name == "TUPLE2" and pushed[-2] == STORED_AS):
                found.add((pushed[-2], pushed[-1]))
            if "BYTES" in name and argument.startswith(pickle.PROTO + b"\x05"):
                found |= called(argument)
            pushed.append(argument if "UNICODE" in name else None)
    return found


def reasons(stored: StoredPayload) -> Iterator[str]:
    """Why a payload may not load here, as the error says it."""
    names = called(stored.stream)
    if (STORED_AS, "make_code") in names and sys.implementation.cache_tag != COMPILED_BY:
        yield f"compiled by {COMPILED_BY}"
    for library in MADE_WITH.keys() & {module.partition(".")[0] for module, _ in names}:
        then, told = MADE_WITH[library]
        if not version(library).startswith(then):
            yield told


of_this_python = pytest.mark.skipif(
    sys.implementation.cache_tag != COMPILED_BY, reason="its functions are of another Python"
)
of_another_matplotlib = pytest.mark.filterwarnings("ignore:This figure was saved with matplotlib")


@of_another_matplotlib
@pytest.mark.parametrize(("stored", "name"), [(stored, name) for stored, looks in STORES.items() for name in looks])
def test_it_comes_back_as_it_was(open_store: Open, stored: str, name: str) -> None:
    """Where another version of Python or of a library cannot make it again, it says so."""
    opened = open_store(stored)
    here = list(reasons(opened.stored(name)))
    try:
        opened.load(name)
    except LoadError as error:
        if any(reason in str(error) for reason in here):
            return
        raise
    assert not any(COMPILED_BY in reason for reason in here)
    for line in lines(STORES[stored][name]):
        assert opened.look(line), line


@of_another_matplotlib
@of_this_python
@pytest.mark.parametrize("stored", STORES)
def test_a_later_session_goes_on_with_it(
    open_store: Open, stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is loaded: no cell is run again, but for what another version of a library cannot make."""
    looks, opened = STORES[stored], open_store(stored)
    elsewhere = {opened.code(name) for name in looks if any(reasons(opened.stored(name)))}
    notebook = later(stored, tmp_path, monkeypatch)
    outcome = notebook.session.resume()
    assert (outcome.plan.lost, outcome.plan.replay, notebook.warnings) == ((), (), [])
    assert elsewhere.issuperset(notebook.reran)
    for look in looks.values():
        for line in lines(look):
            assert eval(line, notebook.live), line
    notebook.session.timeline.store.close()


def later(stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook of another day, before it has resumed."""
    for name in MODULES:
        sys.modules.pop(name, None)
    shutil.copytree(DATA / stored, tmp_path / "later")
    store = LmdbStore(tmp_path / "later", signer=SEAL)
    return Notebook.as_main(monkeypatch, "code", store, "later", ModuleData(sys.modules))


def test_streams_call_all_that_they_may_call(open_store: Open) -> None:
    public = {name for name in STREAM_NAMES if not name.startswith("_")}
    stores = [open_store(stored) for stored in STORES]
    names = set.union(*(called(each.stored(name).stream) for each in stores for name in each.versions))
    ours = {name for module, name in names if module == STORED_AS}
    assert public - ours == set(NOT_IN_STREAMS)
    assert ours <= public
    assert names >= NAMED_FOR_OTHERS
    assert {module for module, _ in names if module.startswith("kishu")} == {STORED_AS}


@pytest.mark.parametrize(("stored", "apart"), [("streams_v3", {("made",)}), ("streams_v3_newer", set())])
def test_all_that_calls_them_is_looked_at(open_store: Open, stored: str, apart: set[tuple[str, ...]]) -> None:
    opened = open_store(stored)
    looked_at = {opened.versions[name] for name in {*STORES[stored], *TRIED_APART} & opened.versions.keys()}
    calling = {
        each
        for each in opened.versions.values()
        if any(module == STORED_AS for module, _ in called(opened.store.load(each).stream))
    }
    assert {each.names for each in calling - looked_at} == apart  # it made `values`


def test_what_a_module_of_the_user_held(open_store: Open) -> None:
    """`del streams_shop.spare` is stored, too."""
    opened = open_store("streams_v3_newer")
    assert opened.look("streams_shop.spare") == 4  # the module is that of its source
    opened.load("streams_shop.spare")
    assert opened.live["streams_shop.spare"] is ABSENT


@of_this_python
def test_a_module_of_the_user_is_given_what_it_held(
    open_store: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = later("streams_v3_newer", tmp_path, monkeypatch)
    notebook.session.resume()
    shop = notebook.live["streams_shop"]
    assert (shop.rate, hasattr(shop, "spare"), shop.price(4), notebook.live["priced"](4)) == (30, False, 0, 8)
    assert notebook.reran == []
    notebook.session.timeline.store.close()


def test_an_open_file_that_is_gone_is_told(opened: Opened) -> None:
    with pytest.raises(LoadError, match=r"FileNotFoundError: .*lines\.txt"):
        opened.load("reader")


def test_an_open_file_comes_back_where_it_was(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the disk on which it was opened: the path and the numbers are those of then."""
    (tmp_path / "lines.txt").write_text("".join(f"line {n}\n" for n in range(5)))
    where, (device, number) = opened.look("where"), opened.look("identity")
    there, open_file, stat_of = str(tmp_path / "lines.txt"), os.open, os.fstat
    of_then = types.SimpleNamespace(st_dev=device, st_ino=number)
    stored = opened.stored("reader")
    with monkeypatch.context() as then:
        then.setattr(os, "open", lambda path, *how: open_file(there if path == where else path, *how))
        then.setattr(
            os, "fstat", lambda file: of_then if stat_of(file).st_ino == os.stat(there).st_ino else stat_of(file)
        )
        opened.live.update(decode(stored, opened.live))
    with opened.live["reader"] as reader:
        assert (reader.name, reader.mode, reader.encoding) == ("lines.txt", "r", "utf-8")
        assert reader.read() == "line 1\nline 2\nline 3\nline 4\n"


def test_a_storage_of_pytorch(opened: Opened) -> None:
    if find_spec("torch") is None:
        with pytest.raises(LoadError, match="No module named 'torch'"):
            opened.load("storage")
        return
    assert bytes(opened.look("storage")) == bytes(opened.look("np.arange(4)"))
