"""Sentences are shown once: when they come again, and when another thread shows them while a cell prints them."""

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


def test_what_comes_again_before_it_is_shown_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    warnings = UserWarnings(lambda: False, lambda: False)
    for sentence in ("one", "two", "one"):
        warnings.add(sentence)
    warnings.print()
    assert capsys.readouterr().err == "[kishu] one\n[kishu] two\n"
    warnings.add("two")
    warnings.print()
    assert capsys.readouterr().err == "[kishu] two\n"
