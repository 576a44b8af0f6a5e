"""What answers a command: the live kernel of a notebook, else its store.

Law: without a kernel nothing is loaded and nothing is changed. A command that only looks gets an answer as long as the
store can be read, whatever happened to the kernel; one that changes something needs the kernel.
Neighbours: `store.catalog.named_stores` finds the store that a name means, `protocol.reading` answers from a store,
`kishu_kernel.client` asks a kernel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

from kishu_kernel.errors import KernelError, RequestError, StoreError
from kishu_kernel.frontend.command.tables import Json
from kishu_kernel.frontend.command.terminal import base_of, is_given, note, opened
from kishu_kernel.model.dataclass import dataclass

if TYPE_CHECKING:
    from kishu_kernel.client import Client
    from kishu_kernel.store.catalog.running_kernels import LiveKernel
    from kishu_kernel.store.lmdb_store import LmdbStore

PATIENCE = 5.0
"""Seconds that a kernel has to answer a command that only looks; then its store answers."""
LONG_PATIENCE = 30.0
"""Seconds that a kernel has to answer before it is asked to change something."""


class Source(Protocol):
    """Answers operations of the protocol.

    Attributes:
        kernel: the connection file of the kernel that answers; None where the store does.
        notebook: the path of the notebook; None where it is not known.
    """

    kernel: str | None
    notebook: str | None

    def ask(self, operation: str, /, **parameters: object) -> Json:
        """Returns the reply to an operation. Raises `KishuError` where it is an error."""


class StoreSource:
    """A store, which is only read."""

    def __init__(self, path: Path, store: LmdbStore) -> None:
        from kishu_kernel.frontend.protocol.reading import Reader
        from kishu_kernel.session.timeline import StoredHistory
        from kishu_kernel.store.catalog.about_file import read_about

        about = read_about(path)
        self.kernel: str | None = None
        self.notebook: str | None = about.notebook if about else None
        self._path = path
        self._store = store
        self._history = StoredHistory.from_store(store)
        self._reader = Reader(lambda: self._history, lambda: self.notebook)

    def ask(self, operation: str, /, **parameters: object) -> Json:
        """As in `Source`, for operations that only look and load no values."""
        from kishu_kernel.frontend.protocol.content import PROTOCOL, sendable

        if parameters.pop("values", False):
            raise RequestError("only a kernel can load values to compare them: open the notebook")
        try:
            content = self._status() if operation == "status" else getattr(self._reader, operation)(**parameters)
        except (KeyError, ValueError, OverflowError) as error:  # the store holds what we never write
            raise StoreError(
                f"the history in {self._path} is damaged ({error!r}): repair it with "
                f"`jupyter kishu fsck --repair {self._path}`"
            ) from error
        reply: Json = sendable({"status": "ok", "protocol": PROTOCOL, "operation": operation, **content})
        return reply

    def _status(self) -> Json:
        statistics, history = self._store.statistics(), self._history
        return {
            "head": history.head,
            "branch": history.branch,
            "session": history.head and history.lookup(history.head).session,
            "latest": history.latest,
            "pending": False,
            "store": {
                "path": str(self._path),
                "bytes": statistics.bytes,
                "checkpoints": statistics.checkpoints,
                "chunks": statistics.chunks,
            },
            "warnings": [],
        }


class KernelSource:
    """A live kernel."""

    def __init__(self, client: Client, notebook: str | None) -> None:
        self.kernel = client.connection_file
        self.notebook = notebook
        self.client = client

    def ask(self, operation: str, /, **parameters: object) -> Json:
        """As in `Source`."""
        return self.client.request(operation, **parameters)


@dataclass(frozen=True, slots=True)
class _Named:
    """What a name on the command line means: a kernel, a store, or both.

    Attributes:
        store: where to look if the kernel does not answer.
    """

    kernel: LiveKernel | None
    store: Path | None


@contextmanager
def source(ctx: click.Context, directory: Path | None, name: str) -> Iterator[Source]:
    """Opens what answers questions about the history of `name`: its kernel, else its store."""
    named = _named(ctx, directory, name)
    try:
        client = None if named.kernel is None else _connected(named.kernel, name, None, PATIENCE)
    except KernelError as error:
        if named.store is None:
            raise
        note(f"{error}. This is what its store says")
        client = None
    if named.kernel is not None and client is not None:
        with client:
            yield KernelSource(client, named.kernel.notebook)
        return
    assert named.store is not None
    with opened(named.store, readonly=True) as store:
        yield StoreSource(named.store, store)


@contextmanager
def live_source(ctx: click.Context, directory: Path | None, name: str, timeout: float | None) -> Iterator[KernelSource]:
    """Connects to the kernel of `name`.

    Raises:
        NoKernelError: there is none.
    """
    from kishu_kernel.client.finding import no_kernel_on

    kernel = _named(ctx, directory, name).kernel
    if kernel is None:
        raise no_kernel_on(name)
    with _connected(kernel, name, timeout, LONG_PATIENCE) as client:
        yield KernelSource(client, kernel.notebook)


def store_of(ctx: click.Context, directory: Path | None, name: str) -> Path | None:
    """Returns the store of `name`, also where a kernel has it open; None where there is none yet."""
    return _named(ctx, directory, name).store


def _named(ctx: click.Context, directory: Path | None, name: str) -> _Named:
    from kishu_kernel.client.finding import connection_file, live_on, only
    from kishu_kernel.store.catalog import named_stores, running_kernels

    file = connection_file(name)
    if file is not None:
        known = (each for each in running_kernels.live_kernels() if os.path.realpath(each.connection_file) == file)
        return _with(next(known, running_kernels.LiveKernel("", 0, "", file)))
    if not is_given(ctx):  # the notebook's own, wherever its store is
        kernel = only(live_on(name), name)
        if kernel is not None:
            return _with(kernel)
    path = named_stores.find(base_of(ctx, directory), name)
    return _Named(only(running_kernels.live_in(path), name), path)


def _with(kernel: LiveKernel) -> _Named:
    from kishu_kernel.store.disk.directory import has_data

    store = None if kernel.store is None else Path(kernel.store)
    return _Named(kernel, store if store is not None and has_data(store) else None)


def _connected(kernel: LiveKernel, name: str, timeout: float | None, patience: float) -> Client:
    from kishu_kernel.client import connect

    def waiting() -> None:
        note("the kernel is busy. Your command runs when its cell has ended", people=True)

    return connect(kernel.connection_file, timeout=timeout, patience=patience, waiting=waiting, called=name)


__all__ = ["KernelSource", "Source", "StoreSource", "live_source", "source", "store_of"]
