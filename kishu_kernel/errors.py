"""Every exception that kishu-kernel raises on purpose, and how they hang together.

Grouped by what the catcher does about it::

    KishuError                      show the sentence, go on; nothing was changed
    ├── RequestError                the asker can mend the request
    │   ├── UnknownTargetError          no such checkpoint, branch or tag
    │   ├── AmbiguousTargetError        several fit; `candidates` lists them
    │   └── NothingToUndoError          no parent to undo to, no child to redo to
    ├── CheckoutError               the state could not be brought back; the session is as it was
    │   ├── LostError                   the plan has `lost` entries and the asker did not allow that
    │   └── ReplayError                 a cell that had to be re-run raised or gave something else
    ├── LoadError                   a stored version cannot be turned into objects: replay it instead
    │   └── UntrustedError              somebody else may have written it: neither load nor replay it
    ├── StoreError                  the disk failed us; the session goes on without new checkpoints
    │   ├── StoreDamagedError           its file is broken: `fsck --repair` saves what can be read
    │   ├── StoreFormatError            written by a newer kishu-kernel
    │   └── UnwritableError             it may be there to be read
    └── KernelError                 asked from outside, a kernel did not do it: `client` raises these
        ├── NoKernelError               none is live there, or it has ended meanwhile
        ├── NotKishuError               it is one without Kishu
        ├── NoReplyError                it lives, and did not answer in time
        └── ReplyError                  something went wrong in it; `ename` and `evalue` are its words

A user's object that does not pickle is a result (`NotStored`), not an exception.
"""

from __future__ import annotations

from collections.abc import Sequence


class KishuError(Exception):
    """Base of all of ours. Its text is one sentence that names the way out."""


class RequestError(KishuError):
    """The request cannot be carried out as it stands."""


class UnknownTargetError(RequestError):
    """No checkpoint, branch or tag answers to this target."""


class AmbiguousTargetError(RequestError):
    """Several checkpoints answer to this target.

    Attributes:
        candidates: what it could mean, as texts that are unambiguous.
    """

    def __init__(self, message: str, candidates: Sequence[str]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class NothingToUndoError(RequestError):
    """The history ends before as many steps as were asked for."""


class CheckoutError(KishuError):
    """A checkout failed before anything was rebound."""


class LostError(CheckoutError):
    """Some co-variables of the target can be neither loaded nor re-run."""


class ReplayError(CheckoutError):
    """Re-running a cell raised, or did not give what the cell gave when it first ran."""


class LoadError(KishuError):
    """A stored payload cannot be decoded here and now."""


class UntrustedError(LoadError):
    """The store cannot show that this user wrote what it holds; loading it could run anybody's code."""


class StoreError(KishuError):
    """The store cannot be opened, read or written."""


class StoreDamagedError(StoreError):
    """The file of a store is not one that LMDB could follow; it was not opened."""


class StoreFormatError(StoreError):
    """The store has a format version that this kishu-kernel does not know."""


class UnwritableError(StoreError):
    """The disk, or who owns it, does not let us write there."""


class KernelError(KishuError):
    """A kernel that was asked from outside did not do it."""


class NoKernelError(KernelError):
    """No kernel is live there, or it ended before it answered."""


class NotKishuError(KernelError):
    """The kernel is one without Kishu."""


class NoReplyError(KernelError):
    """The kernel lives and did not answer in time. What was asked of it may still be done."""


class ReplyError(KernelError):
    """An error reply that none of the other exceptions stands for.

    Attributes:
        ename: the name of the exception in the kernel.
        evalue: its text.
    """

    def __init__(self, ename: str, evalue: str) -> None:
        super().__init__(evalue or ename)
        self.ename = ename
        self.evalue = evalue
