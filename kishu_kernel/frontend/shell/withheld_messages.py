"""What a re-run sends to frontends is withheld: nobody asked for its outputs.

Law: a re-run has all of the shell as it is (publishers, display hook, comms), and nothing of it reaches a frontend. So
nothing is put into the place of the shell's parts; what they send is stopped on its way out, in the Jupyter session,
where streams, displays, errors and comms all pass. Messages about comms are kept: frontends must know what somebody
gets of a re-run, and what nobody gets must not stay with them, nor with the kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.codec.disarming import disarm, reachable_from
from kishu_kernel.objects.registry import registry
from kishu_kernel.process.muting import caller_is_within

ASKED = "a cell that asks for input cannot be re-run"

_COMMS = ("comm_open", "comm_msg", "comm_close")


@dataclass(frozen=True, slots=True)
class _AboutComm:
    """A message that was not sent: its kind, the comm's id, and what sends it."""

    kind: str
    comm: str
    send: Callable[[], Any]


class WithheldMessages:
    """What one re-run would have sent.

    Args:
        sessions: the Jupyter sessions through which the shell and its kernel send.
    """

    def __init__(self, sessions: Sequence[Any]) -> None:
        self._sessions = sessions
        self._about_comms: list[_AboutComm] = []

    @contextmanager
    def withholding(self) -> Iterator[None]:
        """Within this context nothing leaves that this thread sends, nor threads that start meanwhile."""
        with caller_is_within(new_threads=True) as is_within:
            plain = [session.send for session in self._sessions]
            own = [self._instead_of(send, is_within) for send in plain]
            for session, send in zip(self._sessions, own, strict=True):
                session.send = send
            try:
                yield
            finally:
                for session, send, before in zip(self._sessions, own, plain, strict=True):
                    if session.send is send:  # else somebody has put something in its place, that calls it
                        session.send = before

    def _instead_of(self, send: Callable[..., Any], is_within: Callable[[], bool]) -> Callable[..., Any]:
        def withhold(stream: Any, message: Any, *args: Any, **how: Any) -> Any:
            if not is_within():
                return send(stream, message, *args, **how)
            kind = message if isinstance(message, str) else message["header"]["msg_type"]
            if kind == "input_request":
                raise EOFError(ASKED)
            if kind in _COMMS:
                content = (args[0] if args else how["content"]) if isinstance(message, str) else message["content"]
                comm = str(content["comm_id"])
                self._about_comms.append(_AboutComm(kind, comm, lambda: send(stream, message, *args, **how)))
            return None

        return withhold

    def settle(self, kept: Sequence[Any]) -> None:
        """It is known who gets what of the re-run: its comms are opened in the frontends, or forgotten.

        Args:
            kept: the objects that somebody gets.
        """
        about, self._about_comms = self._about_comms, []
        opened = {each.comm for each in about if each.kind == "comm_open"}
        gone = opened - _staying(opened, kept) if opened else set()
        for each in about:
            if each.comm not in gone:
                with suppress(Exception):  # a frontend that went away is no reason to fail
                    each.send()
        if gone:
            _forget(gone)


def _staying(opened: set[str], kept: Sequence[Any]) -> set[str]:
    """Those of the comms whose owners somebody gets, and those of which nobody knows whose they are."""
    if not kept:
        return set()
    reachable = reachable_from(kept)
    owners = _owners()
    return {comm for comm in opened if comm not in owners or id(owners[comm]) in reachable}


def _forget(comms: set[str]) -> None:
    """Nobody gets what has these comms: the kernel and the libraries let go of it."""
    from comm import get_comm_manager

    known = get_comm_manager().comms
    unclaimed = []
    for id in comms:
        comm = known.pop(id, None)
        if comm is not None:  # no frontend has heard of it, so that none is to hear of its end
            comm._closed, comm._msg_callback, comm._close_callback = True, None, None
    for library in registry.libraries():
        owners = library.owners_of_comms()
        unclaimed += [owners.pop(id) for id in comms & owners.keys()]
    disarm(unclaimed)


def _owners() -> Mapping[str, Any]:
    return {id: owner for library in registry.libraries() for id, owner in library.owners_of_comms().items()}
