"""Who vouches for a head: its signature covers all that it names, and its number.

Law: what is signed and was changed, put under another number or into another history, is refused. What is not signed is
no proof of anything. Who knows a newer head refuses an older one (`holdings.check_link`); who has never seen the remote
cannot know of heads that were removed: he learns when the newest one was made, and by whom.
Neighbours: `format.team` says whom to believe; `holdings` asks here for each head that it reads.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from kishu_kernel.errors import RemoteError
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.signing import Signer, user_signer
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.layout import Head

_CONTEXT = b"kishu-kernel head 1\0"
_YOU = "you"


class Vouch(NamedTuple):
    """Who vouches for a head.

    Attributes:
        by: his name; empty where no signature shows it.
        is_trusted: this user trusts him, or is it.
        is_sealed: by a key that others can check, too.
    """

    by: str = ""
    is_trusted: bool = False
    is_sealed: bool = False


def sealed(number: int, head: Head, signer: Signer | None = None) -> Head:
    """The head, signed by this user, with the time."""
    signer = signer or user_signer()
    head = replace(head, at=int(time.time()))
    message = _message(number, head)
    if signer.persistent:
        head = replace(head, mac=signer.sign(message).hex())
    own = signer.team.own if signer.team else None
    return replace(head, signer=own.public.hex(), signature=own.sign(message).hex()) if own else head


def judged(url: str, number: int, head: Head, signer: Signer | None = None) -> Vouch:
    """Who vouches for a head.

    Raises:
        RemoteError: it is signed, and not as it is, or not as the one of this number.
    """
    signer = signer or user_signer()
    team, message = signer.team, _message(number, head)
    by_key = signer.persistent and bool(head.mac) and signer.verifies(bytes.fromhex(head.mac), message)
    if team is None or not head.signer:
        return Vouch(_YOU, not (team and team.strict)) if by_key else Vouch()
    key, signature = bytes.fromhex(head.signer), bytes.fromhex(head.signature)
    if not team.has_signed(key, message, signature):
        raise RemoteError(
            f"the head {layout.head_name(number)} of the remote {url} is not the one that was signed: somebody has "
            "changed it, or put an older one in its place, so nothing was sent or taken. Ask who can write there"
        )
    return Vouch(team.name(key), team.vouches(key, message, signature), True)


def can_be_sealed(vouch: Vouch, signer: Signer | None = None) -> bool:
    """Whether a head is one of this user's own that others cannot check, and the next one would be."""
    team = (signer or user_signer()).team
    return vouch.by == _YOU and not vouch.is_sealed and team is not None and team.own is not None


def _message(number: int, head: Head) -> bytes:
    return _CONTEXT + schema.dump_json([head.history, number, head.write, head.manifest, head.at])
