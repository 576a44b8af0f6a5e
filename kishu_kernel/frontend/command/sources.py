"""Who answers the command line: the live kernel of a notebook, else its store at rest.

Law: nothing is loaded and nothing is changed at rest. Who only looks gets an answer as long as the store can be read,
whatever became of the kernel; who changes something needs the kernel.
Neighbours: `named_stores` finds what is meant, `reading` answers at rest, `kishu_kernel.client` asks the kernel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from kishu_kernel.errors import KernelError, RequestError, StoreError
from kishu_kernel.frontend.command.tables import Json
from kishu_kernel.frontend.command.terminal import base_of, insisted, note, opened

if TYPE_CHECKING:
    from kishu_kernel.client import Client
    from kishu_kernel.store.catalog.running_kernels import LiveKernel
    from kishu_kernel.store.lmdb_store import LmdbStore

PATIENCE = 5.0
"""Seconds that a kernel has to answer who only looks; then its store does."""
LONG = 30.0
"""Seconds that it has to answer who needs it, before it is asked to do anything."""


class Source(Protocol):
    """What can be asked.

    Attributes:
        kernel: the connection file of the kernel that answers; None at rest.
        notebook: whose history it is, where that is known.
    """

    kernel: str | None
    notebook: str | None

    def ask(self, operation: str, /, **parameters: object) -> Json:
        """The reply to an operation of the protocol. Raises `KishuError` where it is an error."""


class AtRest:
    """A store that is only read."""

    def __init__(self, path: Path, store: LmdbStore) -> None:
        from kishu_kernel.frontend.protocol.reading import Reader
        from kishu_kernel.session.timeline import History
        from kishu_kernel.store.catalog.about_file import read_about

        about = read_about(path)
        self.kernel: str | None = None
        self.notebook: str | None = about.notebook if about else None
        self._path = path
        self._store = store
        self._history = History.from_store(store)
        self._reader = Reader(lambda: self._history, lambda: self.notebook)

    def ask(self, operation: str, /, **parameters: object) -> Json:
        """As in `Source`. Only what looks, and loads nothing."""
        from kishu_kernel.frontend.protocol.content import PROTOCOL, sendable

        if parameters.pop("values", False):
            raise RequestError("to compare values they must be loaded, which only a kernel does: open the notebook")
        try:
            content = self._status() if operation == "status" else getattr(self._reader, operation)(**parameters)
        except (KeyError, ValueError, OverflowError) as error:  # what stands there is not what we write
            raise StoreError(
                f"the history in {self._path} is damaged ({error!r}): mend it with "
                f"`jupyter kishu fsck --repair {self._path}`"
            ) from error
        reply: Json = sendable({"status": "ok", "protocol": PROTOCOL, "operation": operation, **content})
        return reply

    def _status(self) -> Json:
        statistics, history = self._store.statistics(), self._history
        ids = ((each.timestamp, each.id) for each in self._store.checkpoints(outputs=False))
        return {
            "head": history.head,
            "branch": history.branch,
            "session": history.head and history.lookup(history.head).session,
            "latest": max(ids, default=(0.0, None))[1],
            "pending": False,
            "store": {
                "path": str(self._path),
                "bytes": statistics.bytes,
                "checkpoints": statistics.checkpoints,
                "chunks": statistics.chunks,
            },
            "warnings": [],
        }


class Live:
    """A kernel that is asked."""

    def __init__(self, client: Client, notebook: str | None) -> None:
        self.kernel = client.connection_file
        self.notebook = notebook
        self.client = client

    def ask(self, operation: str, /, **parameters: object) -> Json:
        """As in `Source`."""
        return self.client.request(operation, **parameters)


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a person named: a kernel, or a store without one.

    Attributes:
        store: where to look if the kernel does not answer.
    """

    kernel: LiveKernel | None
    store: Path | None


@contextmanager
def source(ctx: click.Context, directory: Path | None, name: str) -> Iterator[Source]:
    """Who can tell what `name` was and is."""
    meant = _meant(ctx, directory, name)
    try:
        client = None if meant.kernel is None else _connected(meant.kernel, name, None, PATIENCE)
    except KernelError as error:
        if meant.store is None:
            raise
        note(f"{error}. So this is what its store says")
        client = None
    if meant.kernel is not None and client is not None:
        with client:
            yield Live(client, meant.kernel.notebook)
        return
    assert meant.store is not None
    with opened(meant.store, readonly=True) as store:
        yield AtRest(meant.store, store)


@contextmanager
def live_source(ctx: click.Context, directory: Path | None, name: str, timeout: float | None) -> Iterator[Live]:
    """The kernel that can change what `name` is.

    Raises:
        NoKernelError: there is none.
    """
    from kishu_kernel.client.connection import nobody_on

    kernel = _meant(ctx, directory, name).kernel
    if kernel is None:
        raise nobody_on(name)
    with _connected(kernel, name, timeout, LONG) as client:
        yield Live(client, kernel.notebook)


def store_of(ctx: click.Context, directory: Path | None, name: str) -> Path | None:
    """The store that is meant, whoever has it open."""
    return _meant(ctx, directory, name).store


def _meant(ctx: click.Context, directory: Path | None, name: str) -> _Meant:
    from kishu_kernel.client.connection import connection_file, only
    from kishu_kernel.frontend.command import named_stores
    from kishu_kernel.store.catalog import running_kernels

    file = connection_file(name)
    if file is not None:
        known = (each for each in running_kernels.live_kernels() if os.path.realpath(each.connection_file) == file)
        return _with(next(known, running_kernels.LiveKernel("", 0, "", file)))
    if not insisted(ctx):  # the notebook's own, wherever its store is
        kernel = only(running_kernels.live_on(Path(name).expanduser()), name)
        if kernel is not None:
            return _with(kernel)
    path = named_stores.find(base_of(ctx, directory), name)
    return _Meant(only(running_kernels.live_in(path), name), path)


def _with(kernel: LiveKernel) -> _Meant:
    from kishu_kernel.store.disk.directory import has_data

    store = None if kernel.store is None else Path(kernel.store)
    return _Meant(kernel, store if store is not None and has_data(store) else None)


def _connected(kernel: LiveKernel, name: str, timeout: float | None, patience: float) -> Client:
    from kishu_kernel.client import connect

    def waiting() -> None:
        note("the kernel is busy. What you asked for is done when its cell has ended", people=True)

    return connect(kernel.connection_file, timeout=timeout, patience=patience, waiting=waiting, called=name)


__all__ = ["AtRest", "Live", "Source", "live_source", "source", "store_of"]
