"""What a thread prints and warns of on our behalf is not seen; what other threads do is, at the same moment.

`contextlib.redirect_stdout` and `warnings.catch_warnings` are of the whole process: the output of a user's thread would
be swallowed meanwhile, its warnings lost, and every warning that was shown once would be shown again. So the stream
stays the one that it is, and the hook for warnings passes on what is not ours.

Law: whatever somebody else puts into the place of what was put here stays there; and what was put here, and kept by
somebody meanwhile, hides nothing any more when its context is left.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import get_ident
from typing import Any

_Mine = Callable[[], bool]
"""Whether what happens now, on the thread that asks, is not to be seen."""

_MAKES_KNOWN = ("_filters_mutated_lock_held", "_filters_mutated")
"""What `warnings` calls when its filters change, so that what was shown may be shown again; the first from 3.14 on."""


@contextmanager
def unseen(*, started: bool = False) -> Iterator[None]:
    """Within this context nothing is seen of what this thread prints and warns of.

    Args:
        started: neither of what threads do that begin meanwhile.
    """
    with _mine(started) as mine, ExitStack() as hooks:
        for stream in {id(each): each for each in (sys.stdout, sys.stderr)}.values():
            hooks.enter_context(_muted(stream, mine))
        hooks.enter_context(_warnings_hidden(mine))
        yield


@contextmanager
def warnings_hidden() -> Iterator[None]:
    """Within this context no warning of this thread is shown, nor noted as shown: where it comes again it is told."""
    with _mine(False) as mine, _warnings_hidden(mine):
        yield


@contextmanager
def _mine(started: bool) -> Iterator[_Mine]:
    here = get_ident()
    others = sys._current_frames().keys() - {here} if started else set()
    within = True

    def mine() -> bool:
        return within and (get_ident() not in others if started else get_ident() == here)

    try:
        yield mine
    finally:
        within = False


@contextmanager
def _warnings_hidden(mine: _Mine) -> Iterator[None]:
    show = warnings.showwarning

    def show_others(message: Any, category: Any, filename: str, lineno: int, *rest: Any, **how: Any) -> None:
        if mine():
            _forget(str(message), category, lineno)
        else:
            show(message, category, filename, lineno, *rest, **how)

    warnings.showwarning = show_others
    try:
        with _filters_unmoved(mine):
            yield
    finally:
        if warnings.showwarning is show_others:
            warnings.showwarning = show


@contextmanager
def _filters_unmoved(mine: _Mine) -> Iterator[None]:
    """Filters that this thread changes for a moment, as pandas does whenever it is asked for its dtypes, move nothing.

    Made known, they would have every warning that the notebook was already shown be shown once more.
    """
    name = next((each for each in _MAKES_KNOWN if hasattr(warnings, each)), None)
    if name is None:
        yield
        return
    make_known = getattr(warnings, name)

    def make_others_known() -> None:
        if not mine():
            make_known()

    setattr(warnings, name, make_others_known)
    try:
        yield
    finally:
        if getattr(warnings, name) is make_others_known:
            setattr(warnings, name, make_known)


@contextmanager
def _muted(stream: Any, mine: _Mine) -> Iterator[None]:
    """Where the stream lets nobody change it, it is left alone."""
    own: dict[str, Any] | None = getattr(stream, "__dict__", None)
    write = getattr(stream, "write", None)
    if own is None or write is None:
        yield
        return
    before = own.get("write")

    def write_others(text: Any) -> Any:
        return len(text) if mine() else write(text)

    own["write"] = write_others
    try:
        yield
    finally:
        if own.get("write") is write_others:
            own.pop("write")
            if before is not None:
                own["write"] = before


def _forget(text: str, category: type[Warning], line: int) -> None:
    """Takes back the note that keeps a warning from being shown twice, in the module that it was told of."""
    frame = sys._getframe(1).f_back
    while frame is not None:
        noted = frame.f_globals.get("__warningregistry__")
        if isinstance(noted, dict) and (
            noted.pop((text, category, line), None) or noted.pop((text, category, 0), None)
        ):
            return
        frame = frame.f_back
