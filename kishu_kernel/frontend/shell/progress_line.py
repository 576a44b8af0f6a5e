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


class ProgressLine:
    """One display that is updated, and removed at the end."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._id: str | None = None
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
        self._publish({"text/plain": progress_text(progress), MIMETYPE: asdict(progress)}, update=not first)

    def end(self) -> None:
        """Removes what was shown, if anything was."""
        if self._id is not None:
            self._publish({"text/plain": "", MIMETYPE: None}, update=True)
            self._id = None

    def _publish(self, data: dict[str, Any], *, update: bool) -> None:
        self._shell.display_pub.publish(data, transient={"display_id": self._id}, update=update)
