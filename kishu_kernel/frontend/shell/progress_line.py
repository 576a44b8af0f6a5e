"""Shows how far a long checkout is, as a line in the output of the cell or request that asked for it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from kishu_kernel.session.progress import Progress, ShowProgress

MIMETYPE = "application/vnd.kishu.progress+json"
"""For clients that draw progress themselves: the fields of `session.progress.Progress`; `null` when it is over."""


STOPPED = "(it did not come to its end)"
"""What the line says in the end where no result takes its place: a frontend would keep an empty one, too."""


class ProgressLine:
    """One display that is updated. In the end the result takes its place."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._id: str | None = None
        self._ended: str | None = None
        self._elsewhere: ShowProgress | None = None

    @contextmanager
    def elsewhere(self, show: ShowProgress) -> Iterator[None]:
        """Within this context progress goes to `show` and not to the display."""
        self._elsewhere = show
        try:
            yield
        finally:
            self._elsewhere = None

    def show(self, progress: Progress) -> None:
        """Shows how far the checkout is. As in `session.progress.ShowProgress`."""
        if self._elsewhere is not None:
            self._elsewhere(progress)
            return
        from kishu_kernel.frontend.pages.display import progress_text

        first = self._id is None
        self._id = self._id or secrets.token_hex(8)
        self._publish({"text/plain": progress_text(progress), MIMETYPE: asdict(progress)}, self._id, update=not first)

    def end(self) -> None:
        """Whatever was under way has ended."""
        self._ended, self._id = self._id, None
        if self._ended is not None:
            self._publish({"text/plain": STOPPED, MIMETYPE: None}, self._ended, update=True)

    def take_place(self) -> str | None:
        """Returns the id of the display whose place the result of what has just ended is to take, if there is one."""
        ended, self._ended = self._ended, None
        return ended

    def _publish(self, data: dict[str, Any], id: str, *, update: bool) -> None:
        self._shell.display_pub.publish(data, transient={"display_id": id}, update=update)
