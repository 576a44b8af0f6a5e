"""What is found in think time, in a notebook of this process. On a real kernel: `kernel/test_think_time`."""

from __future__ import annotations

import gc
import random
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.model import Checkpoint
from kishu_kernel.objects import outside_holders
from kishu_kernel.objects.codec.class_streams import ClassStreams
from kishu_kernel.session import registration_search
from kishu_kernel.session.ledger import Ledger
from tests.support.harness import Notebook

POKE = "import fractions\ndef poke(self): {}\nfractions.Fraction.poke = poke; del poke"
POKED = "fractions.Fraction(1).poke()"


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    return Notebook.as_main(monkeypatch)


def think(notebook: Notebook) -> Checkpoint:
    """To the end. Returns the newest checkpoint as it is then."""
    timeline = notebook.session.timeline
    timeline.store.flush()
    while notebook.session.think(lambda: False) is not None:
        timeline.store.flush()
    assert timeline.head is not None
    return timeline.lookup(timeline.head)


FINE = {
    "views with gaps": (
        "import numpy as np\na = np.arange(12).reshape(3, 4)[:, ::2]; b = np.arange(9)[::2]\n"
        "c = np.broadcast_to(np.arange(3), (4, 3)); d = np.zeros(3, dtype=[('a', int), ('b', float)])['a']"
    ),
    "sets of instances": (
        "class N:\n    def __init__(self): self.out = set()\n"
        "ns = [N() for _ in range(30)]\nfor n in ns: n.out.update(ns[:10])\nsome = frozenset([int, str, list, float])"
    ),
    "a function that has cached": "import functools\n@functools.lru_cache\ndef f(x): return [x]\nf(3)",
    "a figure": "import matplotlib.pyplot as plt\nfig, ax = plt.subplots(); ax.plot([1, 2]); plt.close(fig)",
    "what keeps what it was asked": "import pandas as pd\nna = pd.array([1, None]); df = pd.DataFrame({'a': [1]})",
    "an array with a mask": "import numpy as np\nm = np.ma.array([1, 2], mask=[0, 1])",
}


@pytest.mark.parametrize("case", FINE)
def test_what_comes_back_is_not_distrusted(notebook: Notebook, case: str) -> None:
    notebook.ok(FINE[case])
    newest = think(notebook)
    assert [record.reason for record in newest.versions if not record.stored] == []
    assert newest.audited
    notebook.ok("1 + 1")
    assert think(notebook).modified == ()
    assert notebook.warnings == []


def test_a_trial_is_no_look_of_the_audit(notebook: Notebook) -> None:
    """What a later cell has changed in a hidden way, before there was a pause, is found all the same."""
    notebook.ok(POKE.format("x.v.append(2)"))
    notebook.ok("class C: pass\nx = C(); x.v = [1]")
    notebook.ok(POKED)
    assert think(notebook).modified == ("x",)
    notebook.session.undo()
    assert notebook["x"].v == [1]


def test_the_audit_after_a_checkout(notebook: Notebook) -> None:
    notebook.ok(POKE.format("x.append(9)"))
    notebook.ok("x = [1]")
    notebook.ok("x = 0")
    notebook.session.undo()
    notebook.ok(POKED)
    assert think(notebook).modified == ("x",)
    notebook.session.undo()
    assert notebook["x"] == [1]


def test_several_changes_that_an_undo_finds(notebook: Notebook) -> None:
    notebook.ok(POKE.format("[each.append(2) for each in (a, b, c, d)]"))
    notebook.ok("a = [1]; b = [1]; c = [1]; d = [1]")
    notebook.ok(POKED)
    notebook.session.undo()
    assert [notebook[name] for name in "abcd"] == [[1]] * 4
    notebook.session.redo()
    assert [notebook[name] for name in "abcd"] == [[1, 2]] * 4


