"""What the protocol needs of the shell whose session it answers for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # types only: the command line answers requests without a session
    from kishu_kernel.session.progress import ShowProgress
    from kishu_kernel.session.session import Session
    from kishu_kernel.store.catalog.assignment import StoreAssignment, StoreListing


class NotebookStores(Protocol):
    """The store of a notebook, and the stores of all others."""

    @property
    def place(self) -> StoreAssignment | None:
        """Where the notebook's store is; None before it is open, and while it is in memory."""

    @property
    def in_memory(self) -> bool:
        """Whether what this session does is kept in memory, and not on a disk."""

    def stores(self) -> list[StoreListing]:
        """All stores, the last used first."""

    def note_cells(self, ids: Iterable[str]) -> None:
        """These are the ids of the notebook's cells now."""

    def attach(self, store: Path) -> Path:
        """Gives this notebook the history in another store. Returns the store that it has now."""


class ProgressDisplay(Protocol):
    """Shows how far a checkout is."""

    def elsewhere(self, show: ShowProgress) -> AbstractContextManager[None]:
        """Within this context progress goes to `show` and not to the display."""

    def end(self) -> None:
        """Whatever was under way has ended."""

    def take_place(self) -> str | None:
        """The id of the display whose place the result of what has just ended is to take, if there is one."""


class HostCells(Protocol):
    """The cells that run, or whose checkpoints are not taken yet."""

    def wait_for_pending(self, timeout: float) -> bool:
        """Waits until no checkpoint is pending. Not to be called on a thread that runs cells."""

    def are_running(self) -> bool:
        """Whether a cell of the user's runs, which will get a checkpoint."""


class HostWarnings(Protocol):
    """Sentences that no request has asked for."""

    @property
    def untold(self) -> list[str]:
        """Those that nobody has been shown."""

    def gathered(self) -> AbstractContextManager[list[str]]:
        """What is added within this context is in the list, and shown by whoever gets it."""

    def note_told(self, sentences: Sequence[str]) -> None:
        """A frontend that shows these has shown them."""

    def take(self) -> list[str]:
        """Returns what nobody has been shown: who asks shows it."""


class HistoryCourier(Protocol):
    """Carries the history to a remote by itself."""

    def status(self) -> dict[str, Any] | None:
        """Where it is pushed to, and how that stands. None where nothing is pushed by itself."""

    def push_within(self, seconds: float) -> dict[str, Any] | None:
        """Pushes all that is in the store: `pushed`, `error`, and the states that are `missing`. None as above."""


class SessionHost(Protocol):
    """A shell that has a session."""

    @property
    def cells(self) -> HostCells:
        """The cells that run."""

    @property
    def session(self) -> Session:
        """The session that requests are about."""

    @property
    def opener(self) -> NotebookStores:
        """Opens the notebook's store, and knows all others."""

    @property
    def courier(self) -> HistoryCourier:
        """Carries the history to a remote by itself."""

    @property
    def progress(self) -> ProgressDisplay:
        """Shows how far a checkout is."""

    @property
    def warnings(self) -> list[str]:
        """Sentences that `status` repeats."""

    @property
    def user_warnings(self) -> HostWarnings:
        """The same sentences, and who has been shown them."""

    @property
    def checkpoint_pending(self) -> bool:
        """Whether a cell's reply may have left whose checkpoint is not taken yet."""

    @property
    def fork_rules(self) -> Mapping[str, Any]:
        """What clients that fork this kernel are to obey."""

    def notebook(self) -> str | None:
        """The path of the notebook; None where the frontend has not told it."""

    def begin_at(self, wanted: str) -> None:
        """Goes to a state of any store, STORE@TARGET, before the session has states of its own."""

    def note_offer_shown(self) -> None:
        """Called when a frontend shows by its own means what there is to resume. On any thread."""

    def notify_relabelled(self) -> None:
        """Called after a checkpoint got another name or message, or lost its values."""

    def notify_checkout(self) -> None:
        """Called after the session went to another state."""

    def subscribe(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Calls it after each checkpoint and each checkout, on the thread that did it.

        Its argument says whether checkpoints that were there before may look different now.

        Returns:
            What ends the subscription.
        """
