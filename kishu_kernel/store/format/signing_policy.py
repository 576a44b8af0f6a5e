"""What a person chose of signatures: one value, which nobody changes while a process runs.

KISHU_SIGNING is off, on or strict. Without it they are on where somebody has such a key, or trusts one.
Neighbours: `team_files` reads the keys; `signing` puts both together, and takes what a kernel's configuration says.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, cast, get_args

from kishu_kernel.errors import StoreError
from kishu_kernel.model.dataclass import dataclass, replace

Mode = Literal["off", "on", "strict"]
MODE, SIGNING_KEY, TRUSTED_KEYS = "KISHU_SIGNING", "KISHU_SIGNING_KEY", "KISHU_TRUSTED_KEYS"


@dataclass(frozen=True, slots=True)
class SigningPolicy:
    """What a person chose.

    Attributes:
        mode: off: only his HMAC signatures count. on: what he writes is sealed, and what those wrote whom he trusts
            is loaded as his own is. strict: nothing else is.
        directory: where the files are.
        key: the file of his private key; None: in the directory.
        trusted: more public keys, as lines or files of lines.
    """

    mode: Mode
    directory: Path
    key: Path | None = None
    trusted: tuple[str, ...] = ()

    @property
    def key_file(self) -> Path:
        """The file of the private key."""
        return self.key or self.directory / "signing_key"

    @property
    def trusted_file(self) -> Path:
        """The file of the keys that this user trusts."""
        return self.directory / "trusted_keys"

    def environment(self) -> dict[str, str]:
        """The variables that say the same to another process of this user."""
        key = {SIGNING_KEY: str(self.key)} if self.key else {}
        return {MODE: self.mode, TRUSTED_KEYS: ",".join(self.trusted), **key}


def policy_of_environment(directory: Path) -> SigningPolicy:
    """What the environment says, and which files there are.

    Args:
        directory: of the user's own key.

    Raises:
        StoreError: KISHU_SIGNING is none of the three.
    """
    named = os.environ.get(SIGNING_KEY)
    trusted = tuple(filter(None, (each.strip() for each in os.environ.get(TRUSTED_KEYS, "").split(","))))
    found = SigningPolicy("off", directory, Path(named) if named else None, trusted)
    return with_mode(found, os.environ.get(MODE, ""))


def with_mode(policy: SigningPolicy, told: str) -> SigningPolicy:
    """The policy with a mode that was told; where none was, it is on if there is a key of a team."""
    mode = told.strip().lower()
    if not mode:
        files = policy.key_file, policy.trusted_file
        there = policy.key or policy.trusted or any(map(os.path.exists, files))  # whatever may be looked at
        mode = "on" if there else "off"
    if mode not in get_args(Mode):
        raise StoreError(f"{MODE} is off, on or strict, and not {told!r}")
    return replace(policy, mode=cast(Mode, mode))
