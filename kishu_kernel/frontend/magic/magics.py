"""`%kishu`: the operations of the protocol as a line magic, for people, and for frontends that cannot send messages."""

from __future__ import annotations

import shlex
import shutil
import time
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display

from kishu_kernel.errors import RequestError
from kishu_kernel.process.interrupts import answering

if TYPE_CHECKING:  # everything else is imported when the magic is first used: a kernel starts without it
    from kishu_kernel.frontend.protocol.requests import Requests
    from kishu_kernel.frontend.shell.tracked_shell import TrackedShell

_TRAVELS = ("undo", "redo", "checkout", "resume")
_WIDEST = 160
_JSON = "application/json"


def _getdoc() -> str:
    """What `%kishu?` shows: IPython asks for it by this name."""
    from kishu_kernel.frontend.magic.subcommands import help_text

    return help_text()


@magics_class
class KishuMagics(Magics):
    """Registers `%kishu`, and what completes it."""

    def __init__(self, shell: Any, tracked_shell: TrackedShell) -> None:
        super().__init__(shell)
        self._tracked = tracked_shell
        _complete(shell, tracked_shell)

    @property
    def _requests(self) -> Requests:
        return self._tracked.requests

    @line_magic
    def kishu(self, line: str) -> None:
        """Travel in time: `%kishu help` tells how."""
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
        refusal = None
        if request["operation"] in _TRAVELS and not request.pop("yes", False):
            refusal = self._unapproved(request, ask=not as_json)
        elif not as_json:
            request |= {"log": {"graph": True}, "diff": {"values": True}}.get(request["operation"], {})
        with answering():
            if refusal is not None:
                reply = {"status": "error", "ename": "NotApproved", "evalue": refusal, "traceback": [refusal]}
            elif request in ({"operation": "branch"}, {"operation": "tag"}):
                reply = self._names(request["operation"])
            else:
                reply = self._requests.answer(request)
            if as_json:
                display({_JSON: reply}, raw=True)
            else:
                self._show(reply, request)

    def _show(self, reply: dict[str, Any], request: dict[str, Any]) -> None:
        if reply["status"] == "error":
            raise UsageError(_sentence(reply))
        from kishu_kernel.frontend.pages.display import as_bundle
        from kishu_kernel.frontend.pages.wording import View

        width = max(80, min(shutil.get_terminal_size((80, 24)).columns, _WIDEST))
        view = View(request, width, time.time(), self._elsewhere(reply, request), *self._here(reply))
        display(as_bundle(reply, view), raw=True)
        if reply["operation"] == "show":
            from kishu_kernel.frontend.magic.republish import republish

            republish(self.shell, reply["outputs"])

    def _elsewhere(self, reply: dict[str, Any], request: dict[str, Any]) -> int:
        """Checkpoints that are not on the way to the root."""
        if reply["operation"] != "log" or request.get("all") or request.get("since") or reply["truncated"]:
            return 0
        there = self._requests.answer({"operation": "status"})
        return max(0, int(there["store"]["checkpoints"]) - len(reply["checkpoints"]))

    def _here(self, reply: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
        """The branch that the session is on, and the checkpoint, where the reply is about that."""
        if reply["operation"] != "branch" and not reply.get("applied"):
            return None, None
        there = self._requests.answer({"operation": "log", "limit": 1})
        return there["branch"], next(iter(there["checkpoints"]), None)

    def _names(self, kind: str) -> dict[str, Any]:
        from kishu_kernel.frontend.protocol.content import PROTOCOL

        key = {"branch": "branches", "tag": "tags"}[kind]
        return {"status": "ok", "protocol": PROTOCOL, "operation": kind, key: self._requests.reader.names()[kind]}

    def _unapproved(self, request: dict[str, Any], *, ask: bool) -> str | None:
        """Why it is not done: it would re-run cells with side effects, and nobody said yes."""
        if request.get("dry_run") or request.get("replay") == "never":
            return None
        dry = self._requests.answer({**request, "dry_run": True})
        steps = dry["plan"]["replay"] if dry["status"] == "ok" else []
        if not any(step["side_effects"] for step in steps):
            return None
        from kishu_kernel.frontend.magic.confirmation import prompt, refusal

        if not ask:
            return refusal(steps)
        try:
            answer = input(prompt(steps))
        except (StdinNotImplementedError, EOFError):
            return refusal(steps)
        return None if answer.strip().lower() in ("y", "yes") else "not done: nothing has changed"

    def _help(self, name: str | None) -> None:
        from kishu_kernel.frontend.magic.subcommands import help_page, help_text

        display({"text/plain": help_text(name), "text/html": help_page(name)}, raw=True)

    def _panel(self) -> None:
        from kishu_kernel.frontend.panel.widget import panel

        try:
            shown = panel(self._requests, self.shell)
        except RequestError as error:
            raise UsageError(str(error)) from error
        display(shown)


def _complete(shell: Any, tracked_shell: TrackedShell) -> None:
    """From now on the completer of this shell knows `%kishu`."""
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

        fragment, words = completions(line, tracked_shell.requests, shell.magics_manager.auto_magic)
        offered = [SimpleCompletion(text, type=what) for text, what in words]
        found = {"completions": offered, "suppress": bool(offered), "ordered": True}
        # Not as the completer cuts words: `HEAD~3`, `--all` and `In[7]` are whole ones here.
        return {**found, "matched_fragment": fragment} if offered else found

    matchers = shell.Completer.custom_matchers
    before = [each for each in matchers if getattr(each, "matcher_identifier", None) != "kishu"]
    matchers[:] = [*before, kishu_matcher]


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{error}: put quotes around the whole text, or a \\ before the one quote") from error


def _sentence(reply: dict[str, Any]) -> str:
    """The error of a reply, in the words of the magic and on one line."""
    from kishu_kernel.frontend.printable import printable

    text = printable(" ".join(reply["evalue"].split()))
    return text.replace("Ask with allow_lost to go there without them", "Add --allow-lost to go there without them")
