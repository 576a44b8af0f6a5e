"""A checkout that fails in its last step: what it had obtained ends without doing anything."""

from __future__ import annotations

from typing import Any

import pytest

from kishu_kernel.errors import StoreError
from tests.support.harness import Notebook


def test_no_destructor_of_a_copy_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = Notebook.as_main(monkeypatch)
    notebook.ok("class D:\n    def __del__(self): print('end of', self.n)\nw = D(); w.n = 0")
    notebook.ok("w.n = 1")
    notebook.session.flush()

    def refuse(*_: Any) -> None:
        assert notebook["w"].n == 0  # it was about to be done
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(notebook.session.timeline, "move", refuse)
        for _ in range(2):
            with pytest.raises(StoreError):
                notebook.session.undo(1)
    assert capsys.readouterr().out == ""
    assert notebook["w"].n == 1
    notebook.session.undo(1)
    assert notebook["w"].n == 0
    assert capsys.readouterr().out == "end of 1\n"
