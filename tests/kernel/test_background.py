"""Code of the notebook that runs between cells: what it changes is in the next checkpoint, whatever that cell says.

Each case starts something that appends to `xs` a moment later. The next cell names `xs` nowhere.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from .driver import Kernel

IMPORTS = """
import _thread, asyncio, concurrent.futures, functools, random, sched, signal, threading, time
from multiprocessing.pool import ThreadPool
from tornado.ioloop import IOLoop, PeriodicCallback
background = get_ipython().kernel.tracked_shell.session._cells._background
loop = asyncio.get_running_loop()
def late(*_):
    time.sleep(0.2)
    xs.append(2)
"""

RUNNING = {
    "a thread": "t = threading.Thread(target=late); t.start()",
    "a thread of nobody's": "t = _thread.start_new_thread(late, ())",
    "a thread deep in a library": "t = threading.Thread(target=functools.partial(list, map(late, [1]))); t.start()",
    "a timer": "t = threading.Timer(0.2, lambda: xs.append(2)); t.start()",
    "a timer of a builtin": "t = threading.Timer(0.2, xs.append, (2,)); t.start()",
    "a timer of a method of a part": "d = {'xs': xs}; t = threading.Timer(0.2, d['xs'].append, (2,)); t.start()",
    "a library's function on a value": (
        "import collections.abc; extend = collections.abc.MutableSequence.extend\n"
        "t = threading.Timer(0.2, extend, (xs, (2,))); t.start()"
    ),
    "a library's function on a part": (
        "import collections.abc; extend = collections.abc.MutableSequence.extend; d = {'xs': xs}\n"
        "t = threading.Timer(0.2, extend, (d['xs'],), {'values': (2,)}); t.start()"
    ),
    "a scheduler": (
        "s = sched.scheduler(); s.enter(0.2, 1, lambda: xs.append(2)); t = threading.Thread(target=s.run); t.start()"
    ),
    "a thread with a run of its own": ("class T(threading.Thread):\n    def run(self): late()\nt = T(); t.start()"),
    "a pool of threads": "pool = ThreadPool(2); r = pool.apply_async(late)",
    "a pool of threads and a builtin": (
        "pool = ThreadPool(1); pool.apply_async(time.sleep, (0.2,)); r = pool.map_async(xs.append, [2])"
    ),
    "an executor": "executor = concurrent.futures.ThreadPoolExecutor(); r = executor.submit(late)",
    "an executor that nobody holds": "r = concurrent.futures.ThreadPoolExecutor().submit(late)",
    "a call later": "t = loop.call_later(0.2, lambda: xs.append(2))",
    "a call at a time": "t = loop.call_at(loop.time() + 0.2, xs.append, 2)",
    "a call soon": "t = loop.call_soon(functools.partial(xs.append, 2))",
    "a call soon, of another thread's": "t = loop.call_soon_threadsafe(lambda: xs.append(2))",
    "a call of tornado's": "IOLoop.current().call_later(0.2, lambda: xs.append(2))",
    "a periodic call of tornado's": ("p = PeriodicCallback(lambda: (xs.append(2), p.stop()), 200); p.start()"),
    "a task": "async def f():\n    await asyncio.sleep(0.2); xs.append(2)\nt = asyncio.ensure_future(f())",
    "a task that waits for it": (
        "async def f():\n    await asyncio.sleep(0.2); xs.append(2)\n"
        "t = asyncio.ensure_future(asyncio.wait_for(f(), 10))"
    ),
    "a task of several": (
        "async def f():\n    await asyncio.sleep(0.2); xs.append(2)\n"
        "t = asyncio.gather(asyncio.shield(f()), asyncio.sleep(0.1))"
    ),
    "a task on a thread": "t = asyncio.ensure_future(asyncio.to_thread(late))",
    "a loop on a thread": (
        "async def f():\n    await asyncio.sleep(0.2); xs.append(2)\n"
        "other = asyncio.new_event_loop(); t = threading.Thread(target=other.run_forever); t.start()\n"
        "time.sleep(0.1); r = asyncio.run_coroutine_threadsafe(asyncio.wait_for(f(), 5), other)"
    ),
    "a signal": (
        "def handle(*_): xs.append(2)\n"
        "_before = signal.signal(signal.SIGALRM, handle); _timer = signal.setitimer(signal.ITIMER_REAL, 0.2)"
    ),
    "a signal and a method": (
        "class Handler:\n    def handle(self, *_): xs.append(2)\n"
        "_before = signal.signal(signal.SIGALRM, Handler().handle); _timer = signal.setitimer(signal.ITIMER_REAL, 0.2)"
    ),
    "a server": (
        "async def serve(reader, writer): xs.append(2); writer.close()\n"
        "server = await asyncio.start_server(serve, '127.0.0.1', 0)\n"
        "port = server.sockets[0].getsockname()[1]\n"
        "import socket; t = threading.Timer(0.2, socket.create_connection, (('127.0.0.1', port),)); t.start()"
    ),
}

OVER = """
for name in ("pool", "executor", "server", "other"):
    held = globals().pop(name, None)
    if name == "pool" and held: held.terminate(); held.join()
    if name == "executor" and held: held.shutdown()
    if name == "server" and held: held.close()
    if name == "other" and held: held.call_soon_threadsafe(held.stop); t.join(); held.close()
