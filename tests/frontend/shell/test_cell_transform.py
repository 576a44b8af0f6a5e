"""A cell is transformed as often as it can be told, and else once; in a shell of IPython's without a kernel."""

from __future__ import annotations

import atexit
import warnings
from collections.abc import Callable, Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from kishu_kernel.frontend.shell.cell_transform import CellTransform


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    made = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    yield made
    atexit.unregister(made.atexit_operations)
    made.atexit_operations()


def as_ipykernel_does(shell: InteractiveShell, code: str) -> tuple[str, bool, str, bool]:
    """What ipykernel and IPython ask of the shell before a cell runs, and in this order."""
    first = shell.transform_cell(code)
    is_async = shell.should_run_async(code, transformed_cell=first)
    if is_async:
        return first, is_async, first, is_async
    second = shell.transform_cell(code)
    return first, is_async, second, shell.should_run_async(code, transformed_cell=second)


def run(
    shell: InteractiveShell, transform: CellTransform, code: str, contained: bool = False
) -> tuple[str, bool, str, bool]:
    text = transform(code)
    assert text is not None
    with transform.reused(code, text, contained):
        said = as_ipykernel_does(shell, code)
        assert not {"transform_cell", "should_run_async"} & vars(shell).keys()  # the cell finds the shell as it is
    return said


@pytest.mark.parametrize(
    "code", ["x = 1\nx", "x", "%time x = 1", "%%time\nx = 1", "ls = !ls", "await x", "def f(:", ""]
)
def test_it_says_what_ipython_says(shell: InteractiveShell, code: str) -> None:
    expected = as_ipykernel_does(shell, code)
    assert run(shell, CellTransform(shell), code) == expected


def test_one_line_on_plain_data_is_asked_of_nobody_again(shell: InteractiveShell) -> None:
    for code in ("x = 1", "x", "x + len('a')", "def f(:"):
        expected = as_ipykernel_does(shell, code)
        assert run(shell, CellTransform(shell), code, contained=True) == expected
    asked: list[str] = []
    lines = shell.prefilter_manager.prefilter_lines
    shell.prefilter_manager.prefilter_lines = lambda *of: (asked.append(of[0]), lines(*of))[1]
    for contained in (True, False):
        run(shell, CellTransform(shell), "x", contained)
    assert len(asked) == 1 + 2


def counting(calls: list[str]) -> Callable[[list[str]], list[str]]:
    def transformer(lines: list[str]) -> list[str]:
        calls.append("".join(lines))
        return lines

    return transformer


@pytest.mark.parametrize("early", [True, False])
def test_a_transformer_of_the_users_runs_as_often_as_without_us(shell: InteractiveShell, early: bool) -> None:
    calls: list[str] = []
    transform = CellTransform(shell)
    (shell.input_transformers_cleanup if early else shell.input_transformers_post).append(counting(calls))
    run(shell, transform, "x = 1\nx")
    assert len(calls) == 2


class Asked:
    """Says itself what it is, as proxies do."""

    times = 0

    @property
    def __class__(self) -> type:  # type: ignore[override]
        Asked.times += 1
        return Asked


def test_a_variable_is_asked_what_it_is_as_often_as_without_us(shell: InteractiveShell) -> None:
    shell.user_ns["x"] = Asked()
    as_ipykernel_does(shell, "x")
    usual, Asked.times = Asked.times, 0
    run(shell, CellTransform(shell), "x")
    assert usual == Asked.times > 0


def test_a_method_that_the_user_has_put_in_its_place_is_asked(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform = CellTransform(shell)
    monkeypatch.setattr(type(shell.input_transformer_manager), "transform_cell", lambda _, code: f"1\n{code}\n")
    assert run(shell, transform, "x\ny")[0] == "1\nx\ny\n"
    monkeypatch.setitem(vars(shell), "should_run_async", lambda *_, **__: True)
    text = transform("x")
    with transform.reused("x", text):
        assert shell.should_run_async("x", transformed_cell=text)


@pytest.mark.parametrize("code", ["x = 1\nx is 1", "assert (1, 'no')", "await x is 1"])
def test_what_a_compilation_warns_of_is_shown_as_often_as_without_us(shell: InteractiveShell, code: str) -> None:
    transform, shown = CellTransform(shell), list[int]()
    for way in (lambda: as_ipykernel_does(shell, code), lambda: run(shell, transform, code)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            way()
        shown.append(len(caught))
    assert shown[0] == shown[1] > 0
