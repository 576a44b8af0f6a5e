"""The commands that take a history to another machine: each machine has a directory of stores and a key of its own."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import closing
from pathlib import Path

import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.model import SessionId, Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.catalog.assignment import claim_store
from kishu_kernel.store.catalog.running_kernels import FORK, Announcement
from tests.frontend.command.commanding import in_json, ok, refused, run, write_notebook
from tests.store.remote.remotes import add, name, refs, values
from tests.store.values import checkpoint_id


@pytest.fixture
def url(tmp_path: Path) -> str:
    return (tmp_path / "remote" / "analysis").as_uri()


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The stores of a machine with one notebook."""
    base = tmp_path / "here"
    _history(base, tmp_path / "work" / "analysis.ipynb")
    return base


def _history(base: Path, notebook: Path) -> Path:
    write_notebook(notebook)
    path = claim_store(base, str(notebook), SessionId("3f2a9c41")).path
    add(path, 1)
    add(path, 2)
    return path


def test_who_only_looks_makes_no_directory(tmp_path: Path, url: str) -> None:
    assert f"there is no history at {url}: push" in refused("clone", url, "--dir", tmp_path / "there")
    assert not (tmp_path / "remote").exists()


def test_a_history_goes_to_another_machine_and_on_from_there(
    here: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook, there = tmp_path / "work" / "analysis.ipynb", tmp_path / "there"
    assert "this history has no remote yet: `jupyter kishu push analysis.ipynb s3" in refused(
        "push", notebook, "--dir", here
    )
    assert "2 states, 2 payloads, 6" in ok("push", notebook, url, "--dir", here)
    assert ok("push", notebook, "--dir", here) == f"{url} has all of it.\n"
    copy = write_notebook(tmp_path / "other" / "analysis.ipynb", "a", "b")
    told = ok("clone", url, "--notebook", copy, "--dir", there)
    assert "untrusted" not in told
    assert f"for {copy}" in told
    assert "It ends with push 1 (1:" in told
    assert "by you)" in told
    [path] = [each for each in there.iterdir() if each.is_dir()]
    mine = Path(in_json("remote", notebook, "--dir", here)["path"])
    assert values(path) == values(mine)
    assert "its push 1 was seen last" in ok("remote", copy, "--dir", there)
    add(path, 3)
    assert "1 state, 1 payload" in ok("push", copy, "--dir", there)
    assert "1 state, 1 payload" in ok("pull", notebook, "--dir", here)
    assert "has nothing that is not here" in ok("pull", notebook, "--dir", here)
    assert values(path) == values(mine)
    assert refs(mine)["branch/main"] == checkpoint_id(3)
    assert in_json("remote", copy, "--dir", there)["pushes"] == 2
    monkeypatch.setenv("KISHU_KEY_FILE", str(tmp_path / "another-users-key"))
    told = ok("clone", url, "--dir", tmp_path / "third")
    assert "It is untrusted" in told
    assert "jupyter kishu attach analysis NOTEBOOK" in told
    assert run("trust", "analysis", "--check", "--dir", tmp_path / "third").exit_code == 1


def test_what_nobody_needs_goes_from_a_remote(here: Path, tmp_path: Path, url: str) -> None:
    notebook, there = tmp_path / "work" / "analysis.ipynb", tmp_path / "there"
    ok("push", notebook, url, "--dir", here)
    assert "nothing to drop now (600 kB of values" in ok("gc", notebook, "--remote", "--dir", here)
    told = ok("gc", notebook, "--remote", "--limit", "300kB", "-n", "--dir", here)
    assert f"{url}: the values of 1 state would be dropped, 300 kB of 600 kB; a later `gc --remote`" in told
    assert "object" not in told  # none is old enough
    copy = Path(in_json("clone", url, "--dir", there)["path"])
    name(copy, "baseline", 1)
    ok("push", copy, "--dir", there)
    assert "nothing to drop" in ok("gc", notebook, "--remote", "--limit", "0", "--dir", here)
    name(copy, "baseline", None)
    ok("push", copy, "--dir", there)
    [found] = in_json("gc", "--remote", "--limit", "0", "--dir", here)["stores"]
    assert (found["states"], found["url"], found["error"]) == (1, url, None)
    third = Path(in_json("clone", url, "--dir", tmp_path / "third")["path"])
    assert values(third)[checkpoint_id(2)] == values(copy)[checkpoint_id(2)]
    with closing(LmdbStore(third)) as store, pytest.raises(LoadError, match="values had been dropped there"):
        store.load(Version(("x",), checkpoint_id(1)))
    ok("fsck", third, "--repair", "--dir", tmp_path / "third")  # which loses nothing that may come back
    name(copy, "baseline", 1)
    assert "1 payload" in ok("push", copy, "--dir", there)
    assert "1 payload" in ok("pull", third, "--dir", tmp_path / "third")
    assert values(third) == values(copy)
    assert "exclude" not in ok("gc", "--remote", "--dir", tmp_path / "none")
    assert "has no remote yet" in refused(
        "gc", _history(here, tmp_path / "work" / "b.ipynb"), "--remote", "--dir", here
    )


def test_a_branch_stays_where_a_kernel_may_stand_on_it(
    here: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork is one, too."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = tmp_path / "work" / "analysis.ipynb"
    ok("push", notebook, url, "--dir", here)
    other = Path(in_json("clone", url, "--dir", tmp_path / "there")["path"])
    add(other, 3)
    ok("push", other, "--dir", tmp_path / "there")
    mine = Path(in_json("remote", notebook, "--dir", here)["path"])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        told = {"transport": "tcp", "ip": "127.0.0.1", "control_port": port, "shell_port": port, "key": ""}
        file = tmp_path / f"{FORK}1.json"
        file.write_text(json.dumps(told))
        Announcement("fork", str(file)).tell(None, mine)
        ok("pull", notebook, "--dir", here)
        assert refs(mine)["branch/main"] == checkpoint_id(2)
        assert checkpoint_id(3) in values(mine)
    ok("pull", notebook, "--dir", here)
    assert refs(mine)["branch/main"] == checkpoint_id(3)


def test_what_cannot_be_is_one_sentence(here: Path, tmp_path: Path, url: str) -> None:
    notebook = tmp_path / "work" / "analysis.ipynb"
    ok("push", notebook, url, "--dir", here)
    other = tmp_path / "work" / "other.ipynb"
    _history(here, other)
    assert "holds another history" in refused("push", other, url, "--dir", here)
    assert "has a history already" in refused("clone", url, "--notebook", notebook, "--dir", here)
    assert "is no address of a remote" in refused("push", other, "bucket/x", "--dir", here)
    assert "there is no history at" in refused("clone", url + "-nothing", "--dir", here)
    assert "4 names no push" in refused("clone", url, "--after", "4", "--dir", here)
    assert "this history is pushed to" in refused("push", notebook, url + "-2", "--dir", here)
    ok("remote", notebook, url + "-2", "--dir", here)
    ok("push", notebook, "--dir", here)
    assert "It has no remote" in ok("remote", notebook, "--forget", "--dir", here)
    assert "has no remote yet: " in refused("pull", notebook, "--dir", here)


def test_without_the_extra_it_says_so(here: Path, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    told = refused("push", tmp_path / "work" / "analysis.ipynb", url, "--dir", here)
    assert "pip install 'kishu-kernel[remote]'" in told


def test_a_copy_for_another_notebook_is_pushed_nowhere(here: Path, tmp_path: Path, url: str) -> None:
    notebook = tmp_path / "work" / "analysis.ipynb"
    ok("push", notebook, url, "--dir", here)
    copy = write_notebook(tmp_path / "work" / "copy.ipynb", "c", "d")
    ok("attach", notebook, copy, "--dir", here)
    assert "has no remote yet" in refused("push", copy, "--dir", here)
    assert "holds another history" in refused("push", copy, url, "--dir", here)
    assert ok("push", notebook, "--dir", here) == f"{url} has all of it.\n"


def test_of_a_clone_of_one_state_only_that_travels_and_a_pull_brings_the_rest(
    here: Path, tmp_path: Path, url: str
) -> None:
    notebook, there = tmp_path / "work" / "analysis.ipynb", tmp_path / "there"
    ok("push", notebook, url, "--dir", here)
    mine = Path(in_json("remote", notebook, "--dir", here)["path"])
    assert "--names needs --at" in run("clone", url, "--names", "x", "--dir", there).output
    assert "no variable z" in refused("clone", url, "--at", "HEAD~1", "--names", "z", "--dir", there)
    assert "nothing" in refused("clone", url, "--at", "nothing", "--dir", there)
    assert list(there.iterdir()) == []
    got = in_json("clone", url, "--at", "HEAD~1", "--names", "x", "--dir", there)
    assert (got["checkpoints"], got["versions"]) == (2, 1)
    assert got["bytes"] < 400_000
    path = Path(got["path"])
    now = values(path)
    assert now[checkpoint_id(1)] == values(mine)[checkpoint_id(1)]
    assert now[checkpoint_id(2)][:4] == values(mine)[checkpoint_id(2)][:4]  # type: ignore[index]
    with closing(LmdbStore(path)) as store, pytest.raises(LoadError, match="its remote may: `jupyter kishu pull"):
        store.load(Version(("x",), checkpoint_id(2)))
    assert "no problems" in (told := ok("fsck", path, "--repair", "--dir", there))
    assert "; 1 more payload never came from its remote" in told
    add(path, 3)
    assert "1 state" in ok("push", path, "--dir", there)
    assert "1 payload" in ok("pull", path, "--dir", there)
    ok("pull", notebook, "--dir", here)
    assert values(path) == values(mine)
    assert "has nothing that is not here" in ok("pull", path, "--dir", there)
