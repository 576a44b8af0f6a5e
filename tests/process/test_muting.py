"""What one thread does is not seen; what another does at the same moment is."""

from __future__ import annotations

import io
import sys
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest

from kishu_kernel.process.muting import muted, warnings_muted

_registry: dict[object, object] = {"version": -1}


class Tee(io.StringIO):
    """A stream of the user's own."""

    def write(self, text: str) -> int:
        return super().write(text.upper())


def taking(monkeypatch: pytest.MonkeyPatch, kind: type[io.StringIO]) -> io.StringIO:
    """Takes what is printed from here on. No fixture: pytest puts its own streams there after those."""
    stream = kind()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


KINDS = pytest.mark.parametrize("kind", [io.StringIO, Tee])


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The warnings that were shown; by a hook of the user's."""
    texts: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *rest, **how: texts.append(str(message))
        yield texts


def elsewhere(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@KINDS
def test_other_threads_are_heard(monkeypatch: pytest.MonkeyPatch, kind: type[io.StringIO]) -> None:
    stream = taking(monkeypatch, kind)
    with muted():
        print("mine")
        print("mine, too", file=sys.stderr)
        sys.stdout.write("and this")
        elsewhere(lambda: print("theirs"))
        assert sys.stdout is stream
    print("after")
    assert stream.getvalue().lower() == "theirs\nafter\n"
    assert "write" not in vars(stream)


@KINDS
def test_threads_that_begin_meanwhile(monkeypatch: pytest.MonkeyPatch, kind: type[io.StringIO]) -> None:
    """For a cell that is run again: what it starts belongs to it, and a thread of before does not."""
    stream = taking(monkeypatch, kind)
    go, gone = threading.Event(), threading.Event()
    before = threading.Thread(target=lambda: (go.wait(), print("before"), gone.set()))
    before.start()
    with muted(new_threads=True):
        elsewhere(lambda: print("begun"))
        go.set()
        gone.wait()
    before.join()
    assert stream.getvalue().lower() == "before\n"


@KINDS
def test_what_somebody_else_puts_there_stays(monkeypatch: pytest.MonkeyPatch, kind: type[io.StringIO]) -> None:
    taking(monkeypatch, kind)
    other = io.StringIO()
    with muted():
        elsewhere(lambda: setattr(sys, "stdout", other))
        elsewhere(lambda: print("there"))
    assert sys.stdout is other
    assert other.getvalue() == "there\n"


@KINDS
def test_what_somebody_kept_hides_nothing_later(
    monkeypatch: pytest.MonkeyPatch, kind: type[io.StringIO], shown: list[str]
) -> None:
    """A thread that saves and restores the hook, or the stream's method, at the wrong moment."""
    stream = taking(monkeypatch, kind)
    with muted():
        saved, write = warnings.showwarning, stream.write
    warnings.showwarning = saved
    warnings.warn("later", UserWarning, stacklevel=1)
    write("written")
    assert shown == ["later"]
    assert stream.getvalue().lower() == "written"


def warn(text: str) -> None:
    warnings.warn(text, UserWarning, stacklevel=1)


def test_warnings_of_other_threads_are_shown(shown: list[str]) -> None:
    with warnings_muted():
        warn("mine")
        elsewhere(lambda: warn("theirs"))
    assert shown == ["theirs"]
    warn("mine")  # it has not been shown yet
    warn("theirs")  # it has
    assert shown == ["theirs", "mine"]


def test_what_was_shown_once_is_not_shown_again(shown: list[str]) -> None:
    warn("once")
    with warnings_muted():
        pass
    warn("once")
    assert shown == ["once"]


def mute_briefly() -> None:
    """As pandas does for its dtypes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")


def test_nor_where_a_library_changes_the_filters_for_a_moment(shown: list[str]) -> None:
    warn("once")
    with warnings_muted():
        mute_briefly()
    warn("once")
    assert shown == ["once"]


def test_filters_that_another_thread_changes_are_asked_anew(shown: list[str]) -> None:
    warn("once")
    with warnings_muted():
        elsewhere(lambda: warnings.simplefilter("always"))
    warn("once")
    assert shown == ["once", "once"]


def test_a_stream_that_nobody_can_change(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed:
        __slots__ = ("texts",)

        def __init__(self) -> None:
            self.texts: list[str] = []

        def write(self, text: str) -> None:
            self.texts.append(text)

    fixed = Fixed()
    monkeypatch.setattr(sys, "stdout", fixed)
    with muted():
        print("x")
    assert fixed.texts == ["x", "\n"]
