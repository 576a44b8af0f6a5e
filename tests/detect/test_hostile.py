"""Objects that raise when they are looked at are opaque, each by itself; the session goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter
from tests.support.harness import Notebook

pytestmark = pytest.mark.usefixtures("both_twins")


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes the loops that cells make, those that are re-run included."""
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.new_event_loop

    def noted() -> asyncio.AbstractEventLoop:
        made.append(make())
        return made[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", noted)
    yield
    for loop in made:
        loop.close()


HOSTILE = {
    "an iterator over arrays that was closed": (
        "import numpy as np",
        "with np.nditer(np.arange(3)) as it: next(it)",
    ),
    "a memoryview that was released": ("it = memoryview(bytearray(3)); it.release()",),
    "a __dict__ that raises": (
        "class C:\n    __dict__ = property(lambda self: 1 / 0)\n    def __reduce_ex__(self, version): raise ValueError",
        "it = C()",
    ),
    "a __getattribute__ that raises": (
        "class C:\n    def __getattribute__(self, name): raise ZeroDivisionError(name)",
        "it = C()",
    ),
    "a __class__ that raises": (
        "class C:\n    __class__ = property(lambda self: 1 / 0)\n    def __getattr__(self, name): raise OSError(name)",
        "it = [C()]",
    ),
    "a reduction that ends the process": (
        "class C:\n    def __reduce_ex__(self, version): raise SystemExit",
        "it = {'c': C()}",
    ),
    "a reduction that panics as Rust does": (
        "class Panic(BaseException): pass\nclass C:\n    def __reduce_ex__(self, version): raise Panic",
        "it = C()",
    ),
    "a state that is no dictionary": (
        "class C:\n    __dict__ = property(lambda self: 5)",
        "it = C()",
    ),
    "a class that has no hash": (
        "class M(type):\n    def __eq__(self, other): raise ValueError\nclass C(metaclass=M): pass",
        "it = C(); them = [C(), 1]; this = {'c': C()}; those = (C(), 'a')",
    ),
    "a class that hides its name": (
        "class M(type):\n    __name__ = __module__ = property(lambda self: 1 / 0)\n"
        "class C(metaclass=M):\n    def __reduce_ex__(self, version): raise ValueError",
        "it = C(); kind = C",
    ),
    "a module whose name is no string": (
        "import types\nclass N:\n    def __str__(self): raise ValueError\n    __repr__ = __str__",
        "it = types.ModuleType('m'); it.__name__ = N(); d = {'__name__': N()}; g = (x for x in [d])",
    ),
    "a subclass of list that cannot be iterated over": (
        "class C(list):\n    def __iter__(self): raise ValueError\n    def __len__(self): raise ValueError",
        "it = C([1])",
    ),
    "a weak reference with a call of its own": (
        "import weakref\nclass R(weakref.ref):\n    def __call__(self): raise ValueError",
        "class C: pass\nc = C(); it = R(c)",
    ),
    "a property of an array subclass": (
        "import numpy as np\nclass A(np.ndarray):\n    @property\n    def _mask(self): raise ValueError",
        "it = np.zeros(3).view(A)",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_the_session_goes_on_and_the_others_travel(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("xs = [1]; ys = xs; n = {'a': xs}")
    for cell in HOSTILE[case]:
        notebook.ok(cell)
    reached = notebook.head
    notebook.ok("xs.append(2); z = 5")
    notebook.ok("it")  # to look at it is to change it, as far as anybody knows
    notebook.ok("xs.append(3); del z")
    for steps, expected in ((1, [1, 2]), (2, [1])):
        notebook.session.undo(steps)
        assert notebook["xs"] == expected
        assert notebook["ys"] is notebook["xs"]
        assert notebook["n"]["a"] is notebook["xs"]
    assert notebook.head == reached
    assert "z" not in notebook.live
    notebook.session.redo(3)
    assert notebook["xs"] == [1, 2, 3]
    assert notebook.warnings == []


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\nit = np.nditer(np.arange(3))\nwith it: next(it)",
        "class C:\n    __dict__ = property(lambda self: 1 / 0)\n    def __reduce_ex__(self, p): 1 / 0\nit = C()",
        "class M(type):\n    def __eq__(self, other): raise ValueError\nclass C(metaclass=M): pass\nit = C()",
    ],
)
def test_it_counts_as_changed_when_it_is_touched_and_only_then(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok(code)
    assert notebook.ok("other = 1").modified == ()
    assert notebook.ok("it is None; id(it); type(it)").modified == ()  # the object itself is asked nothing
    assert "it" in notebook.ok("isinstance(it, int)").modified
    assert notebook.ok("other = 2").modified == ("other",)


def test_what_a_hostile_object_holds_is_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("class C:\n    def __reduce_ex__(self, version): raise SystemExit\nxs = [1]; it = C(); it.xs = xs")
    assert "xs" in notebook.ok("it.xs.append(2)").modified
    notebook.session.undo(allow_lost=True)
    assert notebook["xs"] == [1]


def test_an_interrupt_is_not_an_object_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)

    class OfALibrary:
        def __reduce_ex__(self, version: object) -> Any:
            raise KeyboardInterrupt

    OfALibrary.__module__ = "fractions"
    with pytest.raises(KeyboardInterrupt):
        Fingerprinter(notebook.session._ledger._table).take(OfALibrary())


FUTURES = {
    "of a pool": "import concurrent.futures as cf; fu = cf.Future(); fu.set_result(xs)",
    "that a pool made": (
        "import concurrent.futures as cf\nwith cf.ThreadPoolExecutor(1) as pool: fu = pool.submit(lambda: xs)\n"
        "fu.result(); del pool"
    ),
    "of a loop": "import asyncio; loop = asyncio.new_event_loop(); fu = loop.create_future(); fu.set_result(xs)",
    "of a task": (
        "import asyncio\nloop = asyncio.new_event_loop()\nasync def f(): return xs\n"
        "fu = loop.create_task(f()); loop.run_until_complete(fu)"
    ),
    "of a loop, in Python": (
        "import asyncio.futures; loop = asyncio.new_event_loop()\n"
        "fu = asyncio.futures._PyFuture(loop=loop); fu.set_result(xs)"
    ),
}


@pytest.mark.parametrize("case", FUTURES)
@pytest.mark.usefixtures("loops")
def test_the_result_of_a_future_is_shared_with_it(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("xs = [1]")
    notebook.ok(FUTURES[case])
    assert "xs" in notebook.ok("fu.result().append(2)").modified
    notebook.session.undo(allow_lost=True, replay="auto")
    assert notebook["xs"] == [1]


@pytest.mark.usefixtures("loops")
def test_futures_of_one_loop_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("import asyncio; loop = asyncio.new_event_loop(); xs = [1]; ys = [1]")
    notebook.ok("f = loop.create_future(); f.set_result(xs); g = loop.create_future(); g.set_result(ys)")
    assert {("f", "xs"), ("g", "ys")} <= notebook.covariables()


HANDED_OUT = {
    "a queue of a loop": ("import asyncio; q = asyncio.Queue(); q.put_nowait(xs)", "q.get_nowait().append(2)"),
    "an observer of a widget": (
        "import ipywidgets; w = ipywidgets.IntSlider(); w.observe(lambda change: xs.append(2), 'value')",
        "w.value = 3",
    ),
    "a handler of a button": (
        "import ipywidgets; w = ipywidgets.Button(); w.on_click(lambda button: xs.append(2))",
        "w.click()",
    ),
    "a callback of a future": (
        "import concurrent.futures as cf; fu = cf.Future(); fu.add_done_callback(lambda done: xs.append(2))",
        "fu.set_result(None)",
    ),
}


@pytest.mark.parametrize("case", HANDED_OUT)
def test_what_an_object_of_the_kernel_hands_out(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, used = HANDED_OUT[case]
    if "ipywidgets" in made:
        pytest.importorskip("ipywidgets")
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("xs = [1]")
    notebook.ok(made)
    assert "xs" in notebook.ok(used).modified
    assert notebook["xs"] == [1, 2]


def test_widgets_are_apart_that_call_nothing_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ipywidgets")
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("import ipywidgets; v = ipywidgets.IntSlider(); w = ipywidgets.IntSlider(); b = ipywidgets.Button()")
    notebook.ok("def f(change): pass\nw.observe(f)")
    assert {("v",), ("f", "w"), ("b",)} <= notebook.covariables()
    notebook.ok("v.observe(f)")
    assert {("f", "v", "w"), ("b",)} <= notebook.covariables()


def test_a_widget_changes_when_a_cell_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when it is named, nor when it is moved on the screen; a box changes with what is in it."""
    pytest.importorskip("ipywidgets")
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("import ipywidgets; s = ipywidgets.IntSlider(); box = ipywidgets.VBox([s]); b = ipywidgets.Button()")
    assert ("box", "s") in notebook.covariables()
    assert notebook.ok("x = s.value, len(box.children), b.description").modified == ()
    assert notebook.ok("s.value = 5").modified == ("box", "s")
    assert notebook.ok("b.mine = [1]").modified == ("b",)
    assert notebook.ok("b.mine.append(2)").modified == ("b",)
    assert notebook.ok("def f(button): pass\nb.on_click(f)").modified == ("b",)
    notebook["s"].value = 7
    notebook.session.note_unwatched_code()
    assert notebook.ok("now = s.value").modified == ()
    notebook.session.undo()
    assert notebook["s"].value == 7
    notebook.session.undo(4)
    assert notebook["s"].value == 0


def test_what_a_widgets_callback_keeps_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it keeps the widget with it, so that both are one co-variable."""
    pytest.importorskip("ipywidgets")
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("import ipywidgets; s = ipywidgets.IntSlider(); hits = []; s.mine = []")
    notebook.ok("def f(change): hits.append(change); s.mine.append(1)\ns.observe(f, 'value')")
    notebook.ok("s.value = 1")
    assert ("f", "hits", "s") in notebook.covariables()
    notebook["s"].value = 2
    notebook.session.note_unwatched_code()
    assert "hits" in notebook.ok("1").modified
    notebook.ok("hits = None")
    notebook["s"].mine.append(2)
    notebook.session.note_unwatched_code()
    assert notebook.ok("1").modified == ("s",)
