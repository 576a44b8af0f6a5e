"""Every exception that kishu-kernel raises on purpose, grouped by what the catcher does about it.

::

    KishuError                      show its sentence and go on: nothing was changed
    ├── RequestError                change the request
    │   ├── UnknownTargetError          name another state, branch or tag: there is none like this
    │   ├── AmbiguousTargetError        choose one of `candidates`
    │   └── NothingToUndoError          stop: there is no state to undo or redo to
    ├── CheckoutError               stay where you are: the state could not be brought back
    │   ├── NotAcceptedError            show `plan` and ask: the request did not accept all that it would do
    │   │   ├── LostError                   ask whether to go there without the values that are lost
    │   │   ├── SideEffectsError            ask whether cells with side effects may be re-run
    │   │   └── PlanChangedError            show `plan` again: it is another one than was shown
    │   └── ReplayError                 take the value for lost: re-running its cell failed, or gave another one
    ├── LoadError                   re-run the cell: the stored value cannot be loaded
    │   └── UntrustedError              neither load nor re-run: somebody else may have written it
    ├── StoreError                  go on without storing new states, and try again later
    │   ├── StoreDamagedError           use another store: LMDB would crash on this one's file
    │   ├── StoreFormatError            open an older format for writing once; leave a newer one alone
    │   └── UnwritableError             open the store for reading only
    └── KernelError                 `client` raises these: a kernel did not do what was asked
        ├── NoKernelError               start one, or read the store: none is running there
        ├── NotKishuError               load Kishu in it first
        ├── NoReplyError                wait, or ask again: it runs, and did not answer in time
        └── ReplyError                  show `ename` and `evalue`: something went wrong in it

Two more are raised and caught inside one room: `process.audit_hook.ForbiddenSideEffectError` and
`store.disk.file_monitor.LockFileLostError`.

An object of the user's that cannot be pickled is a result (`objects.codec.pickling.NotStored`), not an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class KishuError(Exception):
    """Base of all. Its text is one sentence for a person, which names the way out."""


class RequestError(KishuError):
    """The request cannot be done as it is."""


class UnknownTargetError(RequestError):
    """There is no state, branch or tag of this name."""


class AmbiguousTargetError(RequestError):
    """Several states fit to this target.

    Attributes:
        candidates: unambiguous targets for each of them.
    """

    def __init__(self, message: str, candidates: Sequence[str]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class NothingToUndoError(RequestError):
    """There are fewer states to undo or redo than were asked for."""


class CheckoutError(KishuError):
    """A checkout failed. No variable was changed."""


class NotAcceptedError(CheckoutError):
    """The plan would do what the request did not accept.

    Attributes:
        plan: what would be done, as `model.Plan`; of a kernel that was asked from outside, as its reply has it.
    """

    def __init__(self, message: str, plan: Any = None) -> None:
        super().__init__(message)
        self.plan = plan


class LostError(NotAcceptedError):
    """Some variables of the target can be neither loaded nor re-run, and the request did not allow that."""


class SideEffectsError(NotAcceptedError):
    """Cells with side effects would have to be re-run, and nobody was asked whether they may be."""


class PlanChangedError(NotAcceptedError):
    """The checkout would lead to another state, or re-run another cell, than was shown."""


class ReplayError(NotAcceptedError):
    """A cell that was re-run raised, or gave another value than it gave when it first ran: the plan is without it."""


class LoadError(KishuError):
    """A stored value cannot be loaded: it is missing or damaged, or what it needs is not installed."""


class UntrustedError(LoadError):
    """Nothing shows that this user stored a value. Loading it could run anybody's code."""


class StoreError(KishuError):
    """A store cannot be opened, read or written."""


class StoreDamagedError(StoreError):
    """LMDB would crash on the file of a store, so it was not opened."""


class StoreFormatError(StoreError):
    """A store has the format of a newer kishu-kernel, or of an older one and was opened for reading only."""


class UnwritableError(StoreError):
    """The place of a store can only be read."""


class KernelError(KishuError):
    """A kernel did not do what a client asked of it."""


class NoKernelError(KernelError):
    """No kernel is running there, or it ended before it answered."""


class NotKishuError(KernelError):
    """The kernel runs without Kishu."""


class NoReplyError(KernelError):
    """The kernel is running and did not answer in time. It may still do what was asked."""


class ReplyError(KernelError):
    """An error in the kernel that none of the other exceptions stands for.

    Attributes:
        ename: the name of the exception in the kernel.
        evalue: its text.
    """

    def __init__(self, ename: str, evalue: str) -> None:
        super().__init__(evalue or ename)
        self.ename = ename
        self.evalue = evalue
