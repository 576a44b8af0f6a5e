"""What a target means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kishu_kernel.errors import AmbiguousTargetError, RequestError, UnknownTargetError
from kishu_kernel.history.targets import checked_name, resolve
from kishu_kernel.model import Checkpoint, CheckpointId, SessionId

FIRST = Checkpoint(
    CheckpointId("aaaa000000000001"), None, SessionId("s"), 0.0, 1, "", "ok", None, 0.0, (), (), (), (), (), (), ()
)


def follow(checkpoint: Checkpoint, id: str, count: int | None) -> Checkpoint:
    return replace(checkpoint, id=CheckpointId(id), parent=checkpoint.id, execution_count=count)


SECOND = follow(FIRST, "aaaa000000000002", 2)
THIRD = follow(SECOND, "bbbb000000000003", 2)
SETTLED = follow(THIRD, "cccc000000000004", None)
ASIDE = follow(FIRST, "dddd000000000005", 7)
NODES = {each.id: each for each in (FIRST, SECOND, THIRD, SETTLED, ASIDE)}
REFS = {
    "branch/main": SETTLED.id,
    "branch/idea": ASIDE.id,
    "tag/good": SECOND.id,
    "tag/cccc": FIRST.id,
    "tag/idea": ASIDE.id,
    "tag/main": FIRST.id,
    "head/s": SETTLED.id,
}


def find(prefix: str, limit: int) -> list[CheckpointId]:
    return sorted(id for id in NODES if id.startswith(prefix))[:limit]


def meaning(target: str, head: CheckpointId | None = SETTLED.id) -> CheckpointId:
    return resolve(target, head=head, refs=REFS, find=find, lookup=NODES.__getitem__)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("aaaa000000000001", FIRST),
        ("bbbb", THIRD),
        ("aaaa000000000002", SECOND),
        ("HEAD", SETTLED),
        ("HEAD~", THIRD),
        ("HEAD~0", SETTLED),
        ("HEAD~3", FIRST),
        ("bbbb~1", SECOND),
        ("HEAD~1~1", SECOND),
        ("good", SECOND),
        ("good~1", FIRST),
        ("idea", ASIDE),  # a branch and a tag that say the same
        ("In[1]", FIRST),
        ("In [2]", THIRD),  # the newest with this number
        ("In[2]~1", SECOND),
    ],
)
def test_what_targets_mean(target: str, expected: Checkpoint) -> None:
    assert meaning(target) == expected.id


@pytest.mark.parametrize(
    "target",
    [
        "",
        "nothing",
        "aaa",
        "eeee",
        "HEAD~4",
        "In[9]",
        "In[-1]",
        "head/s",
        "branch/main",
        "~1",
        "AAAA000000000001",
    ],
)
def test_what_means_nothing(target: str) -> None:
    with pytest.raises(UnknownTargetError):
        meaning(target)


def test_the_way_out_is_named() -> None:
    with pytest.raises(UnknownTargetError, match="log --all"):
        meaning("nothing")
    with pytest.raises(UnknownTargetError, match="beyond the first"):
        meaning("HEAD~99")


def test_a_session_without_a_checkpoint_has_no_head() -> None:
    for target in ("HEAD", "HEAD~1", "In[1]"):
        with pytest.raises(UnknownTargetError):
            meaning(target, head=None)
    assert meaning("good", head=None) == SECOND.id


@pytest.mark.parametrize(
    ("target", "candidates"),
    [
        ("aaaa", {FIRST.id, SECOND.id}),
        ("main", {"branch main", "tag main"}),
        ("cccc", {"tag cccc", SETTLED.id}),
    ],
)
def test_what_is_ambiguous_lists_the_candidates(target: str, candidates: set[str]) -> None:
    with pytest.raises(AmbiguousTargetError) as raised:
        meaning(target)
    assert set(raised.value.candidates) == candidates
    assert all(candidate in str(raised.value) for candidate in candidates)


@pytest.mark.parametrize("name", ["main", "idea-2", "v1.0", "a/b", "übung", "x+y@z", "1st", "a" * 100])
def test_names_that_can_be_given(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "HEAD", "-x", "a b", "a~1", "In[1]", "_x", ".x", "a\n", "a" * 101, "0123456789abcdef", "a:b", "a\0"]
)
def test_names_that_cannot_be_given(name: str) -> None:
    with pytest.raises(RequestError):
        checked_name(name)


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("mian", "did you mean 'main'?"),
        ("IDEA", "did you mean 'idea'?"),
        ("head", "did you mean 'HEAD'?"),
        ("goood~2", "did you mean 'good'?"),
        ("zzz", "`%kishu log --all`"),
        ("In[5]", "the nearest one is In[2]"),
    ],
)
def test_what_may_have_been_meant(target: str, hint: str) -> None:
    with pytest.raises(UnknownTargetError) as caught:
        meaning(target)
    assert hint in str(caught.value)


def of_session(session: str, id: str, count: int, timestamp: float) -> Checkpoint:
    return replace(
        FIRST, id=CheckpointId(id), session=SessionId(session), execution_count=count, timestamp=timestamp, parent=None
    )


OTHERS = [
    of_session("s", "eeee000000000001", 9, 1.0),
    of_session("s", "eeee000000000002", 9, 3.0),
    of_session("before", "eeee000000000003", 8, 4.0),
    of_session("before", "eeee000000000004", 9, 5.0),
    of_session("before", "eeee000000000005", 1, 6.0),
    of_session("long before", "eeee000000000006", 8, 4.5),
]


@pytest.mark.parametrize(
    ("target", "session", "expected"),
    [
        ("In[1]", "s", FIRST.id),  # on the path, though newer ones bear the number
        ("In[7]", "s", ASIDE.id),  # on another branch of this session
        ("In[9]", "s", "eeee000000000002"),  # the newest of this session, though a newer one is of another
        ("In[9]", "new", "eeee000000000004"),
        ("In[8]", "s", "eeee000000000003"),  # of the session that was used last
        ("In[9]", None, "eeee000000000004"),
    ],
)
def test_a_cell_of_another_branch_or_session(target: str, session: str | None, expected: str) -> None:
    nodes = {**NODES, **{each.id: each for each in OTHERS}}
    found = resolve(
        target,
        head=SETTLED.id,
        refs=REFS,
        find=find,
        lookup=nodes.__getitem__,
        everything=nodes.values,
        session=None if session is None else SessionId(session),
    )
    assert found == expected
