"""Output and warnings of one thread muted, while those of all other threads are shown as ever.

`contextlib.redirect_stdout` and `warnings.catch_warnings` work on the whole process: output of the user's threads would
be swallowed, their warnings lost, and every warning that was shown once would be shown again. So the streams stay in
place, and only their `write` is replaced; the hook for warnings passes on those of other threads.

Law: a hook that somebody else installs meanwhile stays when the context ends. A hook of ours that somebody kept hides
nothing after the context has ended.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock, get_ident
from typing import Any, TypeVar

_IsMuted = Callable[[], bool]
"""Whether the calling thread is meant at this moment."""

_FILTERS_CHANGED_HOOKS = ("_filters_mutated_lock_held", "_filters_mutated")
"""What `warnings` calls when its filters change, so that shown warnings are shown again; the first from 3.14 on."""


warnings_hook = Lock()
"""Held by who replaces the hook for warnings for a moment: else that of one thread could replace another's for good."""

_Found = TypeVar("_Found")


def heard(call: Callable[[], _Found]) -> tuple[_Found, bool]:
    """Calls it, and tells whether a warning was shown meanwhile."""
    shown: list[str] = []

    def show_too(message: Any, category: Any, filename: str, lineno: int, *rest: Any, **how: Any) -> None:
        shown.append(filename)
        show(message, category, filename, lineno, *rest, **how)

    with warnings_hook:
        show = warnings.showwarning
        warnings.showwarning = show_too
        try:
            return call(), bool(shown)
        finally:
            if warnings.showwarning is show_too:
                warnings.showwarning = show


@contextmanager
def muted(*, new_threads: bool = False) -> Iterator[None]:
    """Within this context nothing is shown of what this thread prints, nor of its warnings.

    Args:
        new_threads: mute threads that start meanwhile, too.
    """
    with caller_is_within(new_threads) as is_muted, ExitStack() as hooks:
        for stream in {id(each): each for each in (sys.stdout, sys.stderr)}.values():
            hooks.enter_context(_stream_muted(stream, is_muted))
        hooks.enter_context(_warnings_muted(is_muted))
        yield


@contextmanager
def warnings_muted() -> Iterator[None]:
    """Within this context no warning of this thread is shown, nor counted as shown: later it is shown as if new."""
    with caller_is_within() as is_muted, _warnings_muted(is_muted):
        yield


@contextmanager
def caller_is_within(new_threads: bool = False) -> Iterator[_IsMuted]:
    """Gives what tells whether who calls it is this thread, within this context.

    Args:
        new_threads: or one that starts meanwhile.
    """
    here = get_ident()
    others = sys._current_frames().keys() - {here} if new_threads else set()
    active = True

    def is_within() -> bool:
        return active and (get_ident() not in others if new_threads else get_ident() == here)

    try:
        yield is_within
    finally:
        active = False


@contextmanager
def _warnings_muted(is_muted: _IsMuted) -> Iterator[None]:
    show = warnings.showwarning

    def show_others(message: Any, category: Any, filename: str, lineno: int, *rest: Any, **how: Any) -> None:
        if is_muted():
            _forget_shown(str(message), category, lineno)
        else:
            show(message, category, filename, lineno, *rest, **how)

    warnings.showwarning = show_others
    try:
        with _filter_changes_muted(is_muted):
            yield
    finally:
        if warnings.showwarning is show_others:
            warnings.showwarning = show


@contextmanager
def _filter_changes_muted(is_muted: _IsMuted) -> Iterator[None]:
    """Filters that this thread changes for a moment, as pandas does to list dtypes, do not reset shown warnings.

    Otherwise every warning that the notebook has shown already would be shown once more.
    """
    name = next((each for each in _FILTERS_CHANGED_HOOKS if hasattr(warnings, each)), None)
    if name is None:
        yield
        return
    filters_changed = getattr(warnings, name)

    def others_changed_filters() -> None:
        if not is_muted():
            filters_changed()

    setattr(warnings, name, others_changed_filters)
    try:
        yield
    finally:
        if getattr(warnings, name) is others_changed_filters:
            setattr(warnings, name, filters_changed)


@contextmanager
def _stream_muted(stream: Any, is_muted: _IsMuted) -> Iterator[None]:
    """Replace the stream's `write`. A stream whose attributes cannot be set is left alone."""
    own: dict[str, Any] | None = getattr(stream, "__dict__", None)
    write = getattr(stream, "write", None)
    if own is None or write is None:
        yield
        return
    before = own.get("write")

    def write_others(text: Any) -> Any:
        return len(text) if is_muted() else write(text)

    own["write"] = write_others
    try:
        yield
    finally:
        if own.get("write") is write_others:
            own.pop("write")
            if before is not None:
                own["write"] = before


def _forget_shown(text: str, category: type[Warning], line: int) -> None:
    """Remove the entry that keeps a warning from being shown twice, from the registry of the module that warned."""
    frame = sys._getframe(1).f_back
    while frame is not None:
        registry = frame.f_globals.get("__warningregistry__")
        if isinstance(registry, dict) and (
            registry.pop((text, category, line), None) or registry.pop((text, category, 0), None)
        ):
            return
        frame = frame.f_back
