"""A real S3 server on loopback: a history goes there and comes back, and each refusal is one sentence."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kishu_kernel.errors import RemoteError
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.objects import PATIENCE, connect
from kishu_kernel.store.remote.pull import pull
from kishu_kernel.store.remote.push import push
from tests.store.values import checkpoint_id
from tests.support.s3 import CREDENTIALS, MISSING, s3_server

from .remotes import add, noise, push_at_once, refs, values

if MISSING:
    pytest.skip("an S3 server needs moto and flask", allow_module_level=True)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of an S3 server with one bucket, `team`."""
    with s3_server() as number:
        yield number


@pytest.fixture(autouse=True)
def credentials(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    path = tmp_path / "here"
    add(path, 1, data=noise(1, 18 << 20))  # two packs
    add(path, 2)
    return path


def test_there_and_back_and_two_lines(here: Path, tmp_path: Path) -> None:
    remote, there = connect("s3://team/there-and-back"), tmp_path / "there"
    push(here, remote)
    assert clone(remote, there).checkpoints == 2
    assert values(there) == values(here)
    add(here, 3, parent=2)
    add(there, 4, parent=2)
    failures = push_at_once((here, there), remote)
    assert not failures
    pull(here, remote)
    pull(there, remote)
    assert values(here) == values(there)
    assert len(values(here)) == 4
    assert {refs(here)["branch/main"], refs(there)["branch/main"]} == {checkpoint_id(3), checkpoint_id(4)}


def test_what_goes_by_tls_is_not_hashed_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    unsigned = {"unsigned_payload": "true"}
    for endpoint, told, expected in (
        (None, None, unsigned),
        ("https://minio.example", None, unsigned),
        ("http://minio.example", None, {}),
        (None, "false", {}),
    ):
        for name, value in (("AWS_ENDPOINT_URL", endpoint), ("AWS_UNSIGNED_PAYLOAD", told)):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        assert connect("s3://team/x")._store.config == {"bucket": "team", **expected}
    assert connect("gs://team/x")


def test_what_is_refused_is_one_sentence(
    here: Path, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RemoteError, match="there is no bucket at s3://nobody/x: look at the address") as bucket:
        push(here, connect("s3://nobody/x"))
    monkeypatch.setattr("kishu_kernel.store.remote.objects.PATIENCE", PATIENCE / 30)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    with pytest.raises(RemoteError, match="s3://team/x cannot be reached: try again") as network:
        push(here, connect("s3://team/x"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RemoteError, match="there are no credentials for s3://team/x") as nobody:
        push(here, connect("s3://team/x"))
    for error in (bucket, network, nobody):
        assert "\n" not in str(error.value)
    monkeypatch.undo()
    with pytest.raises(RemoteError, match="is no address of a remote"):
        connect("team/x")
