"""Two people and one history, in real kernels: what another wrote is loaded where his key is trusted, only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from kishu_kernel.store.format.team import public_line, signing_key
from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel

from .driving import thought

pytest.importorskip("cryptography", reason="signatures of a team need cryptography")


def of(start: Start, home: Path, name: str, *trusted: str, mode: str = "on") -> Kernel:
    """A person's kernel, on the notebook that is everybody's."""
    (home / name).mkdir(0o700, exist_ok=True)
    known = {"KISHU_KEY_FILE": str(home / name / "key"), "KISHU_TRUSTED_KEYS": ",".join(trusted), "KISHU_SIGNING": mode}
    return start(environment={"JPY_SESSION_NAME": str(home / "shared.ipynb"), **known})


def line(home: Path, name: str) -> str:
    return public_line(signing_key((home / name / "signing_key").read_bytes()).public, name)


def test_what_she_wrote_is_loaded_by_who_trusts_her_key(start: Start, tmp_path: Path) -> None:
    hers = of(start, tmp_path, "alice")
    hers.ok("class Own:\n    pass\nx = [1, Own]")
    hers.ok("x.append(2)")
    thought(hers)
    assert {each["by"] for each in hers.done("log")["checkpoints"]} == {"you"}
    hers.close()

    stranger = of(start, tmp_path, "bob")
    assert stranger.done("status", offers=True)["ended"]["trusted"] is False
    assert "somebody else may have written it" in stranger.request("resume")["evalue"]
    listed = stranger.done("log", all=True)["checkpoints"]
    assert [(each["trusted"], each["by"][:7]) for each in listed] == [(False, "SHA256:")] * 2
    assert listed[0]["code"] == "x.append(2)"  # it is read
    stranger.close()

    friend = of(start, tmp_path, "carol", line(tmp_path, "alice"), mode="strict")
    friend.done("resume")
    assert friend.value("(x[0], x[2], x[1].__name__)") == (1, 2, "Own")
    friend.ok("x.append(3)")
    friend.done("undo")
    assert friend.value("len(x)") == 3
    assert {each["by"] for each in friend.done("log", all=True)["checkpoints"]} == {"you", "alice"}
    friend.close()

    # she takes nothing from those whom she does not trust, into the same history
    hers = of(start, tmp_path, "alice")
    theirs = [each for each in hers.done("log", all=True)["checkpoints"] if each["by"] != "you"]
    assert theirs
    for each in theirs:
        assert "somebody else may have written it" in hers.request("checkout", target=each["id"])["evalue"]
