"""`%kishu`: the operations of the protocol as a line magic, for people, and for frontends that cannot send messages."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display

from kishu_kernel.errors import RequestError
from kishu_kernel.process.interrupts import until_replied
from kishu_kernel.process.tracing import untraced

if TYPE_CHECKING:  # everything else is imported when the magic is first used: a kernel starts without it
    from kishu_kernel.frontend.protocol.request_handler import RequestHandler

_NOT_ASKED = ("SideEffectsError", "PlanChangedError")
"""Replies to a checkout that would re-run cells that nobody has seen: its plan is to be shown, and accepted."""
_WIDEST = 160
_JSON = "application/json"


def _getdoc() -> str:
    """Returns what `%kishu?` shows: IPython looks for it under this name."""
    from kishu_kernel.frontend.magic.subcommands import help_text

    return help_text()


@magics_class
class KishuMagics(Magics):
    """The magic `%kishu`, and its completion.

    Args:
        shell: IPython's.
        requests: returns what answers requests about its session.
    """

    def __init__(self, shell: Any, requests: Callable[[], RequestHandler]) -> None:
        super().__init__(shell)
        self._get_requests = requests
        _add_completion(shell, requests)

    @property
    def _requests(self) -> RequestHandler:
        return self._get_requests()

    @line_magic
    @untraced()
    def kishu(self, line: str) -> None:
        """Go back to any earlier state of your variables: `%kishu help` lists the commands."""
        from kishu_kernel.frontend.magic.subcommands import parsed

        words = _words(line)
        as_json = "--json" in words
        request = parsed([word for word in words if word != "--json"] or ["status"])
        if request["operation"] == "help":
            self._help(request.get("command"))
        elif request["operation"] == "panel":
            self._panel()
        else:
            self._perform(request, as_json)

    kishu.getdoc = _getdoc  # type: ignore[union-attr]

    def _perform(self, request: dict[str, Any], as_json: bool) -> None:
        if request.pop("yes", False):
            request.setdefault("replay", "auto")
        if request.pop("without", False):
            request |= {"replay": "harmless", "allow_lost": True}
        code, path = request.pop("code", False), request.pop("write", None)
        if not as_json:
            request |= {"log": {"graph": True}, "diff": {"values": True}}.get(request["operation"], {})
        while True:  # each plan that was not accepted yet is asked about: a checkout may have to plan anew
            with until_replied():
                reply = self._answer(request)
                place = self._requests.host.progress.take_place()
                if as_json:
                    _display({_JSON: _for_a_line(reply)}, place)
                elif reply.get("ename") not in _NOT_ASKED:
                    self._show(reply, request, place)
            if as_json or reply.get("ename") not in _NOT_ASKED:
                if reply["status"] == "ok" and (code or path):
                    self._show_code(reply, code, path)
                if not as_json:
                    self._tell()
                return
            request |= self._ask(reply, request)

    def _tell(self) -> None:
        """Shows what nobody has been shown yet of what no request has asked for."""
        for sentence in self._requests.host.user_warnings.take():
            display({"text/plain": f"[kishu] {sentence}"}, raw=True)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request in ({"operation": "branch"}, {"operation": "tag"}):
            return self._names(request["operation"])
        return self._requests.answer(request)

    def _show(self, reply: dict[str, Any], request: dict[str, Any], place: str | None) -> None:
        if reply["status"] == "error":
            raise UsageError(_sentence(reply))
        from kishu_kernel.frontend.pages.display import as_bundle
        from kishu_kernel.frontend.pages.wording import View

        view = View(request, _width(), time.time(), self._states_elsewhere(reply, request), *self._head_after(reply))
        _display(as_bundle(reply, view), place)
        if reply["operation"] == "show":
            from kishu_kernel.frontend.magic.republish import republish

            republish(self.shell, reply["outputs"])

    def _show_code(self, reply: dict[str, Any], code: bool, path: str | None) -> None:
        """Shows how the notebook's cells differ from those of the state, and writes these."""
        from kishu_kernel.frontend.magic.notebook_code import code_difference, write_code

        if code:
            display(code_difference(self._requests, reply, _width()), raw=True)
        if path:
            try:
                written = write_code(self._requests, reply, path)
            except RequestError as error:
                raise UsageError(str(error)) from error
            display({"text/plain": f"wrote {written}: the notebook that you work in is as it was"}, raw=True)

    def _states_elsewhere(self, reply: dict[str, Any], request: dict[str, Any]) -> int:
        """Returns how many states are not on the path that a log shows; 0 for other replies."""
        if reply["operation"] != "log" or request.get("all") or request.get("since") or reply["truncated"]:
            return 0
        status = self._requests.answer({"operation": "status"})
        return max(0, int(status["store"]["checkpoints"]) - len(reply["checkpoints"]))

    def _head_after(self, reply: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
        """Returns the branch and the checkpoint of HEAD after a checkout, or for the list of branches; else None."""
        if reply["operation"] != "branch" and not reply.get("applied"):
            return None, None
        log = self._requests.answer({"operation": "log", "limit": 1})
        return log["branch"], next(iter(log["checkpoints"]), None)

    def _names(self, kind: str) -> dict[str, Any]:
        from kishu_kernel.frontend.protocol.content import PROTOCOL

        key = {"branch": "branches", "tag": "tags"}[kind]
        return {"status": "ok", "protocol": PROTOCOL, "operation": kind, key: self._requests.reader.names()[kind]}

    def _ask(self, reply: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        """Asks whether cells may be re-run that have side effects. Returns what the request says then.

        Raises:
            UsageError: nothing is to be done, or nobody can be asked.
        """
        from kishu_kernel.frontend.pages.confirmation import WITHOUT, Question
        from kishu_kernel.frontend.protocol.content import shown_content

        changed = f"{_sentence(reply)}\n" if reply["ename"] == "PlanChangedError" else ""
        asked = {key: value for key, value in request.items() if key != "shown"}
        without = None if request["operation"] == "take" else self._answer({**asked, **WITHOUT, "dry_run": True})
        question = Question(reply["plan"], without and without.get("plan"))
        try:
            answer = input(f"{changed}{question.consequences}\n{question.text}")
        except (StdinNotImplementedError, EOFError):
            raise UsageError(_sentence(reply)) from None
        if (accepted := question.accepted(answer)) is None:
            raise UsageError("cancelled: nothing has changed")
        how, plan = accepted
        return {**how, "shown": shown_content(dict(plan))}

    def _help(self, name: str | None) -> None:
        from kishu_kernel.frontend.magic.subcommands import help_page, help_text

        display({"text/plain": help_text(name), "text/html": help_page(name)}, raw=True)

    def _panel(self) -> None:
        """Shows the panel; as text, which is all that a console shows and a notebook keeps, the log."""
        from kishu_kernel.frontend.pages.display import as_text
        from kishu_kernel.frontend.pages.wording import View
        from kishu_kernel.frontend.panel.widget import panel

        shell: Any = self.shell
        try:
            shown = panel(self._requests, shell)
        except RequestError as error:
            raise UsageError(str(error)) from error
        data, metadata = shell.display_formatter.format(shown)
        asked = {"operation": "log", "graph": True}
        log = self._answer(asked)
        if log["status"] == "ok":
            data = {
                **data,
                "text/plain": as_text(log, View(asked, _width(), elsewhere=self._states_elsewhere(log, asked))),
            }
        display(data, metadata=metadata, raw=True)


def _add_completion(shell: Any, requests: Callable[[], RequestHandler]) -> None:
    """Adds the completion of `%kishu` to the shell's completer."""
    try:
        from IPython.core.completer import SimpleCompletion, context_matcher
    except ImportError:  # before IPython 8.6: hosted platforms have it
        return
    if getattr(shell, "Completer", None) is None:
        return

    @context_matcher(identifier="kishu", priority=200)  # type: ignore[untyped-decorator, unused-ignore]
    def kishu_matcher(context: Any) -> Any:
        if "kishu" not in (line := context.text_until_cursor):
            return {"completions": []}
        from kishu_kernel.frontend.magic.completion import completions

        fragment, words = completions(line, requests(), shell.magics_manager.auto_magic)
        offered = [SimpleCompletion(text, type=what) for text, what in words]
        found = {"completions": offered, "suppress": bool(offered), "ordered": True}
        # The completer splits words in another way: here `HEAD~3`, `--all` and `In[7]` are whole.
        return {**found, "matched_fragment": fragment} if offered else found

    matchers = shell.Completer.custom_matchers
    before = [each for each in matchers if getattr(each, "matcher_identifier", None) != "kishu"]
    matchers[:] = [*before, kishu_matcher]


def _display(data: dict[str, Any], place: str | None) -> None:
    """Displays a result, in the place of the display with this id, if there is one."""
    display(data, raw=True, **({} if place is None else {"display_id": place, "update": True}))


def _width() -> int:
    return max(80, min(shutil.get_terminal_size((80, 24)).columns, _WIDEST))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{error}: put quotes around the whole text, or a \\ before the single quote") from error


def _sentence(reply: dict[str, Any]) -> str:
    """Returns the sentence of an error reply on one line, with the options of the magic."""
    from kishu_kernel.frontend.printable import printable

    return printable(" ".join(_for_a_line(reply)["evalue"].split()))


def _for_a_line(reply: dict[str, Any]) -> dict[str, Any]:
    """Returns a reply whose sentence, if it is one of an error, names the options of the magic."""
    if reply["status"] != "error":
        return reply
    from kishu_kernel.frontend.pages.confirmation import with_options

    return {**reply, "evalue": with_options(reply["evalue"])}