_ = signal.signal(signal.SIGALRM, signal.SIG_DFL)
await asyncio.sleep(0.1)
"""


@pytest.fixture
def busy(shared: Kernel) -> Iterator[Kernel]:
    shared.ok(IMPORTS)
    yield shared
    shared.ok(OVER)


@pytest.mark.parametrize("case", RUNNING)
def test_what_it_changes_is_in_the_next_checkpoint(case: str, busy: Kernel) -> None:
    busy.ok("xs = [1]")
    busy.ok("started = True")
    busy.ok(RUNNING[case])
    busy.ok("await asyncio.sleep(0.6); unrelated = 1")
    assert "xs" in busy.done("log")["checkpoints"][0]["modified"]
    assert busy.value("xs[1]") == 2


IDLE = {
    "nothing": "pass",
    "a thread that has ended": "t = threading.Thread(target=late); t.start(); t.join()",
    "a timer that was cancelled": "t = threading.Timer(99, late); t.start(); t.cancel(); t.join()",
    "a pool of threads that waits": "pool = ThreadPool(2); pool.map(abs, [1, 2]); time.sleep(0.1)",
    "an executor that waits": "executor = concurrent.futures.ThreadPoolExecutor(); executor.submit(abs, 1).result()",
    "an executor that waits for the loop": "await asyncio.to_thread(abs, 1)",
    "a call that was cancelled": "t = loop.call_later(99, late); t.cancel()",
    "a task that has ended": "async def f(): pass\nt = asyncio.ensure_future(f()); await t",
    "a task of a library": "sleeping = asyncio.ensure_future(asyncio.sleep(0.3))",
    "a loop of a library": (
        "other = asyncio.new_event_loop(); t = threading.Thread(target=other.run_forever); t.start(); time.sleep(0.1)"
    ),
    "a thread of a library": (
        "import threading, logging.handlers, queue as q\n"
        "listener = logging.handlers.QueueListener(q.Queue()); listener.start(); held_ = [listener, {'a': 1}]"
    ),
    "a queue between processes": (
        "import multiprocessing; mq = multiprocessing.Queue(); mq.put(1); n = mq.get(); time.sleep(0.1)"
    ),
    "a pool of processes that waits": (
        "processes = concurrent.futures.ProcessPoolExecutor(1); n = processes.submit(abs, 1).result(); time.sleep(0.1)"
    ),
    "figures": "import matplotlib.pyplot as plt; figure = plt.figure(); plt.plot([1]); plt.close()",
    "widgets": "import ipywidgets; w = ipywidgets.IntSlider(); w.observe(late, 'value'); o = ipywidgets.Output()",
    "a bar of progress": "from tqdm.auto import tqdm; bar = tqdm([1, 2], mininterval=0.1); n = list(bar)",
}

NEEDS = {"figures": "matplotlib", "widgets": "ipywidgets", "a bar of progress": "tqdm"}

DONE = """
if "listener" in globals(): listener.stop()
if "mq" in globals(): mq.close(); mq.join_thread()
if "processes" in globals(): processes.shutdown()
for name in ("listener", "mq", "processes"): globals().pop(name, None)
await asyncio.sleep(0.3)
"""


@pytest.mark.parametrize("case", IDLE)
def test_what_only_waits_does_not_count(case: str, busy: Kernel) -> None:
    if case in NEEDS:
        pytest.importorskip(NEEDS[case])
    busy.ok("xs = [1]")
    busy.ok(IDLE[case])
    assert not running(busy)
    busy.ok(DONE)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="ipykernel's subshells need 3.11 here")
def test_a_cell_that_waits_on_the_main_shell_is_no_background(busy: Kernel) -> None:
    reply = busy.message("create_subshell_request", channel="control")
    if reply.get("status") != "ok":
        pytest.skip("this ipykernel has no subshells")
    busy.ok("xs = [1]")
    waiting = busy.begin("await asyncio.sleep(1); main = 1")
    time.sleep(0.2)
    ran = busy.ok("background()", subshell=reply["subshell_id"])
    assert [each["text/plain"] for each in ran.results] == ["False"]
    busy.end(waiting)
    busy.message("delete_subshell_request", {"subshell_id": reply["subshell_id"]}, channel="control")


def running(kernel: Kernel) -> bool:
    """Whether code of the notebook runs, as far as the session knows."""
    return bool(kernel.value("background()"))
