"""What a re-run has of the shell, and what it leaves: nothing. What has come to its end is stored, and is not re-run.

A scenario is that of `test_exactness`: what makes it, what changes it, what checks it; undone twice, and brought back in
a kernel that was started anew after a kill.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .driver import Kernel
from .test_exactness import Scenario, begun, holds, make, needed

GEN = "gen = (i for i in range(9))"
"""Only a re-run brings it back."""

SURFACE: dict[str, Scenario] = {
    name: (f"{GEN}\n{cell}", "next(gen)", f"assert next(gen) == 0\n{check}")
    for name, (cell, check) in {
        "a display that is updated": (
            "handle = display('a', display_id='one'); handle.update('b')",
            "assert handle.display_id == 'one'",
        ),
        "cleared output": (
            "from IPython.display import clear_output\nprint('a'); clear_output(wait=True); n = 1",
            "assert n == 1",
        ),
        "an output widget": (
            "import ipywidgets\nout = ipywidgets.Output()\nwith out:\n    print('a'); display(1)\nout.append_stdout('b')",
            "assert [each['text'] for each in out.outputs] == ['b'] and out.comm is not None\nwith out: print('c')",
        ),
        "an error in an output widget": (
            "import ipywidgets\nout = ipywidgets.Output(); n = 0\nwith out:\n    n = 1; 1 / 0",
            "assert n == 1 and out.msg_id == ''",
        ),
        "a function that an output widget hears": (
            "import ipywidgets\nout = ipywidgets.Output()\n@out.capture()\ndef f(): print('a'); return 5\nn = f()",
            "assert n == f() == 5",
        ),
        "the kernel itself": (
            "k = get_ipython().kernel; same = k is get_ipython().kernel; s = k.session.session",
            "assert same and s == get_ipython().kernel.session.session",
        ),
        "the publisher's parent": (
            "pub = get_ipython().display_pub; pub.set_parent(get_ipython().kernel.get_parent()); n = hasattr(pub, 'register_hook'); del pub",
            "assert n",
        ),
        "a hook on displays": (
            "heard = []\ndef hook(message):\n    heard.append(message['msg_type']); return message\n"
            "get_ipython().display_pub.register_hook(hook); display(1); get_ipython().display_pub.unregister_hook(hook)",
            "assert heard == ['display_data']",
        ),
        "captured output": (
            "from IPython.utils.capture import capture_output\nwith capture_output() as cap:\n    print('a'); display(2)\ntext, shown = cap.stdout, len(cap.outputs); del cap",
            "assert (text, shown) == ('a\\n', 1)",
        ),
        "a cell in a cell": (
            "get_ipython().run_cell('inner = [1]; inner'); n = len(inner)",
            "assert inner == [1] and n == 1",
        ),
        "magics": (
            "%config IPCompleter\nfound = %who_ls int\ntook = %timeit -o -q -n1 -r1 1",
            "assert took.loops == 1",
        ),
        "a generator that awaits": (
            "async def numbers():\n    for n in range(9): yield n\nag = numbers(); first = await anext(ag)",
            "assert first == 0 and await anext(ag) == 1",
        ),
        "a command of the shell": ("lines = !echo one", "assert list(lines) == ['one']"),
        "how often a result was shown": (
            "class R:\n    times = 0\n    def _repr_html_(self):\n        self.times += 1; return 'r'\nr = R(); r",
            "assert r.times == 1",
        ),
        "a result that a semicolon hides": ("[1];", "assert not [n for n, each in Out.items() if each == [1]]"),
        "results one after the other": (
            "from IPython.core.interactiveshell import InteractiveShell\nx = [1]\nx",
            "assert _ is x and Out[max(Out)] is x",
        ),
        "its own count and text": (
            "n = get_ipython().execution_count; own = In[-1]",
            "assert own.startswith('gen =') and own.rstrip().endswith('In[-1]')",
        ),
        "a comm of its own": (
            "import comm\nc = comm.create_comm(target_name='mine'); id = c.comm_id; c.send({'n': 1})",
            "assert comm.get_comm_manager().get_comm(id) is c",
        ),
        "an error that is shown": (
            "try: 1 / 0\nexcept ZeroDivisionError: get_ipython().showtraceback()\nn = 1",
            "assert n == 1",
        ),
        "threads that print": (
            "import threading\nt = threading.Thread(target=print, args=('a',)); t.start(); t.join()",
            "assert not t.is_alive()",
        ),
    }.items()
}

WIDGETS: dict[str, Scenario] = {
    "a function that a widget calls": (
        "import ipywidgets; w = ipywidgets.IntSlider(); clicks = []\n---\n"
        "def f(change): clicks.append(change['new'])\nw.observe(f, 'value')\n---\nw.value = 3",
        "w.unobserve(f, 'value'); w.value = 4",
        "assert clicks == [3]; w.unobserve(f, 'value'); w.value = 5; assert clicks == [3]",
    ),
    "a method that a widget calls": (
        "import ipywidgets\nclass App:\n    n = 0\n    def add(self, button): self.n += 1\n---\n"
        "app = App(); b = ipywidgets.Button()\n---\nb.on_click(app.add); b.click()",
        "b.click(); app = None",
        "assert app.n == 1; b.click(); assert app.n == 2",
    ),
    "a call with arguments": (
        "import functools, ipywidgets; xs = [1]; b = ipywidgets.Button()\ndef put(where, button): where.append(2)\n"
        "b.on_click(functools.partial(put, xs))",
        "b.click(); b.description = 'more'",
        "assert xs == [1]; b.click(); assert xs == [1, 2]",
    ),
    "two widgets that are linked by nobody's name": (
        "import ipywidgets; a = ipywidgets.IntSlider(); b = ipywidgets.IntSlider()\n---\n_ = ipywidgets.link((a, 'value'), (b, 'value'))\n---\na.value = 2",
        "b.mine = 1; a = None",
        "assert b.value == 2; a.value = 7; assert b.value == 7",
    ),
    "a function made interactive": (
        "import ipywidgets\ndef sq(n): return n * n\np = ipywidgets.interactive(sq, n=(0, 9)); p.update()\n---\np.children[0].value = 6",
        "p.children[0].value = 7; p.mine = 1",
        "assert p.result == 36 and p.f is sq; p.children[0].value = 3; assert p.result == 9",
    ),
    "a box of boxes": (
        "import ipywidgets; a = ipywidgets.Text('x'); box = ipywidgets.VBox([ipywidgets.HBox([a])])\n---\ntab = ipywidgets.Tab(children=[box])",
        "tab.mine = 1; a.value = 'y'",
        "assert tab.children[0].children[0].children[0] is a and a.value == 'x'",
    ),
}

ENDED: dict[str, Scenario] = {
    "a thread and what it worked on": (
        "import threading; xs = []\ndef work(n): xs.append(n)\nt = threading.Thread(target=work, args=(3,), name='one'); t.start(); t.join()",
        "xs.append(4); t.mine = 1",
        "assert xs == [3] and not t.is_alive() and t.name == 'one' and t.ident and not hasattr(t, 'mine'); t.join(); work(5); assert xs == [3, 5]",
    ),
    "a thread that was not started": (
        "import threading; xs = []; t = threading.Thread(target=xs.append, args=(1,), daemon=True)",
        "t.start(); t.join()",
        "assert xs == [] and t.ident is None and t.daemon; t.start(); t.join(); assert xs == [1]",
    ),
    "a thread of a class of the notebook's": (
        "import threading\nclass W(threading.Thread):\n    def __init__(self, n):\n        super().__init__(); self.n = n\n    def run(self): self.found = self.n * 2\nw = W(4); w.start(); w.join(); also = [w]",
        "w.found = 0; w.n = None",
        "assert w.found == 8 and w.n == 4 and also[0] is w and isinstance(w, W) and not w.is_alive()",
    ),
    "a timer, and one that was cancelled": (
        "import threading; xs = []\nt = threading.Timer(0, xs.append, ['ring']); t.start(); t.join()\nu = threading.Timer(99, print); u.start(); u.cancel(); u.join()",
        "xs.clear(); t = u = None",
        "assert xs == ['ring'] and t.finished.is_set() and u.interval == 99; t.function('x'); assert xs == ['ring', 'x']",
    ),
    "jobs in the background": (
        "from IPython.lib import backgroundjobs; jobs = backgroundjobs.BackgroundJobManager()\ndef work(n): return n * n\na = jobs.new(work, 4); a.join()\n---\nb = jobs.new('work(5)'); b.join()",
        "jobs.flush(); a = b = work = None",
        "assert (a.result, b.result, a.status) == (16, 25, 'Completed') and jobs.all[0] is a and b.glob is globals() and work(2) == 4",
    ),
    "futures that are done": (
        "from concurrent.futures import ThreadPoolExecutor; xs = [1]\nwith ThreadPoolExecutor(2) as pool:\n    fs = [pool.submit(lambda n: xs, n) for n in range(2)]; bad = pool.submit(int, 'x')\n_ = bad.exception()",
        "xs.append(2); fs.pop(); bad = None",
        "assert fs[0].result() is fs[1].result() is xs and xs == [1] and fs[0].done() and type(bad.exception()) is ValueError",
    ),
    "an executor that waits": (
        "from concurrent.futures import ThreadPoolExecutor; import time; pool = ThreadPoolExecutor(2, 'w'); f = pool.submit(abs, -1); f.result(); time.sleep(0.1)",
        "pool.shutdown()",
        "assert f.result() == 1 and pool.submit(abs, -2).result() == 2 and pool._max_workers == 2",
    ),
    "an executor that was shut down": (
        "from concurrent.futures import ThreadPoolExecutor; pool = ThreadPoolExecutor(1); pool.submit(abs, 1).result(); pool.shutdown()",
        "pool = None",
        "try: pool.submit(abs, 1)\nexcept RuntimeError: pass\nelse: assert False",
    ),
    "a program that has ended": (
        "import subprocess; p = subprocess.Popen(['echo', 'a'], stdout=subprocess.PIPE, text=True); out, _e = p.communicate()",
        "p = out = None",
        "assert out == 'a\\n' and p.returncode == 0 and p.poll() == 0 and p.args == ['echo', 'a'] and p.stdout.closed",
    ),
    "a process of Python's that has ended": (
        "import multiprocessing; kept = [1]; p = multiprocessing.get_context('fork').Process(target=print, name='me'); p.start(); p.join()",
        "p.close(); kept.append(2)",
        "assert kept == [1] and p.exitcode == 0 and not p.is_alive() and p.pid and p.name == 'me'; p.join()",
    ),
    "a process that was not started": (
        "import multiprocessing; p = multiprocessing.get_context('fork').Process(target=print, args=('',), daemon=True)",
        "p.start(); p.join()",
        "assert p.exitcode is None and p.daemon and p.pid is None; p.start(); p.join(); assert p.exitcode == 0",
    ),
    "what a thread keeps for itself": (
        "import threading; local = threading.local(); local.n = xs = [5]",
        "local.n.append(6); local.m = 1",
        "assert local.n is xs and xs == [5] and not hasattr(local, 'm')",
    ),
    "what threads wait for": (
        "import queue, threading; e = threading.Event(); s = threading.Semaphore(2); q = queue.Queue(); b = threading.Barrier(1)\ne.set(); s.acquire(); q.put(1)",
        "e.clear(); s.release(); q.get()",
        "assert e.is_set() and s._value == 1 and q.get_nowait() == 1 and b.wait() == 0; e.clear()",
    ),
    "access to the pixels of an image": (
        "from PIL import Image; im = Image.new('RGB', (3, 3)); px = im.load()",
        "px[0, 0] = (9, 9, 9)",
        "assert im.getpixel((0, 0)) == px[0, 0] == (0, 0, 0); px[1, 1] = (5, 5, 5); assert im.getpixel((1, 1)) == (5, 5, 5)",
    ),
}

SCENARIOS = {
    f"{group}: {name}": scenario
    for group, scenarios in {"surface": SURFACE, "widgets": WIDGETS, "ended": ENDED}.items()
    for name, scenario in scenarios.items()
}

SHOWN = frozenset({"stream", "display_data", "execute_result", "update_display_data", "clear_output", "error"})


def usable(name: str) -> Scenario:
    """Skips where a library is not installed."""
    scenario = SCENARIOS[name]
    needed(scenario)
    if "PIL" in scenario[0]:
        pytest.importorskip("PIL")
    return scenario


def travelled(kernel: Kernel, operation: str, **how: Any) -> dict[str, Any]:
    """The reply, when nothing of a re-run has reached the frontend."""
    request = kernel.send("kishu_request", {"operation": operation, "replay": "auto", **how})
    reply = kernel.reply(request)
    assert reply["status"] == "ok", reply
    assert [content for kind, content in kernel.idle(request) if kind in SHOWN] == []
    assert reply["plan"]["lost"] == []
    return reply


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("exact")) as kernel:
        begun(kernel)
        yield kernel


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_back(exact: Kernel, name: str) -> None:
    scenario = _, change, check = usable(name)
    made = make(exact, scenario)
    assert holds(exact, check), exact.run(check).reply
    exact.ok(change)
    changed = exact.done("status")["head"]
    assert changed != made
    assert not holds(exact, check), "the change does not matter to the check"
    for _ in range(2):
        reply = travelled(exact, "checkout", target=made)
        if name.startswith("ended"):
            assert reply["plan"]["replay"] == []
        assert holds(exact, check), exact.run(check).reply
        exact.done("checkout", target=changed)
        assert not holds(exact, check)


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, dict[str, str]]]:
    """A kernel on the history of all scenarios, and where each stood when it was made."""
    home = tmp_path_factory.mktemp("anew")
    with Kernel(home, environment={"JPY_SESSION_NAME": str(home / "book.ipynb")}) as kernel:
        begun(kernel)
        made = {}
        for name in SCENARIOS:
            try:
                made[name] = make(kernel, usable(name))
            except pytest.skip.Exception:
                continue
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        yield kernel, made


IN_THIS_KERNEL = frozenset({"surface: the kernel itself", "surface: a comm of its own"})
"""What it is about is the process."""


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in IN_THIS_KERNEL])
def test_it_is_there_in_a_new_kernel(anew: tuple[Kernel, dict[str, str]], name: str) -> None:
    kernel, made = anew
    check = usable(name)[2]
    reply = travelled(kernel, "checkout", target=made[name])
    if name.startswith("ended"):
        assert reply["plan"]["replay"] == []
    assert holds(kernel, check), kernel.run(check).reply


# -- what a re-run leaves ----------------------------------------------------------------------------------

COMMS = "len(__import__('comm').get_comm_manager().comms)"


def test_no_widget_is_left_behind(kernel: Kernel) -> None:
    pytest.importorskip("ipywidgets")
    kernel.ok("import ipywidgets\nw = ipywidgets.IntSlider(); lost = ipywidgets.VBox([ipywidgets.Text()]); del lost")
    kernel.ok("display(ipywidgets.Button()); w.max = 50")
    kernel.ok("w.max = 60")
    before = kernel.value(COMMS)
    request = kernel.send("kishu_request", {"operation": "undo", "replay": "auto"})
    assert kernel.reply(request)["status"] == "ok"
    opened = {content["comm_id"] for kind, content in kernel.idle(request) if kind == "comm_open"}
    mine = kernel.value("[w.comm.comm_id, w.layout.comm.comm_id, w.style.comm.comm_id]")
    assert opened == set(mine)  # and not those of the box, of the text and of the button
    assert kernel.value(COMMS) == before + len(mine)
    assert set(mine) <= kernel.message("comm_info_request")["comms"].keys()
    assert kernel.value("(w.max, len(ipywidgets.Widget.widgets))") == (50, kernel.value(COMMS))


def test_a_re_run_that_fails_leaves_no_widget(kernel: Kernel) -> None:
    pytest.importorskip("ipywidgets")
    kernel.ok("import ipywidgets, os; open('there', 'w').close()")
    kernel.ok("w = ipywidgets.IntSlider(); os.stat('there')")
    kernel.ok("w.max = 60")
    (kernel.home / "there").unlink()
    before = kernel.value(COMMS)
    request = kernel.send("kishu_request", {"operation": "undo", "replay": "auto"})
    reply = kernel.reply(request)
    assert (reply["ename"], [each["names"] for each in reply["plan"]["lost"]]) == ("ReplayError", [["w"]])
    assert "In[2] raised FileNotFoundError when it was re-run" in reply["evalue"]
    assert not [kind for kind, _ in kernel.idle(request) if kind.startswith("comm_")]
    assert kernel.value(f"{COMMS}, w.max") == (before, 60)


@pytest.mark.parametrize(
    "ask", ["input('?')", "__import__('getpass').getpass()", "get_ipython().kernel.raw_input('?')"]
)
def test_a_re_run_does_not_ask(kernel: Kernel, ask: str) -> None:
    kernel.run(f"{GEN}; answer = {ask}", answers=["yes"])
    kernel.ok("next(gen)")
    reply = kernel.request("undo", replay="auto")
    assert (reply["ename"], reply["plan"]["lost"][0]["names"]) == ("ReplayError", ["gen"])
    assert "a cell that asks for input cannot be re-run" in reply["evalue"]


def test_what_a_cell_hands_to_the_frontend_is_handed_once(kernel: Kernel) -> None:
    kernel.ok(
        f"{GEN}\nget_ipython().set_next_input('x'); get_ipython().payload_manager.write_payload({{'source': 'page'}})"
    )
    kernel.ok("next(gen)")
    undone = kernel.ok("%kishu undo")
    assert undone.reply["payload"] == []
    kernel.done("redo")
    kernel.done("undo")
    assert kernel.ok("1").reply["payload"] == []


def test_hooks_that_a_re_run_registers_hear_nothing_later(kernel: Kernel) -> None:
    kernel.ok(
        f"heard = []\n{GEN}\nget_ipython().display_pub.register_hook(lambda message: heard.append(1) or message)\n"
        "get_ipython().displayhook.register_hook(lambda message: message)"
    )
    kernel.ok("next(gen)")
    hooks = "len(get_ipython().display_pub._hooks), len(get_ipython().displayhook._hooks)"
    before = kernel.value(hooks)
    kernel.done("undo")
    assert kernel.value(hooks) == before


def test_the_shell_goes_on_counting(kernel: Kernel) -> None:
    kernel.ok(f"{GEN}\n'shown'")
    kernel.ok("next(gen)")
    kernel.done("undo")
    assert kernel.value("len(In), get_ipython().execution_count, Out, _") == (3, 3, {1: "shown"}, "shown")
    ran = kernel.ok("'more'")
    assert (ran.reply["execution_count"], ran.text) == (3, "'more'")
    assert kernel.value("_, __, sorted(Out)") == ("more", "shown", [1, 3])


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ("import threading; x = threading.Timer(9, print); x.start()", "a Timer that runs holds on to a thread"),
        ("import subprocess; x = subprocess.Popen(['sleep', '9'])", "a process that nobody has waited for"),
        (
            "import time; from concurrent.futures import ThreadPoolExecutor as P; x = P(1).submit(time.sleep, 1)",
            "a Future that is not done belongs to who works on it",
        ),
    ],
)
def test_what_runs_is_told_and_the_rest_comes(kernel: Kernel, runs: str, told: str) -> None:
    kernel.ok("kept = [1]; near = [2]")
    kernel.ok(f"# kishu: no-replay\n{runs}")
    kernel.ok("x = None; kept.append(2)")
    reply = kernel.request("undo")
    assert reply["ename"] == "LostError"
    assert [each["names"] for each in reply["plan"]["lost"]] == [["x"]]
    assert told in reply["plan"]["lost"][0]["reason"]
    kernel.done("undo", allow_lost=True)
    assert kernel.value("kept, near, 'x' in globals()") == ([1], [2], False)
