"""Which checkpoint a target means: an id, a unique prefix of one, a branch, a tag, `HEAD`, `HEAD~3`, `In[7]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from kishu_kernel.errors import AmbiguousTargetError, RequestError, UnknownTargetError
from kishu_kernel.history.graph import Lookup, ancestry
from kishu_kernel.model import Checkpoint, CheckpointId, SessionId
from kishu_kernel.model.identity import FORKED
from kishu_kernel.model.pattern import pattern

BRANCH = "branch/"
TAG = "tag/"
HEAD = "head/"

LONGEST = 200

_STEPS = pattern(r"(?P<base>.+?)~(?P<steps>[0-9]*)", re.DOTALL)
_CELL = pattern(r"In\s*\[([0-9]+)\]")
_PREFIX = pattern(r"[0-9a-f]{4,16}")
_NAME = pattern(r"[^\W_][\w./+@-]*")
_ID = pattern(r"[0-9a-f]{16}")
LONGEST_NAME = 100


def own_heads(refs: Mapping[str, CheckpointId], besides: str | None = None) -> dict[str, CheckpointId]:
    """The heads of a notebook's own sessions: session -> checkpoint. Those of forks, where there is nothing else.

    Args:
        besides: the session that is left out.
    """
    heads = {name[len(HEAD) :]: id for name, id in refs.items() if name.startswith(HEAD) and name != f"{HEAD}{besides}"}
    return {name: id for name, id in heads.items() if FORKED not in name} or heads


def running_heads(heads: Mapping[str, CheckpointId], live: Collection[str]) -> set[CheckpointId]:
    """The heads of those sessions that are live, where no other one ends there, too."""
    running, ended = ({id for name, id in heads.items() if (name in live) is which} for which in (True, False))
    return running - ended


def resolve(
    target: str,
    *,
    head: CheckpointId | None,
    refs: Mapping[str, CheckpointId],
    find: Callable[[str, int], Sequence[CheckpointId]],
    lookup: Lookup,
    everything: Callable[[], Iterable[Checkpoint]] = lambda: (),
    session: SessionId | None = None,
) -> CheckpointId:
    """The checkpoint that a target means.

    `In[7]` is the newest one on the path to HEAD whose cell bore that number; where none did, the newest of this
    session, on whatever branch; else that of the last session that has one.

    Args:
        head: what `HEAD` means; None before the first checkpoint.
        refs: names, with `branch/` and `tag/` before them -> checkpoints.
        find: finds ids that begin with a prefix, at most so many.
        everything: all checkpoints; asked only where the path to HEAD does not have a cell.
        session: the one that asks; None where none does.

    Raises:
        UnknownTargetError: it means no checkpoint.
        AmbiguousTargetError: it may mean several.
    """
    if len(target) > LONGEST:
        raise UnknownTargetError(f"a target has at most {LONGEST} characters, this one has {len(target):,}")
    stepped = _STEPS.fullmatch(target)
    if stepped:
        base = resolve(
            stepped["base"],
            head=head,
            refs=refs,
            find=find,
            lookup=lookup,
            everything=everything,
            session=session,
        )
        return _step_back(lookup, base, int(stepped["steps"] or 1), target)
    if target == "HEAD":
        if head is None:
            raise UnknownTargetError("there is no state yet: run a cell first")
        return head
    cell = _CELL.fullmatch(target)
    if cell:
        return _cell(lookup, head, int(cell[1]), everything, session)
    meanings = {f"{kind[:-1]} {target}": refs[kind + target] for kind in (BRANCH, TAG) if kind + target in refs}
    if _PREFIX.fullmatch(target):
        meanings.update((id, id) for id in find(target, 10))
        if head is not None and head.startswith(target):  # it may be one that could not be written
            meanings[head] = head
    if len(set(meanings.values())) > 1:
        raise AmbiguousTargetError(
            f"{target!r} is ambiguous, it may be {', '.join(meanings)}: give more digits of the id",
            list(meanings),
        )
    for id in meanings.values():
        return id
    names = [name[len(kind) :] for kind in (BRANCH, TAG) for name in refs if name.startswith(kind)]
    meant = closest(target, ["HEAD", *names])
    hint = f"did you mean {meant!r}?" if meant else "`%kishu log --all` lists them"
    raise UnknownTargetError(f"there is no state, branch or tag {target!r}: {hint}")


def closest(meant: str, names: Iterable[str]) -> str | None:
    """The name that is most similar, capitals or not; None if none is similar."""
    from difflib import get_close_matches

    folded = {name.casefold(): name for name in names}
    found = get_close_matches(meant.casefold(), folded, 1)
    return folded[found[0]] if found else None


def checked_name(name: str) -> str:
    """The name, if a branch or a tag may have it.

    Raises:
        RequestError: it may not; the sentence says why.
    """
    if len(name) > LONGEST_NAME:
        raise RequestError(f"a branch or a tag has a name of at most {LONGEST_NAME} characters, not of {len(name):,}")
    if _ID.fullmatch(name):
        raise RequestError(f"{name!r} cannot name a branch or a tag: it reads as the id of a state")
    if not _NAME.fullmatch(name) or name == "HEAD":
        raise RequestError(
            f"{name!r} cannot name a branch or a tag: use letters, digits and _ - . / + @, a letter or digit first"
        )
    return name


def _step_back(lookup: Lookup, base: CheckpointId, steps: int, target: str) -> CheckpointId:
    for passed, checkpoint in enumerate(ancestry(lookup, base)):
        if passed == steps:
            return checkpoint.id
    raise UnknownTargetError(f"{target!r} goes back beyond the first state")


def _cell(
    lookup: Lookup,
    head: CheckpointId | None,
    number: int,
    everything: Callable[[], Iterable[Checkpoint]],
    session: SessionId | None,
) -> CheckpointId:
    there = []
    for checkpoint in ancestry(lookup, head):
        if checkpoint.execution_count == number:
            return checkpoint.id
        there += [] if checkpoint.execution_count is None else [checkpoint.execution_count]
    known = list(everything())
    found = [each for each in known if each.execution_count == number]
    last = max((each for each in known if each.session in {one.session for one in found}), key=_age, default=None)
    of_session = [each for each in found if each.session == session]
    of_session = of_session or [each for each in found if last is not None and each.session == last.session]
    if of_session:
        return max(of_session, key=_age).id
    near = min(there, key=lambda count: abs(count - number), default=None)
    hint = "" if near is None else f"; the nearest one is In[{near}]"
    raise UnknownTargetError(f"there is no state of In[{number}]{hint}")


def _age(checkpoint: Checkpoint) -> tuple[float, CheckpointId]:
    return checkpoint.timestamp, checkpoint.id
