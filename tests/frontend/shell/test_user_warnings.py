"""Sentences that are shown on one thread while another one prints them."""

from __future__ import annotations

import io

import pytest

from kishu_kernel.frontend.shell.user_warnings import UserWarnings


class TellsMeanwhile(io.StringIO):
    """What a cell prints to, while a frontend says on the control channel that it has shown everything."""

    def __init__(self, warnings: UserWarnings) -> None:
        super().__init__()
        self._warnings = warnings

    def write(self, text: str) -> int:
        self._warnings.note_told(["one", "two"])
        return super().write(text)


def test_what_a_frontend_shows_meanwhile_is_not_printed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    warnings = UserWarnings(lambda: False, lambda: False)
    warnings.add("one")
    warnings.add("two")
    output = TellsMeanwhile(warnings)
    monkeypatch.setattr("sys.stderr", output)
    warnings.print()
    assert output.getvalue() == "[kishu] one\n"
    assert warnings.untold == []
