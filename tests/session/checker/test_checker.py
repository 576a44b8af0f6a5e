"""The checker process: what it says, and that nothing else is seen of it."""

from __future__ import annotations

import colorsys
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from kishu_kernel.detect.fingerprint import digest_of
from kishu_kernel.model import NotStored
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.session.checker import connection
from kishu_kernel.session.checker.connection import Checker
from kishu_kernel.session.checker.messages import Answer, CopiedPayload, NoAnswerError, encode_message, take_message

BESIDE = """
import os, time

class Writes:
    def __setstate__(self, state): open('written.txt', 'w').close()
class Loops:
    def __setstate__(self, state):
        while True: pass
class Sleeps:
    def __setstate__(self, state): time.sleep(1000)
class Ends:
    def __setstate__(self, state): os._exit(1)
class Spawns:
    def __setstate__(self, state):
        import multiprocessing
        multiprocessing.get_context('spawn').Process(target=print).start()
class Pipes:
    def __setstate__(self, state): os.mkfifo('written.txt')
class Renices:
    def __setstate__(self, state): os.setpriority(os.PRIO_PROCESS, state['pid'], 19)
class Shares:
    def __setstate__(self, state):
        from multiprocessing import shared_memory
        shared_memory.SharedMemory(name=state['name'])
class WritesInC:
    def __setstate__(self, state):
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        self.a = libc.open(b'written.txt', os.O_CREAT | os.O_WRONLY, 0o600)
class RunsInC:
    def __setstate__(self, state):
        import ctypes
        self.a = ctypes.CDLL(None).system(b'touch written.txt')
class Prints:
    def __setstate__(self, state): print('seen'); os.write(1, b'seen'); self.a = 1
class Removes:
    def __init__(self, path): self.path = path
    def __del__(self): os.remove(self.path)
"""