def test_a_trial_draws_no_numbers(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.ok(
        "import random\nclass D(dict):\n    def __reduce__(self): return D, (), {}\n"
        "    def __setstate__(self, state): print('loaded', random.random())\nd = D()"
    )
    before = random.getstate()
    think(notebook)
    assert random.getstate() == before
    assert capsys.readouterr().out == ""


def test_who_hurries_is_not_made_to_wait(notebook: Notebook) -> None:
    """What is given up is not begun again; nothing is said to be audited then."""
    notebook.ok("import datetime\nx = [datetime.date(2000, 1, 1 + n % 28) for n in range(5000)]")
    notebook.ok("1 + 1")
    notebook.session.timeline.store.flush()
    pieces = 0
    while notebook.session.think(lambda: True) is not None:
        pieces += 1
        assert pieces < 20
    head = notebook.session.timeline.head
    assert head is not None
    assert not notebook.session.timeline.lookup(head).audited


LOSSY = (
    "class L(dict):\n    def __init__(self, own=None): pass\n"
    "    def __reduce__(self): return L, (vars(self).get('own'),)\n"
)


def library(monkeypatch: pytest.MonkeyPatch, directory: Path, source: str) -> None:
    """A module called `lossy`, with this in it."""
    place = directory / "site-packages"
    place.mkdir(exist_ok=True)
    (place / "lossy.py").write_text(source)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.delitem(sys.modules, "lossy", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it may be written twice in a second


MERGING = (
    "import functools\n"
    "class Term:\n"
    "    @functools.lru_cache\n"
    "    def __new__(cls, text):\n"
    "        self = object.__new__(cls)\n        self.text, self.size = text, len(text)\n        return self\n"
    "    def __getnewargs__(self): return (self.text,)\n"
    "    def __getstate__(self): return None\n"
)


@pytest.mark.parametrize(("more", "are_stored"), [("", True), ("; x[0].note = 1", False)])
def test_equal_objects_that_become_one_lack_nothing(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: str, are_stored: bool
) -> None:
    """What `__new__` knows it gives again, as SymPy's does: fewer objects come back, each with all that it had."""
    library(monkeypatch, tmp_path, MERGING)
    notebook.ok(
        "import lossy\nx = [lossy.Term('a')]; lossy.Term.__new__.cache_clear()\nx.append(lossy.Term('a'))" + more
    )
    assert all(record.stored for record in think(notebook).versions) is are_stored
    assert bool(notebook.warnings) is not are_stored


def test_what_cannot_be_re_run_is_kept(notebook: Notebook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Better what is not quite what it was than nothing; and it is told."""
    library(monkeypatch, tmp_path, LOSSY)
    notebook.ok("# kishu: no-replay\nimport lossy\nx = lossy.L(); x.own = [1]")
    assert all(record.stored for record in think(notebook).versions)
    assert "L objects do not come back from storage as they were" in notebook.warnings[0]


def test_a_class_that_was_mended_is_trusted_again(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library(monkeypatch, tmp_path, LOSSY)
    notebook.ok("import lossy\nx = lossy.L(); x.own = [1]")
    assert not any(record.stored for record in think(notebook).versions if "x" in record.names)
    library(monkeypatch, tmp_path, "class L(dict):\n    pass\n")
    notebook.ok("import lossy\nx = lossy.L(); x.own = [1]")
    assert all(record.stored for record in think(notebook).versions)


def test_a_hidden_change_that_cannot_be_written(notebook: Notebook) -> None:
    """The disk is full: the undo is refused, and the change goes with the next checkpoint that can be written."""
    notebook.ok(POKE.format("x.append(2)"))
    notebook.ok("x = [1]")
    notebook.ok(POKED)
    notebook.session.timeline.store.flush()
    notebook.store.commits = "all"
    with pytest.raises(Exception, match="could not be stored"):
        notebook.session.undo()
    assert notebook["x"] == [1, 2]
    notebook.store.commits = "none"
    notebook.ok("y = 1")
    notebook.session.undo()
    assert notebook["x"] == [1]
    notebook.session.redo()
    assert notebook["x"] == [1, 2]


def test_the_audit_looks_for_classes_once(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"c{number}" for number in range(20)]
    notebook.ok("class C: pass")
    notebook.ok("; ".join(f"{name} = C()" for name in names))
    think(notebook)
    notebook.ok("y = 1")
    dumped: list[type] = []
    dump = ClassStreams._dumped

    def counted(streams: ClassStreams, cls: type) -> Any:
        dumped.append(cls)
        return dump(streams, cls)

    monkeypatch.setattr(ClassStreams, "_dumped", counted)
    assert think(notebook).audited
    assert 1 <= len(dumped) < 5
    dumped.clear()
    gone = weakref.ref(notebook["C"])
    notebook.ok(f"del C, {', '.join(names)}; __import__('gc').collect(); y = 2")
    gc.collect()
    assert gone() is None


def test_what_a_checkout_brings_is_not_looked_at_by_each_call(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler of a class of its own is touched by all that logs: the audit says what has nothing to do with it."""
    notebook.ok("import logging\nclass H(logging.Handler):\n    def emit(self, record): self.at = record\nh = H()")
    notebook.ok("xs = [1]; ys = [h]; zs = [2]")
    notebook.ok("xs.append(2); ys.append(3); zs.append(4)")
    notebook.session.undo()
    think(notebook)
    taken: list[Any] = []
    take = Fingerprinter.take

    def noted(prints: Fingerprinter, obj: Any) -> Any:
        taken.append(obj)
        return take(prints, obj)

    monkeypatch.setattr(Fingerprinter, "take", noted)
    assert notebook.ok("logging.getLogger('q').info('x'); h.at = 5").modified != ()
    assert any(each is notebook["ys"] for each in taken)
    assert not any(each is notebook["xs"] or each is notebook["zs"] for each in taken)


def test_pieces_share_one_look_at_the_variables(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """With modules of the user's own it takes longer than a piece, and there is a piece for each variable."""
    looks: list[int] = []
    variables = notebook.names.variables

    def counted() -> dict[str, Any]:
        looks.append(1)
        return variables()

    notebook.ok("; ".join(f"x{n} = [{n}]" for n in range(200)))
    monkeypatch.setattr(notebook.names, "variables", counted)
    think(notebook)
    assert 0 < len(looks) < 100


def search(notebook: Notebook, checkpoint: Checkpoint) -> None:
    """Looks for registrations, as a kernel does whose side effects are audited."""
    registrations = notebook.session._think_time._registrations
    registrations.begin(checkpoint)
    while registrations.left:
        registrations.step(notebook.variables)


def test_the_history_is_not_walked_for_each_name(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of which somebody else holds more is asked for after each cell that names it."""
    walks: list[object] = []
    walk = registration_search.ancestry

    def counted(*at: Any) -> Any:
        walks.append(at)
        return walk(*at)

    monkeypatch.setattr(registration_search, "ancestry", counted)
    notebook.ok("class C: pass\ncs = [C() for _ in range(9)]")
    notebook.ok("a, b, c = cs[:3]; import fractions as f; f.Fraction.held = [a, b, c] * 3")
    for n in range(5):
        search(notebook, notebook.ok(f"a.n = b.n = c.n = {n}"))
    assert len(walks) == 1
    notebook.ok("del f.Fraction.held")


def test_a_pass_that_would_take_seconds_is_not_begun(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ends it, and the next cell would wait."""
    passes: list[object] = []
    look = registration_search.outside_holders

    def counted(*asked: Any) -> Any:
        passes.append(asked)
        return look(*asked)

    monkeypatch.setattr(registration_search, "outside_holders", counted)
    search(notebook, notebook.ok("class C: pass"))
    assert len(passes) == 1
    monkeypatch.setattr(outside_holders, "MOST_TRACKED", 1000)
    search(notebook, notebook.ok("class D: pass"))
    assert len(passes) == 1


@pytest.fixture
def audited(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Filled with the names of each co-variable that the audit compares."""
    found: list[tuple[str, ...]] = []
    is_unchanged = Ledger.is_unchanged

    def noting(self: Ledger, names: tuple[str, ...], *rest: Any, **options: Any) -> bool:
        found.append(names)
        return is_unchanged(self, names, *rest, **options)

    monkeypatch.setattr(Ledger, "is_unchanged", noting)
    return found


def test_what_was_compared_for_the_checkpoint_is_not_audited(
    notebook: Notebook, audited: list[tuple[str, ...]]
) -> None:
    notebook.ok("read = [[1]]; other = [[2]]")
    think(notebook)
    audited.clear()
    notebook.ok("read.index([1])")
    newest = think(notebook)
    assert ("other",) in audited
    assert ("read",) not in audited
    assert newest.audited


def test_what_a_trial_has_compared_is_not_audited(notebook: Notebook, audited: list[tuple[str, ...]]) -> None:
    notebook.ok("from statistics import NormalDist as D\nx = [D(1)]; plain = [[1]]")
    notebook.ok("y = 1")
    newest = think(notebook)
    assert ("plain",) in audited
    assert ("x",) not in audited
    assert newest.audited
    notebook.ok("z = 1")
    think(notebook)
    assert ("x",) in audited
