"""`explore`: cells in forks of their own; what becomes of each is a value, whatever that is."""

from __future__ import annotations

import copyreg
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from kishu_kernel.client import client, connect, explore
from kishu_kernel.client.fork_limit import running_forks
from kishu_kernel.errors import ForkLimitError, RequestError, UnknownTargetError
from tests.client.test_client import Start, kernel, start
from tests.client.test_forks import key, text
from tests.frontend.command.commanding import in_json, ok
from tests.kernel.driver import Kernel

__all__ = ["kernel", "key", "start"]  # fixtures


def test_each_cell_in_a_fork_of_its_own(kernel: Kernel) -> None:
    kernel.ok("xs = [1]; ys = [xs]; gone = 0")
    kernel.ok("xs.append('later')")
    with connect("book.ipynb") as k:
        cells = ["xs.append(2); del gone; sum(xs)", "new = xs[0] / 0", "print('seen'); new = 7"]
        good, bad, said = explore(k, cells, at="In[1]")
        assert [each.code for each in (good, bad, said)] == cells
        assert (good.status, good.result, good.error, good.durable) == ("ok", "3", None, True)
        assert (set(good.modified), good.deleted) == ({"xs", "ys"}, ("gone",))
        assert (bad.status, bad.error, bad.created) == ("error", "ZeroDivisionError: division by zero", ())
        assert (said.created, said.outputs[0]["text"], said.result) == (("new",), "seen\n", None)
        assert 0 < said.seconds < 30
        assert running_forks() == []
        assert {"gone", "new"} <= set(k.diff(said.state, good.state)["created"])
        k.promote(good.state)
        assert kernel.value("(xs, ys[0] is xs)") == ([1, 2], True)
        [kept] = explore(k, ["xs.append(3)"], keep=True)
        with connect(kept.connection_file) as fork:
            assert text(fork.run("print(xs)")) == "[1, 2, 3]\n"
        os.kill(running_forks()[0].pid, signal.SIGKILL)


def test_a_notebook_goes_on_from_its_own_session_and_not_from_a_fork(start: Start) -> None:
    kernel = start()
    kernel.ok("x = 1")
    with connect("book.ipynb") as k:
        [tried] = explore(k, ["x = 2"])
        with k.fork()[0] as fork:
            fork.run("x = 3")
    kernel.close(gracefully=True)
    own = in_json("status", "book.ipynb")["head"]  # of a history at rest
    assert own != tried.state
    ok("export", "book.ipynb", "tried.kishu", "--target", tried.branch)  # it has nothing else
    ok("import", "tried.kishu", "--notebook", "other.ipynb")
    assert in_json("status", "other.ipynb")["head"] == tried.state
    again = start()
    assert again.done("status")["ended"]["head"] == own
    assert again.done("resume")["head"] == own
    assert again.value("x") == 1
    assert again.done("checkout", target=tried.branch)["applied"]  # it is found by its name
    assert again.value("x") == 2


def test_what_does_not_end_or_ends_its_kernel_is_told(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "OBEDIENCE", 1.0)
    stubborn = (
        "import time\nwhile True:\n    try:\n        time.sleep(600)\n    except KeyboardInterrupt:\n        pass"
    )
    kernel.ok("x = 1")
    with connect("book.ipynb") as k:
        slow, never, dead = explore(
            k, ["x = 2; import time; time.sleep(600)", stubborn, "import os; os._exit(3)"], timeout=2
        )
        assert (slow.status, slow.modified) == ("timeout", ("x",))
        assert "more than 2 seconds" in str(slow.error)
        assert (never.status, never.state) == ("timeout", None)
        assert "its kernel was ended" in str(never.error)
        assert dead.status == "lost"
        assert "ended before it answered" in str(dead.error)
        assert running_forks() == []
        assert kernel.value("x") == 1


