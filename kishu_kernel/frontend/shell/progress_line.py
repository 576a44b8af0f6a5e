"""A line in the output of whoever asked for a checkout that takes long: how far it is. Gone when it is done."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from kishu_kernel.session.progress import Progress, Show

MIMETYPE = "application/vnd.kishu.progress+json"
"""For clients that draw it themselves: the fields of `progress.Progress`; `null` when it is over."""


class ProgressLine:
    """One display that is updated. Its parent is the cell, or the request, that asked for the checkout."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._id: str | None = None
        self._elsewhere: Show | None = None

    @contextmanager
    def elsewhere(self, show: Show) -> Iterator[None]:
        """Whoever asks in this block shows it in its own way: no display is made."""
        self._elsewhere = show
        try:
            yield
        finally:
            self._elsewhere = None

    def show(self, progress: Progress) -> None:
        """As in `progress.Show`."""
        if self._elsewhere is not None:
            self._elsewhere(progress)
            return
        from kishu_kernel.frontend.pages.display import progress_text

        first = self._id is None
        self._id = self._id or secrets.token_hex(8)
        self._publish({"text/plain": progress_text(progress), MIMETYPE: asdict(progress)}, update=not first)

    def end(self) -> None:
        """What was shown goes, if anything was."""
        if self._id is not None:
            self._publish({"text/plain": "", MIMETYPE: None}, update=True)
            self._id = None

    def _publish(self, data: dict[str, Any], *, update: bool) -> None:
        self._shell.display_pub.publish(data, transient={"display_id": self._id}, update=update)
