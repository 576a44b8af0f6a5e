"""`%kishu`: the operations of the protocol as a line magic, for frontends that cannot send messages."""

from __future__ import annotations

import argparse
import shlex
from typing import Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.display import display

from kishu_kernel.frontend.display import as_text
from kishu_kernel.frontend.messages import PROTOCOL, Requests
from kishu_kernel.interrupts import answering


@magics_class
class KishuMagics(Magics):
    """Registers `%kishu`."""

    def __init__(self, shell: Any, requests: Requests) -> None:
        super().__init__(shell)
        self._requests = requests

    @line_magic
    def kishu(self, line: str) -> None:
        """Travel in time: go back to any earlier state of your variables.

        ::

            %kishu log [--all] [--limit N] [--since ID]   the cells that led here, newest first
            %kishu undo [N]                               take back the last N cells (1)
            %kishu redo [N]                               and forth again
            %kishu checkout TARGET                        go to any state
            %kishu status                                 where you are, and what the store holds
            %kishu show TARGET                            a cell: its code, what it changed, its variables
            %kishu diff TARGET [BASE]                     what differs between two states (BASE: HEAD)
            %kishu variable NAME                          the cells that changed a variable
            %kishu commit MESSAGE                         give the present state a message
            %kishu branch [NAME [TARGET]] [--delete]      make (or list) branches
            %kishu tag [NAME [TARGET]] [--delete]         make (or list) tags
            %kishu resume [SESSION]                       go to where an earlier session of this notebook ended
            %kishu stores                                 the histories of all notebooks
            %kishu attach STORE                           give this notebook the history of another one
            %kishu gc [--dry-run]                         drop what no branch, tag or session needs

        TARGET is an id from the log (4 characters are enough), a branch, a tag, HEAD, HEAD~3, or In[7].

        undo, redo, checkout and resume take `--dry-run` (show the plan only), `--no-replay` (refuse rather than re-run
        a cell) and `--allow-lost` (go there without what cannot be brought back).
        `--json` anywhere displays the reply as JSON instead of text.
        """
        arguments = _words(line)
        as_json = "--json" in arguments
        arguments = [word for word in arguments if word != "--json"]
        request = vars(_parser().parse_args(arguments or ["status"]))
        listing = request in ({"operation": "branch"}, {"operation": "tag"})
        with answering():
            reply = self._list(request["operation"]) if listing else self._requests.answer(request)
            if as_json:
                display({"application/json": reply}, raw=True)
            elif reply["status"] == "error":
                raise UsageError(reply["evalue"])
            else:
                print(as_text(reply))

    def _list(self, kind: str) -> dict[str, Any]:
        log = self._requests.answer({"operation": "log", "limit": 0, "all": True})
        key = {"branch": "branches", "tag": "tags"}[kind]
        if log["status"] == "error":
            return log
        named = {name: each["id"] for each in log["checkpoints"] for name in each[key]}
        return {"status": "ok", "protocol": PROTOCOL, "operation": kind, key: dict(sorted(named.items()))}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; %kishu? explains")


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{error}; %kishu? explains") from error


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="%kishu", add_help=False, argument_default=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="operation", required=True, parser_class=_Parser)

    def command(name: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, add_help=False, argument_default=argparse.SUPPRESS)

    command("status")
    log = command("log")
    log.add_argument("--all", action="store_true")
    log.add_argument("--limit", type=int)
    log.add_argument("--since")
    checkout = command("checkout")
    checkout.add_argument("target")
    undo, redo = command("undo"), command("redo")
    for each in (undo, redo):
        each.add_argument("steps", type=int, nargs="?", default=1)  # argparse reads a text as the type
    resume = command("resume")
    resume.add_argument("session", nargs="?")
    command("stores")
    command("attach").add_argument("store")
    command("gc").add_argument("--dry-run", action="store_true", dest="dry_run")
    for each in (checkout, undo, redo, resume):
        each.add_argument("--dry-run", action="store_true", dest="dry_run")
        each.add_argument("--no-replay", action="store_const", const="never", dest="replay")
        each.add_argument("--allow-lost", action="store_true", dest="allow_lost")
    command("show").add_argument("target")
    diff = command("diff")
    diff.add_argument("target")
    diff.add_argument("base", nargs="?")
    variable = command("variable")
    variable.add_argument("name")
    variable.add_argument("--limit", type=int)
    command("commit").add_argument("message", nargs="+", action=_Joined)
    for name in ("branch", "tag"):
        naming = command(name)
        naming.add_argument("name", nargs="?")
        naming.add_argument("target", nargs="?")
        naming.add_argument("--delete", action="store_true")
    return parser


class _Joined(argparse.Action):
    """A message may be written without quotes."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, " ".join(values))