@pytest.fixture
def checker() -> Iterator[Checker]:
    checker = Checker({"wave": colorsys})
    yield checker
    checker.close()


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A library that nothing is known of."""
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "next_to_it.py").write_text(BESIDE)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("next_to_it", None)
    import next_to_it

    yield next_to_it
    del sys.modules["next_to_it"]


def payload(**variables: Any) -> CopiedPayload:
    made = encode(tuple(sorted(variables)), variables, ReductionTable({}))
    assert not isinstance(made, NotStored), made
    assert not made.buffers
    return CopiedPayload(made.names, bytes(made.stream), (), {})


def empty(kind: type) -> Any:
    made = kind.__new__(kind)
    vars(made)["a"] = 1
    return made


def asked(checker: Checker, kind: Any, *payloads: CopiedPayload, names: tuple[str, ...] = ()) -> Answer:
    answer = checker.answer(checker.ask(kind, payloads, names), 60)
    assert answer is not None
    return answer


def process() -> psutil.Process:
    """The one that this process has started; it is no child."""
    here = str(os.getpid())
    [found] = [each for each in psutil.process_iter() if here in _environment(each).get("STARTED_FOR", "")]
    return found


def _environment(each: psutil.Process) -> dict[str, str]:
    try:
        return {} if each.pid == os.getpid() else each.environ()
    except psutil.Error:
        return {}


@pytest.fixture(autouse=True)
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARTED_FOR", f"{os.getpid()}")


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_says_what_a_copy_is(checker: Checker) -> None:
    values = {"a": [1, {"b": 2.5}], "c": "text"}
    assert asked(checker, "digest", payload(**values)).digest == digest_of(values, ReductionTable({}))


def test_it_says_how_two_differ(checker: Checker) -> None:
    answer = asked(checker, "comparison", payload(a=[1, 2]), payload(a=[1, 3]), names=("a",))
    assert [(each.before, each.after) for each in answer.comparisons["a"].aspects]


def test_one_process_answers_many_questions(checker: Checker) -> None:
    for number in range(20):
        assert asked(checker, "digest", payload(a=number)).problem is None
    assert process().nice() > os.nice(0)


def test_it_is_no_child_and_leaves_no_zombie(checker: Checker) -> None:
    with suppress(ChildProcessError):  # what other tests have left
        os.waitpid(-1, os.WNOHANG)
    others = psutil.Process().children()  # as multiprocessing's resource tracker
    asked(checker, "digest", payload(a=1))
    assert psutil.Process().children() == others
    found = process()
    assert os.getsid(found.pid) != os.getsid(0)
    with pytest.raises(ChildProcessError):
        os.waitpid(found.pid, os.WNOHANG)


def test_it_inherits_nothing(checker: Checker, tmp_path: Path) -> None:
    with open(tmp_path / "mine.txt", "w") as file:
        os.set_inheritable(file.fileno(), True)
        asked(checker, "digest", payload(a=1))
        assert str(tmp_path / "mine.txt") not in [each.path for each in process().open_files()]


def test_it_ends_when_nobody_listens(checker: Checker) -> None:
    asked(checker, "digest", payload(a=1))
    found = process()
    checker.close()
    until(lambda: not found.is_running() or found.status() == psutil.STATUS_ZOMBIE)
    assert asked(checker, "digest", payload(a=1)).problem is None, "and another one answers"


def test_a_fork_of_the_kernel_does_not_hang_up(checker: Checker) -> None:
    asked(checker, "digest", payload(a=1))
    found = process()
    child = os.fork()
    if not child:
        checker.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert asked(checker, "digest", payload(a=2)).problem is None
    assert process() == found


def test_one_that_went_away_meanwhile_is_replaced(checker: Checker) -> None:
    asked(checker, "digest", payload(a=1))
    found = process()
    found.kill()
    line = checker._socket
    assert line is not None
    until(lambda: connection._is_gone(line))  # when the last of its threads is
    assert asked(checker, "digest", payload(a=2)).problem is None


def test_it_touches_nothing(checker: Checker, beside: Any, tmp_path: Path) -> None:
    answer = asked(checker, "census", payload(x=empty(beside.Writes)))
    assert "writes files" in (answer.refused or "")
    assert not (tmp_path / "written.txt").exists()


@pytest.mark.parametrize("kind", ["Spawns", "Pipes", "Renices", "Shares"])
def test_what_no_audit_hook_hears_is_refused(checker: Checker, beside: Any, tmp_path: Path, kind: str) -> None:
    made = empty(getattr(beside, kind))
    vars(made).update(pid=os.getpid(), name="nothing")
    before = os.getpriority(os.PRIO_PROCESS, 0)
    answer = asked(checker, "census", payload(x=made))
    assert answer.refused, answer
    assert not (tmp_path / "written.txt").exists()
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is looked at")
@pytest.mark.parametrize("kind", ["WritesInC", "RunsInC"])
def test_what_is_done_in_c_is_not_done(checker: Checker, beside: Any, tmp_path: Path, kind: str) -> None:
    assert asked(checker, "census", payload(x=empty(getattr(beside, kind)))).problem is None
    assert not (tmp_path / "written.txt").exists()


def test_it_ends_with_the_kernel_whatever_it_is_doing(checker: Checker, beside: Any) -> None:
    checker.ask("census", [payload(x=empty(beside.Loops))])
    assert checker.answer(checker._number, 1.0) is None
    found = process()
    checker.close()
    until(lambda: not found.is_running() or found.status() == psutil.STATUS_ZOMBIE)


def test_what_is_printed_is_not_seen(checker: Checker, beside: Any, capfd: pytest.CaptureFixture[str]) -> None:
    answer = asked(checker, "census", payload(x=empty(beside.Prints)))
    assert answer.census["next_to_it", "Prints", ""] == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["Loops", "Sleeps", "Ends"])
def test_what_does_not_come_to_an_end(
    checker: Checker, beside: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """There is no answer, and the next question has one; after some of these nobody asks any more."""
    impatient = "from kishu_kernel.session.checker import server; server.PATIENCE = 1.0; main()"
    monkeypatch.setattr(connection, "_START_CODE", connection._START_CODE.replace("main()", impatient))
    for _ in range(connection.FAILURES_AT_MOST - 1):
        with pytest.raises(NoAnswerError):
            asked(checker, "census", payload(x=empty(getattr(beside, kind))))
        assert asked(checker, "digest", payload(a=1)).problem is None
    with pytest.raises(NoAnswerError):
        asked(checker, "census", payload(x=empty(getattr(beside, kind))))
    with pytest.raises(NoAnswerError):
        checker.ask("digest", [payload(a=1)])


def test_who_does_not_wait_is_not_made_to(checker: Checker) -> None:
    number = checker.ask("digest", [payload(a=1)])
    assert checker.answer(number, 0.0) is None
    again = checker.ask("digest", [payload(a=2)])
    answer = checker.answer(again, 60)
    assert answer is not None
    assert answer.number == again


def test_what_has_a_destructor_is_not_tried(checker: Checker, beside: Any, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()
    live = beside.Removes(str(tmp_path / "precious.txt"))
    assert asked(checker, "census", payload(x=live)).destructor
    assert (tmp_path / "precious.txt").exists()


@pytest.mark.parametrize("spent", [0, 1 << 30])
def test_a_copy_with_a_destructor_is_not_freed(
    checker: Checker, beside: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spent: int
) -> None:
    """Its process ends without freeing it; after many another one answers."""
    few = f"from kishu_kernel.session.checker import server; server.UNFREED_AT_MOST = {spent}; main()"
    monkeypatch.setattr(connection, "_START_CODE", connection._START_CODE.replace("main()", few))
    (tmp_path / "precious.txt").touch()
    live = beside.Removes(str(tmp_path / "precious.txt"))
    answer = asked(checker, "digest", payload(x=live))
    assert answer.digest == digest_of({"x": live}, ReductionTable({}))
    assert answer.last == (spent == 0)
    assert asked(checker, "digest", payload(x=1)).problem is None
    checker.close()
    assert (tmp_path / "precious.txt").exists()


def test_code_of_the_notebook_finds_what_the_notebook_has_imported(checker: Checker) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__", "wave": colorsys}
    exec("class D(dict):\n    def __reduce__(self): return D, ()\nx = D()", namespace)
    exec("def start(self): self['got'] = wave.rgb_to_hsv(0, 0, 0)\nD.__init__ = start", namespace)
    made = encode(("x",), namespace, ReductionTable(namespace))
    assert not isinstance(made, NotStored)
    assert asked(checker, "census", CopiedPayload(made.names, bytes(made.stream), (), {})).problem is None


def test_who_hears_of_ended_children_is_not_disturbed(checker: Checker) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGCHLD, lambda number, _: heard.append(number))
    try:
        with pytest.raises(NoAnswerError):
            checker.ask("digest", [payload(a=1)])
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert heard == []


def test_nothing_else_is_loaded_from_the_line() -> None:
    import pickle

    body = pickle.dumps(os.getcwd)
    with pytest.raises(pickle.UnpicklingError, match="no part of a message"):
        take_message(bytearray(len(body).to_bytes(8, "big") + body))
    whole = encode_message(Answer(3, b"d"))
    assert take_message(bytearray(whole[:-1])) is None
    assert take_message(bytearray(whole)) == Answer(3, b"d")
