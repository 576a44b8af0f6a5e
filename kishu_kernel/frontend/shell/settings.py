"""What a person can choose, as one value. `kernel.options` reads it from where people write it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kishu_kernel.detect.access_trackers import TrackerKind
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.objects.secret_names import ENVIRONMENT
from kishu_kernel.session.keep_rules import KeepRules

END_TIMEOUT = 10.0

Keep = Literal["never", "on failure", "always"]


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """Where stores are, and how much each may occupy.

    Attributes:
        base: the directory of all stores; None: the default one, in Jupyter's data directory.
        network: use it even where it is on a network file system.
        limit: bytes; None: the default; 0: no limit.
        total_limit: bytes that all stores may occupy; None: no limit.
        max_age: seconds since it was last used, after which the store of a kernel without a notebook goes; None: never.
        signing: whose signatures count, as of `signing.choose`.
        trusted_keys: the same.
    """

    base: Path | None = None
    network: bool = False
    limit: int | None = None
    total_limit: int | None = None
    max_age: float | None = None
    signing: str = ""
    trusted_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForkRules:
    """What a person can choose of the kernels that begin in a state of this one's history: clients obey it.

    Attributes:
        limit: how many there may be at once, of all notebooks; None: as many as there is memory for.
        memory_limit: bytes that all of them may use; None: nearly all that is free.
        spare: a process is kept from which they begin at once.
    """

    limit: int | None = None
    memory_limit: int | None = None
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person can choose.

    Attributes:
        where: where stores lie, and how much they may occupy.
        in_memory: keep everything in memory and nothing on disk.
        tracker: how to learn what a cell may have touched.
        notebook: the notebook's path, for frontends that do not tell it.
        output_limit: bytes of outputs kept with each checkpoint.
        rules: what is not to be stored.
        secret_environment: patterns on names of environment variables that are not stored.
        auto_resume: a new session begins where the last one of this notebook ended.
        remote: where histories are pushed to by themselves, each below it; empty for nowhere.
        remote_recipients: public age keys, for which what is pushed is encrypted; none: it is not.
        start_at: the state in which the session begins, as STORE@TARGET; None: as the two above say.
        audit: pauses are used to look for missed changes, and to try whether stored values load.
        effects: side effects of cells are recorded.
        end_timeout: seconds that writing may take when the kernel is asked to end.
        keep: whether the store of a kernel without a notebook stays when that ends.
        forks: what clients that fork it are told.
    """

    where: StoreLocation = field(default_factory=StoreLocation)
    in_memory: bool = False
    tracker: TrackerKind = "code"
    notebook: str | None = None
    output_limit: int = 1_000_000
    rules: KeepRules = field(default_factory=KeepRules)
    secret_environment: tuple[str, ...] = ENVIRONMENT
    auto_resume: bool = False
    remote: str = ""
    remote_recipients: tuple[str, ...] = ()
    start_at: str | None = None
    audit: bool = True
    effects: bool = True
    end_timeout: float = END_TIMEOUT
    keep: Keep = "on failure"
    forks: ForkRules = field(default_factory=ForkRules)
