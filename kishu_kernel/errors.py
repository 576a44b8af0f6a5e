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
    │   ├── UnwritableError             open the store for reading only
    │   └── RemoteError                 go on with the store that is here, and try again later: its remote failed
    │       └── NotThereError               make it, or do without: a remote has no such object
    └── KernelError                 `client` raises these: a kernel did not do what was asked
        ├── NoKernelError               start one, or read the store: none is running there
        ├── NotKishuError               load Kishu in it first
        ├── NoReplyError                wait, or ask again: it runs, and did not answer in time
        ├── ReplyError                  show `ename` and `evalue`: something went wrong in it
        └── ForkLimitError              ask for fewer forks, or end some: no more fit here

Two more are raised and caught inside one room: `process.audit_hook.ForbiddenSideEffectError` and
`store.disk.file_monitor.LockFileLostError`.

Each has a `hint`, one sentence on what to do instead: that of its class, or of the error reply that it was raised for.

An object of the user's that cannot be pickled is a result (`model.NotStored`), not an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class KishuError(Exception):
    """Base of all. Its text is one sentence for a person, which names the way out."""

    hint = "Nothing has changed: correct what the sentence names, and ask again."


class RequestError(KishuError):
    """The request cannot be done as it is."""

    hint = "Nothing has changed: correct the request as the sentence says."


class UnknownTargetError(RequestError):
    """There is no state, branch or tag of this name."""

    hint = "Ask for the log of all branches and sessions to see which states there are."


class AmbiguousTargetError(RequestError):
    """Several states fit to this target.

    Attributes:
        candidates: unambiguous targets for each of them.
    """

    hint = "Give more characters of the id, or one of the candidates."

    def __init__(self, message: str, candidates: Sequence[str]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class NothingToUndoError(RequestError):
    """There are fewer states to undo or redo than were asked for."""

    hint = "Ask for the log to see how far the history goes."


class CheckoutError(KishuError):
    """A checkout failed. No variable was changed."""


class NotAcceptedError(CheckoutError):
    """The plan would do what the request did not accept.

    Attributes:
        plan: what would be done, as `model.Plan`; of a kernel that was asked from outside, as its reply has it.
    """

    hint = "Show the plan to a person, and ask again with what may be done."

    def __init__(self, message: str, plan: Any = None) -> None:
        super().__init__(message)
        self.plan = plan


class LostError(NotAcceptedError):
    """Some variables of the target can be neither loaded nor re-run, and the request did not allow that."""

    hint = "Ask again with allow_lost to go there without them, or with dry_run to see the plan."


class SideEffectsError(NotAcceptedError):
    """Cells with side effects would have to be re-run, and nobody was asked whether they may be."""

    hint = 'Show the plan to a person, and ask again with replay "auto" if it may be done.'


class PlanChangedError(NotAcceptedError):
    """The checkout would lead to another state, or re-run another cell, than was shown."""

    hint = "Show the new plan to a person, and ask again with what it says."


class ReplayError(NotAcceptedError):
    """A cell that was re-run raised, or gave another value than it gave when it first ran: the plan is without it."""

    hint = "Ask again with allow_lost to go there without them, or with dry_run to see the plan."


class LoadError(KishuError):
    """A stored value cannot be loaded: it is missing or damaged, or what it needs is not installed."""

    hint = "Go to a state before it, or re-run the cell that made the value."


class UntrustedError(LoadError):
    """Nothing shows that this user stored a value. Loading it could run anybody's code."""

    hint = "If you know where it comes from, accept it with `jupyter kishu trust`, and restart the kernel."


class StoreError(KishuError):
    """A store cannot be opened, read or written."""

    hint = "Mend what the sentence names, or check the store with `jupyter kishu fsck`."


class StoreDamagedError(StoreError):
    """LMDB would crash on the file of a store, so it was not opened."""

    hint = "Repair it with `jupyter kishu fsck --repair`."


class StoreFormatError(StoreError):
    """A store has the format of a newer kishu-kernel, or of an older one and was opened for reading only."""

    hint = "Open a newer one with a newer kishu-kernel, an older one in a notebook's kernel."


class UnwritableError(StoreError):
    """The place of a store can only be read."""

    hint = "What is in it can be read; name another directory in KISHU_STORE_DIR for new states."


class RemoteError(StoreError):
    """A remote cannot be reached, read or written, or it refuses. The store on this machine is whole."""

    hint = "Mend what the sentence names, and try again: the store on this machine is whole."


class NotThereError(RemoteError):
    """A remote has no such object, or no such bucket."""


class KernelError(KishuError):
    """A kernel did not do what a client asked of it."""

    hint = "Look at the kernel's status, and ask again."


class NoKernelError(KernelError):
    """No kernel is running there, or it ended before it answered."""

    hint = 'Open the notebook in Jupyter with the kernel "Python 3 (Kishu)", and run a cell.'


class NotKishuError(KernelError):
    """The kernel runs without Kishu."""

    hint = 'Choose the kernel "Python 3 (Kishu)", or run `%load_ext kishu_kernel` in this one.'


class NoReplyError(KernelError):
    """The kernel is running and did not answer in time. It may still do what was asked."""

    hint = "Look at the log, which is answered while a cell runs, and wait; or interrupt the cell."


class ForkLimitError(KernelError):
    """So many forks more do not fit into memory, or are more than was allowed. None was started."""

    hint = "End a fork, ask for fewer, or raise the option of c.KishuForks that the sentence names."


class ReplyError(KernelError):
    """An error in the kernel that none of the other exceptions stands for.

    Attributes:
        ename: the name of the exception in the kernel.
        evalue: its text.
    """

    hint = "Ask again; if it happens again, see the kernel's log."

    def __init__(self, ename: str, evalue: str) -> None:
        super().__init__(evalue or ename)
        self.ename = ename
        self.evalue = evalue
