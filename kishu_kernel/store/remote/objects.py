"""Objects with names, somewhere else: the contract, and the one place that knows obstore.

Law: an object that was put is whole or absent, and `create` never replaces one. obstore is an extra, imported where a
remote is asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from kishu_kernel.errors import NotThereError, RemoteError

PATIENCE = timedelta(seconds=30)
"""How long one request is tried again."""
LARGEST = 1 << 30
"""Bytes of an object that is read whole."""
FIRST_WAIT, LONGEST_WAIT = timedelta(milliseconds=100), timedelta(seconds=10)
"""Between two tries: each time twice as long."""
_TRIES = 4
_SCHEMES = ("s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "file")
_KNOWN = re.compile(rf"({'|'.join(_SCHEMES)})://.*[^/].*", re.DOTALL)
_REFUSALS = {
    "ExpiredToken|TokenRefreshRequired|RequestExpired": "your credentials for {url} have expired: renew them",
    "RequestTimeTooSkewed|RequestTimeSkewed": "the clock of this machine is wrong, and {url} refuses: set it right",
    "QuotaExceeded|StorageFull|InsufficientStorage|507 |No space left": "the remote {url} is full: make room there",
}
"""What services say that refuse, and what is told."""
_LONGEST = 200
"""Characters of what a service says."""
_SECRET = re.compile(r"://[^/@]*@")
_STAGED = re.compile(r"(heads|writes/[0-9a-f]{32})/[0-9a-f]+#[0-9]+")


class Listed(NamedTuple):
    """An object in a list."""

    name: str
    size: int
    modified: datetime


class Objects(Protocol):
    """What a remote is to the rest of this room. Safe from any thread. Every method may raise `RemoteError`.

    Attributes:
        url: where it is, as it is shown.
    """

    url: str

    def get(self, name: str) -> bytes:
        """An object. NotThereError where there is none."""

    def get_parts(self, name: str, parts: Sequence[tuple[int, int]]) -> Sequence[bytes | memoryview]:
        """Some parts of an object: of each its place, and its length."""

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""

    def put(self, name: str, data: bytes) -> None:
        """Write an object. It replaces one of the same name, whole."""

    def create(self, name: str, data: bytes) -> bool:
        """Write an object unless there is one. Whether it was written: False may be of a try before this one."""

    def list(self, prefix: str) -> Iterator[Listed]:
        """The objects below a folder, and what interrupted puts have left there that can be deleted."""

    def delete(self, name: str) -> None:
        """Remove an object; none is no error."""


class RemoteObjects:
    """Those of an obstore store.

    Args:
        store: of `obstore.store`.
        url: where it is.
    """

    def __init__(self, store: Any, url: str) -> None:
        from obstore.store import LocalStore

        self.url = _SECRET.sub("://", url)
        self._store = store
        self._directory = Path(store.prefix) if isinstance(store, LocalStore) and store.prefix else None

    def get(self, name: str) -> bytes:
        """As in `Objects`."""
        import obstore

        with self._asking():
            found = obstore.get(self._store, name)
            if found.meta["size"] > LARGEST:
                raise RemoteError(f"the object {name} of {self.url} is larger than it can be: nothing of it is used")
            return bytes(found.bytes())

    def get_parts(self, name: str, parts: Sequence[tuple[int, int]]) -> list[memoryview]:
        """As in `Objects`."""
        import obstore

        starts, lengths = [part[0] for part in parts], [part[1] for part in parts]
        with self._asking():
            return [memoryview(each) for each in obstore.get_ranges(self._store, name, starts=starts, lengths=lengths)]

    def exists(self, name: str) -> bool:
        """As in `Objects`."""
        import obstore

        try:
            with self._asking():
                obstore.head(self._store, name)
        except NotThereError:
            return False
        return True

    def put(self, name: str, data: bytes) -> None:
        """As in `Objects`."""
        import obstore

        with self._asking():
            # not in parts: those of an upload that is interrupted no list shows, and somebody pays for them
            obstore.put(self._store, name, data, use_multipart=False)

    def create(self, name: str, data: bytes) -> bool:
        """As in `Objects`."""
        import obstore

        try:
            with self._asking():
                obstore.put(self._store, name, data, mode="create", use_multipart=False)
        except _ExistsError:
            return False
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        """As in `Objects`."""
        import obstore

        with self._asking():
            for batch in obstore.list(self._store, prefix=prefix):
                for each in batch:
                    yield Listed(each["path"], each["size"], each["last_modified"])
            yield from self._staged(prefix)

    def delete(self, name: str) -> None:
        """As in `Objects`."""
        import obstore

        with suppress(NotThereError), self._asking():
            if self._directory and _STAGED.fullmatch(name):
                (self._directory / name).unlink()
            else:
                obstore.delete(self._store, name)

    def _staged(self, prefix: str) -> Iterator[Listed]:
        """The files in a directory that puts were interrupted over: obstore writes NAME#1, and shows it in no list."""
        for path in self._directory.joinpath(prefix).rglob("*#*") if self._directory else ():
            name = path.relative_to(self._directory or path).as_posix()
            with suppress(FileNotFoundError):  # it has got its name meanwhile
                found = path.stat()
                if _STAGED.fullmatch(name):
                    yield Listed(name, found.st_size, datetime.fromtimestamp(found.st_mtime, timezone.utc))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turns what obstore raises into one sentence."""
        from obstore import exceptions

        try:
            yield
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
            raise _ExistsError(f"the remote {self.url} has this object already") from error
        except FileNotFoundError as error:
            bucket = "NoSuchBucket" in str(error)
            what = "there is no bucket" if bucket else "something is missing"
            raise (RemoteError if bucket else NotThereError)(
                f"{what} at {self.url}: look at the address ({_detail(error)})"
            ) from error
        except (exceptions.BaseError, OSError, ValueError, NotImplementedError) as error:
            refused = isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError)
            raise RemoteError(f"{_what_failed(str(error), self.url, refused)} ({_detail(error)})") from error
        except BaseException as error:  # Rust's panics are no Exception: one is a part behind the end of an object
            if type(error).__name__ != "PanicException":
                raise
            raise RemoteError(f"the remote {self.url} failed ({_detail(error)})") from error


class _ExistsError(RemoteError):
    """There is such an object already."""


def connect(url: str, make: bool = True) -> RemoteObjects:
    """The remote at an address. Nothing is asked of it yet.

    What it needs beside the address (credentials, region, endpoint) is taken from the environment, as of the tools of
    its maker: AWS_ACCESS_KEY_ID and so on.

    Args:
        make: a directory, as of file:///PATH, is made where it is missing.

    Raises:
        RemoteError: obstore is not installed, or it does not know such addresses, or there is no such directory.
    """
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise RemoteError("a remote needs the extra `remote`: pip install 'kishu-kernel[remote]'") from error
    if not _KNOWN.fullmatch(url):
        raise _no_address(url)
    how: dict[str, Any] = {}
    if url.startswith("file:"):
        how = {"mkdir": make}
    else:
        how = {
            "retry_config": {
                "max_retries": _TRIES,
                "retry_timeout": PATIENCE,
                "backoff": {"init_backoff": FIRST_WAIT, "max_backoff": LONGEST_WAIT, "base": 2},
            },
            # plain HTTP only where somebody named such an endpoint; the timeout is of one request: where a line takes
            # 1 Mbit/s, three packs at once need 400 s
            "client_options": {"connect_timeout": "5s", "timeout": "900s", "allow_http": True},
        }
        if url.startswith("s3") and not _hashes_for_s3():
            how["config"] = {"aws_unsigned_payload": True}
    try:
        return RemoteObjects(from_url(url.rstrip("/"), **how), url)
    except Exception as error:  # whatever a maker's settings can be
        if re.search("Unable to recognise URL|invalid domain|empty host", str(error)):
            raise _no_address(url) from error
        if not make and url.startswith("file:"):
            raise RemoteError(f"there is no history at {url}: push one there first ({_detail(error)})") from error
        raise RemoteError(f"the remote {_SECRET.sub('://', url)} cannot be used ({_detail(error)})") from error


def _no_address(url: str) -> RemoteError:
    shown = repr(_SECRET.sub("://", url))
    return RemoteError(f"{shown} is no address of a remote: write s3://BUCKET/PATH, gs://, az:// or file:///PATH")


def _hashes_for_s3() -> bool:
    """Whether requests of S3 are signed with the digest of what they carry: half of what sending it costs.

    All that is put has its digest in its name, and TLS keeps it whole on the way. So only without TLS, or where
    somebody asked for it.
    """
    told = {name.upper(): value for name, value in os.environ.items()}
    plain = any(name.startswith("AWS_ENDPOINT") and value.startswith("http:") for name, value in told.items())
    return plain or "AWS_UNSIGNED_PAYLOAD" in told


def _what_failed(text: str, url: str, refused: bool) -> str:
    for found, sentence in _REFUSALS.items():
        if re.search(found, text):
            return sentence.format(url=url)
    if refused:
        return f"the remote {url} does not let you in: check your credentials and what they allow"
    if re.search(r"credential|169\.254\.|metadata|latest/api/token", text, re.IGNORECASE):
        return f"there are no credentials for {url}: set them in the environment, as for its own tools"
    if re.search(r"Server returned non-2xx status code: (5|429)", text):
        return f"the remote {url} is busy, or has failed: try again later"
    if re.search(r"error sending request|connect|dns|(?<!retry_)time(d )?out", text, re.IGNORECASE):
        return f"the remote {url} cannot be reached: try again when the network is there"
    return f"the remote {url} failed"


def _detail(error: BaseException) -> str:
    """What the service says, or the last that the client says, in a few words."""
    text = str(error).strip()
    said = [re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL) for tag in ("Code", "Message")]
    if said[0]:
        return ": ".join(each[1].strip() for each in said if each and each[1].strip())[:_LONGEST]
    return text.partition("\n")[0].rpartition(" - ")[2][:_LONGEST]