def test_cancelled_ones_are_interrupted_or_not_begun(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # one after the other
    kernel.ok("x = 1")
    cancel, began = threading.Event(), tmp_path / "began"
    os.mkfifo(began)
    threading.Thread(target=lambda: (began.read_text(), cancel.set())).start()
    with connect("book.ipynb") as k:
        cells = ["x = 2", f"open({str(began)!r}, 'w').close(); import time; time.sleep(600)", "x = 3"]
        done, running, waiting = explore(k, cells, cancel=cancel)
    assert (done.status, running.status, waiting.status) == ("ok", "cancelled", "cancelled")
    assert "was interrupted" in str(running.error)
    assert "not begun" in str(waiting.error)
    assert running_forks() == []


def test_a_cell_that_waits_for_another_is_interrupted_when_its_turn_has_come(kernel: Kernel, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    kernel.ok("import time")
    kernel.client.execute(f"opened = open({str(gate)!r}).read(); time.sleep(0.1)")

    def stop() -> bool:
        if gate.exists():
            gate.write_text("open")
            gate.unlink()
        return True

    with connect("book.ipynb") as k:
        ran = k.run("time.sleep(600)", stop=stop)
        assert ran["outputs"][-1]["ename"] == "KeyboardInterrupt"
        assert kernel.value("opened") == "open"
        assert [each["status"] for each in k.log()["checkpoints"][:2]] == ["interrupted", "ok"]


def test_on_an_executor_whose_worker_dies(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    with connect("book.ipynb") as k, ProcessPoolExecutor(2, get_context("spawn")) as pool:
        assert [each.result for each in explore(k, ["x + 1", "x + 2"], executor=pool)] == ["2", "3"]
        pid = pool.submit(os.getpid).result()
        told = explore(k, [f"import os, signal; os.kill({pid}, signal.SIGKILL); x = 5", "x"], executor=pool)
        assert told[0].status == "lost"
        assert "its worker was lost" in str(told[0].error)
        [late] = explore(k, ["x"], executor=pool)
        assert late.status == "lost"
        assert kernel.value("x") == 1


@pytest.mark.parametrize(
    ("cells", "how", "error", "told"),
    [
        ([], {}, RequestError, "no cell"),
        ([1], {}, RequestError, "texts of code"),
        (["x"], {"at": "nowhere"}, UnknownTargetError, "nowhere"),
        (["x"], {"timeout": 0}, RequestError, "needs some time"),
    ],
)
def test_nonsense(kernel: Kernel, cells: list[str], how: dict[str, object], error: type[Exception], told: str) -> None:
    kernel.ok("x = 1")
    with connect("book.ipynb") as k, pytest.raises(error, match=told):
        explore(k, cells, **how)  # type: ignore[arg-type]
    assert running_forks() == []


def test_where_none_fits(start: Start) -> None:
    kernel = start("--KishuForks.limit=0")
    kernel.ok("x = 1")
    with connect("book.ipynb") as k, pytest.raises(ForkLimitError, match=r"limit, 0"):
        explore(k, ["x"])


@pytest.fixture
def own_reductions() -> Iterator[None]:
    """What a library registers for pickling is registered for one test: Dask's is for every exception."""
    table = copyreg.dispatch_table
    before = dict(table)
    yield
    table.clear()
    table.update(before)


@pytest.mark.usefixtures("own_reductions")
def test_on_a_cluster_of_dask(kernel: Kernel) -> None:
    distributed = pytest.importorskip("distributed")
    kernel.ok("x = [1]")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        cluster.get_client() as dask,
        dask.get_executor() as executor,
        connect("book.ipynb") as k,
    ):
        found = explore(k, [f"x.append({number}); x" for number in range(4)], executor=executor, timeout=60)
        assert [each.result for each in found] == [f"[1, {number}]" for number in range(4)]
        k.take("x", found[3].state)
        assert kernel.value("x") == [1, 3]
        workers = dask.run(os.getpid)
        slain = f"import os, signal\nfor pid in {list(workers.values())}: os.kill(pid, signal.SIGKILL)"
        [lost] = explore(
            k, [slain], executor=executor
        )  # Dask calls again on another worker: an effect would be repeated
        assert (lost.status, "not run a second time" in str(lost.error)) == ("lost", True)
        assert kernel.value("x") == [1, 3]
