"""What IPython turns a cell into before it compiles it, made once for each cell, and when it comes to its code.

IPython itself makes it twice for a cell, and asks twice whether it is to be awaited. Transformers can be the user's and
do anything, so they must not run more often because of us; and where there are none but IPython's own, once will do.
"""

from __future__ import annotations

import threading
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from operator import is_
from typing import Any

from kishu_kernel.objects.classes import contents_of, module_name
from kishu_kernel.process.muting import heard, warnings_muted
from kishu_kernel.process.native import type_version


class CellTransform:
    """Transforms the cells of a shell.

    Args:
        shell: IPython's.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        parts = _transforming(shell)
        self._own = parts if all(map(_is_ipythons, parts)) else []
        """All that has a part in it, where that is IPython's; else nothing."""
        self._classes = list(dict.fromkeys(each if isinstance(each, type) else type(each) for each in self._own))
        self._contents = _contents(self._classes)
        self._versions: list[int] = []

    def __call__(self, code: str) -> str | None:
        """Returns the Python that a cell becomes; None where it cannot be transformed: the run will say why."""
        try:
            return str(self._shell.transform_cell(code))
        except Exception:
            return None

    @contextmanager
    def reused(self, code: str, text: str | None, contained: bool = False) -> Iterator[None]:
        """Within this context, the shell's first `transform_cell(code)` returns `text` and runs no transformer.

        Nor does the second, where none would do anything but to give the same.

        Args:
            code: the cell.
            text: what the call returned for it; where that is None, nothing is replaced.
            contained: its names are bound to plain data.
        """
        own: dict[str, Any] = vars(self._shell)
        if text is None or "transform_cell" in own or "should_run_async" in own:  # the user has put another one there
            yield
            return
        stand_in = _StandIn(self._shell, code, text, 2 if self._is_same_again(code, text, contained) else 1)
        stand_in.begin()
        try:
            yield
        finally:
            stand_in.end()

    def _is_same_again(self, code: str, text: str, contained: bool) -> bool:
        """Whether `code` would become `text` once more, and nobody could tell that it was not transformed again."""
        one_line = "\n" not in code.strip() or text.count("\n") <= 1
        if one_line and not contained:  # more than its text may count: what its first name is bound to is asked
            return False
        if not self._own or self._shell.trio_runner:
            return False
        return _are_same(_transforming(self._shell), self._own) and self._are_classes_as_made()

    def _are_classes_as_made(self) -> bool:
        versions = list(map(type_version, self._classes))
        if versions != self._versions or 0 in versions:
            if not _are_same(_contents(self._classes), self._contents):
                return False
            self._versions = versions
        return True


class _StandIn:
    """Stands in for two methods of the shell until the cell runs: what was found out once is said again."""

    def __init__(self, shell: Any, code: str, text: str, times: int) -> None:
        self._own: dict[str, Any] = vars(shell)
        self._shell, self._code, self._text, self._times = shell, code, text, times
        self._asked = 0
        self._is_async, self._warns = False, False  # to see that, IPython compiles it: a warning is shown each time
        self._put: dict[str, Any] = {"transform_cell": self._transform_cell}
        if times > 1:
            self._put["should_run_async"] = self._should_run_async

    def begin(self) -> None:
        self._own.update(self._put)

    def end(self) -> None:
        for name in [*self._put]:
            self._withdraw(name)

    def _withdraw(self, name: str) -> None:
        if name in self._put and self._own.get(name) is self._put.pop(name):
            del self._own[name]

    def _transform_cell(self, raw: str) -> Any:
        self._times -= 1
        if raw != self._code:
            self.end()
            return self._shell.transform_cell(raw)
        if self._times <= 0:
            self._withdraw("transform_cell")
        return self._text

    def _should_run_async(self, raw: str, **how: Any) -> Any:
        self._asked += 1
        ours = raw == self._code and how.get("transformed_cell") == self._text
        if not ours or how.get("preprocessing_exc_tuple") is not None:
            self.end()
            return type(self._shell).should_run_async(self._shell, raw, **how)
        ask = partial(_is_async, self._shell, raw, **how)
        if self._asked == 1:
            self._is_async, self._warns = heard(ask)
        if self._is_async or self._asked > 1:  # it is run at once
            self.end()
        return self._is_async if self._asked == 1 or not self._warns else ask()


def _is_async(shell: Any, raw: str, **how: Any) -> Any:
    try:
        return type(shell).should_run_async(shell, raw, **how)
    except ValueError:  # IPython 8, of code that UTF-8 cannot say: the request would never get a reply
        return False


def _transforming(shell: Any) -> list[Any]:
    """All that has a part in it, but for variables; nothing, where this version of IPython has other ones."""
    try:
        manager, prefilter = shell.input_transformer_manager, shell.prefilter_manager
        before = *manager.cleanup_transforms, *manager.line_transforms, *manager.token_transformers
        after = (
            *prefilter.transformers,
            *prefilter.checkers,
            *prefilter.handlers.values(),
            *shell.input_transformers_post,
        )
        return [type(shell).transform_cell, type(shell).should_run_async, manager, prefilter, *before, *after]
    except AttributeError:
        return []


@contextmanager
def told_of_code(shell: Any, begins: Callable[[], None]) -> Iterator[None]:
    """Within this context `begins` is called when the shell is about to run a cell's code, once.

    Before that the shell calls what others have registered with it, and swallows an interrupt that comes within these.
    An interrupt that it raises is shown as the cell's. Where the user has put another one in the place of the shell's
    method it is called at once.
    """
    own: dict[str, Any] = vars(shell)

    thread = threading.get_ident()

    async def run_ast_nodes(*arguments: Any, **how: Any) -> Any:
        if threading.get_ident() != thread:  # a subshell's cell, which begins at the same time
            return await type(shell).run_ast_nodes(shell, *arguments, **how)
        withdraw()
        try:
            begins()
        except KeyboardInterrupt as error:  # as if the code had raised it: raised here, the cell would not be counted
            if (result := how.get("result")) is not None:
                result.error_in_exec = error
            shell.showtraceback()
            return True
        return await shell.run_ast_nodes(*arguments, **how)

    def withdraw() -> None:
        if own.get("run_ast_nodes") is run_ast_nodes:
            del own["run_ast_nodes"]

    if "run_ast_nodes" in own:
        begins()
    else:
        own["run_ast_nodes"] = run_ast_nodes
    try:
        yield
    finally:
        withdraw()


def all_code(text: str, expressions: Mapping[str, str]) -> str:
    """Returns all code that runs: the cell, and `user_expressions` after it."""
    for expression in expressions.values():
        with suppress(SyntaxError, ValueError, TypeError), warnings_muted():
            compile(expression, "<user_expression>", "eval")
            text += f"\n({expression}\n)"
    return text


def _contents(classes: list[type]) -> list[Any]:
    return [held for each in classes for held in contents_of(each).values()]


def _are_same(some: list[Any], others: list[Any]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))


def _is_ipythons(each: Any) -> bool:
    home = each.__module__ if type(each) is types.FunctionType or isinstance(each, type) else module_name(type(each))
    return str(home).startswith("IPython.core.")
