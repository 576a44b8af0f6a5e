"""A real S3 server behind a network that refuses, cuts, loses and is late: nothing is lost or torn."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kishu_kernel.errors import RemoteError
from kishu_kernel.model import CheckpointId
from kishu_kernel.session.garbage import sorted_by_need
from kishu_kernel.store.remote import objects as objects_module
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.collect import collect
from kishu_kernel.store.remote.objects import RemoteObjects, connect
from kishu_kernel.store.remote.pull import pull
from kishu_kernel.store.remote.push import push
from tests.store.values import checkpoint_id
from tests.support.s3 import CREDENTIALS, MISSING, s3_server
from tests.support.soak import seeds

from .faulty_network import Faults, FaultyNetwork, faulty_network, refusal
from .remotes import AT_ONCE, add, noise, refs, values

if MISSING:
    pytest.skip("an S3 server needs moto and flask", allow_module_level=True)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of an S3 server."""
    with s3_server() as port:
        yield port


@pytest.fixture
def network(server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyNetwork]:
    """The way to the server, harmless at first. Who uses it waits some milliseconds where others wait for seconds."""
    monkeypatch.setattr(objects_module, "FIRST_WAIT", timedelta(milliseconds=1))
    monkeypatch.setattr(objects_module, "LONGEST_WAIT", timedelta(milliseconds=4))
    with faulty_network(server) as network:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{network.port}"}.items():
            monkeypatch.setenv(name, value)
        yield network


BUSY = Faults(throttled=0.1, slow=0.1, cut_request=0.1, cut_answer=0.1, lost_answer=0.1, late_lists=0.5)


@seeds(1, 12)
def test_nothing_is_lost_or_torn_and_both_keep_their_lines(network: FaultyNetwork, tmp_path: Path, seed: int) -> None:
    """Two machines run cells, push, pull and collect, in any order. Whatever is seen at any time is whole."""
    rng, url = random.Random(seed), f"s3://team/seed-{seed}"
    here, there = tmp_path / "here", tmp_path / "there"
    add(here, 1)
    push(here, connect(url))
    clone(connect(url), there)
    network.faults, network.random = Faults(**vars(BUSY) | {"done": {}}), random.Random(seed)
    made = {here: [1], there: [1]}
    landed = {checkpoint_id(1)}
    told: list[str] = []
    for number in range(2, 10):
        path = rng.choice((here, there))
        add(path, number, parent=made[path][-1], branch=path.name)
        made[path].append(number)
        for work in rng.sample((push, pull, push, _remove), 3):
            at = rng.choice((here, there))
            known = set(values(at))
            try:
                work(at, connect(url))
                landed |= known if work is push else set()
            except RemoteError as error:
                told.append(str(error))
            assert {checkpoint_id(each) for each in made[at]} <= set(values(at))
    assert not [each for each in told if "\n" in each]
    network.faults = Faults()
    seen = tmp_path / "seen"
    clone(connect(url), seen)
    assert landed <= set(values(seen))
    for path in (here, there, here):
        push(path, connect(url))
        pull(path, connect(url))
    found = values(here)
    assert found == values(there)
    assert set(found) == {checkpoint_id(each) for each in range(1, 10)}
    assert found[checkpoint_id(9)] == values(made_in(made, 9))[checkpoint_id(9)]
    assert ends(here) == ends(there) == {name.name: checkpoint_id(made[name][-1]) for name in made if made[name][1:]}


def _remove(_: Path, remote: RemoteObjects) -> None:
    """What nothing names goes at once, also what somebody is about to name."""
    collect(remote, **AT_ONCE)


def made_in(made: dict[Path, list[int]], number: int) -> Path:
    return next(path for path, numbers in made.items() if number in numbers)


def ends(path: Path) -> dict[str, CheckpointId]:
    return {name.partition("/")[2]: id for name, id in refs(path).items() if name in ("branch/here", "branch/there")}


@pytest.mark.parametrize("work", ["push", "pull", "clone", "collect"])
def test_a_network_that_goes_away_in_the_middle(network: FaultyNetwork, tmp_path: Path, work: str) -> None:
    url, here, there = f"s3://team/{work}", tmp_path / "here", tmp_path / "there"
    add(here, 1, data=noise(1, 17 << 20))
    push(here, connect(url))
    clone(connect(url), there)
    add(here, 2)
    if work != "push":
        push(here, connect(url))
    before = values(there)
    told = []
    for let_through in range(2, 60, 3):
        network.faults.gone_after = let_through
        remote = connect(url)
        try:
            _do(work, here, there, tmp_path, remote)
            break
        except RemoteError as error:
            told.append(str(error))
            assert values(there) == before
            assert not (tmp_path / "clone").exists()
    assert told
    assert all("cannot be reached" in each for each in told)
    network.faults.gone_after = None
    if work in ("clone", "collect"):
        clone(connect(url), tmp_path / "clone-after")
        found = values(tmp_path / "clone-after")
        assert found[checkpoint_id(2)] == values(here)[checkpoint_id(2)]
    if work == "clone":
        assert values(tmp_path / "clone") == values(here)
    _do("pull", here, there, tmp_path, connect(url))
    if work != "collect":
        assert values(there) == values(here)


def _do(work: str, here: Path, there: Path, tmp_path: Path, remote: RemoteObjects) -> None:
    if work == "push":
        push(here, remote)
    elif work == "pull":
        pull(there, remote)
    elif work == "collect":
        collect(remote, None, sorted_by_need, limit=0, **AT_ONCE)
    else:
        clone(remote, tmp_path / "clone")


REFUSALS = {
    "expired": (refusal("400 Bad Request", "ExpiredToken", "The provided token has expired."), "have expired"),
    "skewed": (refusal("403 Forbidden", "RequestTimeTooSkewed", "The difference is too large."), "clock"),
    "not allowed": (refusal("403 Forbidden", "AccessDenied", "Access Denied"), "does not let you in"),
    "wrong key": (refusal("403 Forbidden", "SignatureDoesNotMatch", "no"), "does not let you in"),
    "full": (refusal("403 Forbidden", "QuotaExceeded", "Quota exceeded"), "is full"),
    "busy": (refusal("503 Service Unavailable", "SlowDown", "Reduce your rate."), "is busy, or has failed: try again"),
    "full disk": (refusal("507 Insufficient Storage", "XMinioStorageFull", "Storage is full"), "is full"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_each_refusal_is_one_sentence_and_nothing_is_lost(network: FaultyNetwork, tmp_path: Path, kind: str) -> None:
    url, here = f"s3://team/refused-{kind.replace(' ', '-')}", tmp_path / "here"
    add(here, 1)
    push(here, connect(url))
    add(here, 2)
    answer, told = REFUSALS[kind]
    network.faults.refuses = answer
    with pytest.raises(RemoteError, match=told) as refused:
        push(here, connect(url))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200
    assert re.search(r"\(\w+: .+\)$", str(refused.value))  # what the service said
    network.faults.refuses = None
    clone(connect(url), tmp_path / "before")
    assert len(values(tmp_path / "before")) == 1
    push(here, connect(url))
    clone(connect(url), tmp_path / "after")
    assert values(tmp_path / "after") == values(here)
