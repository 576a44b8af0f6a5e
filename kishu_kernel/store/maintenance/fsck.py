"""Is a store whole, and what is to be done where it is not?

Law: a check changes nothing, except that opening a store takes the permissions of other users from it and migrates an
old format. A repair removes what cannot be used, says so where it was, and invents nothing. It leaves a store in which
every version is whole or reported as lost, and every checkpoint has a path to a first one. It never makes trusted what
was not.
Neighbours: `disk.integrity` looks at the file before LMDB does, `salvage` rescues what is in a broken one, `inspection`
looks at the rows, `repair` mends them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kishu_kernel.errors import StoreError
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.disk import directory, environment_pool, integrity
from kishu_kernel.store.disk.directory import DATA, LOCK
from kishu_kernel.store.format.signing import Signer, user_signer
from kishu_kernel.store.maintenance import salvage
from kishu_kernel.store.maintenance.inspection import Findings, Inspection, Problem, Progress, Report
from kishu_kernel.store.maintenance.repair import repair_store

__all__ = ["Problem", "Report", "check"]

TOLD = 5
"""Places of damage that are reported one by one."""
_ATTEMPTS = 3
"""Inspections of a store that another process may be writing, before a repair gives up."""


def check(path: Path, repair: bool = False, progress: Progress | None = None, signer: Signer | None = None) -> Report:
    """Check all that is stored, and repair it if asked to. O(bytes of the store).

    Other processes may use the store meanwhile; a repair raises where they are in its way.

    Args:
        repair: mend what can be mended.
        progress: called with the bytes done, and all bytes.
        signer: recognises what this user wrote. None: the one of the user's own key.

    Raises:
        StoreError: there is no store; it cannot be opened and not be mended; or others are in the way of a repair.
    """
    path = Path(os.path.realpath(path))
    if not (path / DATA).exists():
        raise StoreError(f"there is no store at {path}")
    directory.check_files(path)
    problems = list(_permissions(path))
    damage = integrity.find_damage(path)
    if damage and not repair:
        consequence = "it cannot be read, and LMDB may crash on it: --repair saves the rest"
        return Report(path, (*problems, *_pages(damage, consequence)))
    if damage:
        kept = salvage.rescue(path)
        consequence = f"what could still be read was put into a new file; the damaged one is {kept}"
        problems += [replace(problem, repaired=True) for problem in _pages(damage, consequence)]
    signer = signer or user_signer()
    findings, report = _inspected(path, signer, progress, repair)
    if repair and findings.problems:
        for _ in range(_ATTEMPTS):
            if repair_store(path, findings, signer):
                break
            findings, report = _inspected(path, signer, progress, repair)
        else:
            raise StoreError(f"the store at {path} is being written: shut down the kernels that use it, and try again")
        problems += [replace(problem, repaired=problem.kind != "mark") for problem in findings.problems]
    else:
        problems += findings.problems
    return replace(report, problems=tuple(problems))


def _pages(damage: list[str], consequence: str) -> Iterator[Problem]:
    for what in damage[:TOLD]:
        yield Problem("file", f"{DATA}: {what}", consequence)
    if len(damage) > TOLD:
        yield Problem("file", f"{DATA}: {len(damage) - TOLD:,} more places like these", consequence)


def _permissions(path: Path) -> Iterator[Problem]:
    if os.name == "nt":
        return
    for place in (path, path / DATA, path / LOCK):
        try:
            facts = place.lstat()
        except FileNotFoundError:
            continue
        mode = stat.S_IMODE(facts.st_mode)
        if mode & 0o077 and not stat.S_ISLNK(facts.st_mode):
            closed = False
            with suppress(OSError):
                place.chmod(mode & 0o700)
                closed = True
            consequence = "who could reach it could read or change it" + ("; it is closed now" if closed else "")
            yield Problem("permissions", f"{place.name} was open to others than you", consequence, closed)


def _inspected(path: Path, signer: Signer, progress: Progress | None, write: bool) -> tuple[Findings, Report]:
    # an old format is brought up to date, even to be read
    with environment_pool.opened(path, readonly=not write) as store, store.reading() as txn:
        look = Inspection(store, txn, signer, progress)
        return look.findings, look.report()
