"""What a person can choose: on the command line of a kernel, in a config file, or in the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import cast, get_args

from traitlets import Bool, Enum, Float, Int, List, TraitError, Unicode, default, validate
from traitlets.config import Configurable

from kishu_kernel.detect.access_trackers import TrackerKind
from kishu_kernel.frontend.shell.settings import END_TIMEOUT, ForkRules, Keep, Settings, StoreLocation
from kishu_kernel.model.storage import DAY, MAX_AGE
from kishu_kernel.objects.secret_names import ENVIRONMENT
from kishu_kernel.session.keep_rules import KeepRules
from kishu_kernel.store.catalog import elsewhere


class KishuForks(Configurable):
    """Options for kernels that begin in a state of this one's history: `Client.fork`, `jupyter kishu fork`."""

    limit = Int(
        None,
        allow_none=True,
        min=0,
        help="How many forks there may be at once on this machine. Default: as many as fit into memory.",
    ).tag(config=True)
    memory_limit = Int(
        None,
        allow_none=True,
        min=0,
        help="Bytes that all forks on this machine may use; asked before their number. Default: nine tenths of what is "
        "free.",
    ).tag(config=True)

    spare = Bool(
        False,
        help="Keep a process with the notebook's libraries imported, from which forks begin at once. It ends with the "
        "kernel, and costs what the libraries do. On Linux.",
    ).tag(config=True)

    def rules(self) -> ForkRules:
        """Returns the options as one value."""
        return ForkRules(self.limit, self.memory_limit, self.spare)


class KishuOptions(Configurable):
    """The options, as traits. In config files they stand under `KishuKernel`, also for other kernels."""

    enabled = Bool(help="Store a state after every cell. Off, the kernel is plain ipykernel. [KISHU_ENABLED]").tag(
        config=True
    )
    store_dir = Unicode(
        help="Directory of the stores, one for each notebook. Empty: in Jupyter's data directory. [KISHU_STORE_DIR]"
    ).tag(config=True)
    in_memory = Bool(False, help="Keep the history in memory only; it ends with the kernel.").tag(config=True)
    notebook = Unicode(help="Path of the notebook, for frontends that do not tell it. [KISHU_NOTEBOOK]").tag(
        config=True
    )
    tracker = Enum(
        ("code", "namespace", "all"),
        "code",
        help="How to learn what a cell may have touched. code: from its code. namespace: by the patched namespace of "
        "the Kishu paper, which slows cells down. all: every cell may have touched everything.",
    ).tag(config=True)
    output_limit = Int(1_000_000, help="Bytes of outputs stored with each state.").tag(config=True)
    store_limit = Int(
        None,
        allow_none=True,
        help="Bytes that the store of a notebook may occupy; above that, values of old states are dropped, not their "
        "code. Default: 20 GB, or a tenth of the free disk where that is less. 0: no limit.",
    ).tag(config=True)
    total_limit = Int(
        min=0,
        help="Bytes that all stores of a user may occupy. Above that, those go that kernels without a notebook have "
        "left, and the store of this notebook has less room. 0: no limit. [KISHU_TOTAL_LIMIT]",
    ).tag(config=True)
    keep = Unicode(
        help="Whether the history of a kernel without a notebook (nbclient, papermill, nbconvert, voila) stays when it "
        "ends: 'never', 'on failure' (of a cell, or where a person was there) or 'always'. What has a name in it "
        "stays. Default: on failure. [KISHU_KEEP]",
    ).tag(config=True)
    max_age = Float(
        min=0.0,
        help="Days since it was last used, after which the history of a kernel without a notebook goes, unless "
        "something in it has a name. Default: 30. 0: it stays. [KISHU_MAX_AGE]",
    ).tag(config=True)
    version_limit = Int(
        0, help="Bytes that one stored value may have; larger ones are re-run instead. 0: no limit."
    ).tag(config=True)
    exclude = List(
        Unicode(), help="Patterns on names of variables that are not stored, like tmp_*: they are re-run instead."
    ).tag(config=True)
    exclude_types = List(
        Unicode(), help="Patterns on types that are not stored, like torch.Tensor: they are re-run instead."
    ).tag(config=True)
    secrets = List(
        Unicode(),
        help="Patterns on names of variables whose values are never stored, nor shown in states, like *password*: they "
        "are re-run instead. In any case; !tokenizer* is an exception. [KISHU_SECRETS, with commas]",
    ).tag(config=True)
    secret_environment = List(
        Unicode(),
        help="The same for environment variables: what the notebook sets of these is not stored. By default those that "
        "keys, tokens and passwords are kept in, and AWS_*. [KISHU_SECRET_ENVIRONMENT, with commas]",
    ).tag(config=True)
    signing = Enum(
        ("", "off", "on", "strict"),
        "",
        help="Whose histories are loaded. off: your own, and what you accepted. on: also those of people whose keys "
        "you trust, and what you write is signed so that they can trust it. strict: nothing that was only accepted. "
        "Default: on where you have such a key (`jupyter kishu keys`). [KISHU_SIGNING]",
    ).tag(config=True)
    trusted_keys = List(
        Unicode(),
        help="Public keys of people who are trusted, beside those of `jupyter kishu trust --key`: lines as of OpenSSH, "
        "or files of such lines. [KISHU_TRUSTED_KEYS, with commas]",
    ).tag(config=True)
    audit = Bool(
        True, help="Use pauses to look for changes that no cell's code shows, and to test whether stored values load."
    ).tag(config=True)
    effects = Bool(
        True,
        help="Record the side effects of cells on files, the network and processes, to warn before they are re-run. "
        "It makes each call of id(), and so copy.deepcopy, 0.1 microseconds slower. Off, stored values are not "
        "tested either.",
    ).tag(config=True)
    network_store = Bool(
        False, help="Keep the store on a network file system, where LMDB is not safe, instead of a local disk."
    ).tag(config=True)
    auto_resume = Bool(
        help="Begin where the last session of the notebook ended. Cells are re-run for it only where they call "
        "themselves deterministic and have no side effects; what others would have to be re-run for is listed, and "
        "stays away. [KISHU_AUTO_RESUME]"
    ).tag(config=True)
    remote = Unicode(
        help="Where the notebook's history is pushed to in pauses, and brought from where there is none here: "
        "s3://BUCKET/PATH (also gs://, az://, file://), the place of many notebooks. Needs the extra `remote`. "
        "[KISHU_REMOTE]"
    ).tag(config=True)
    remote_recipients = List(
        Unicode(),
        help="Public age keys (age1...): what is pushed is encrypted, so that only these and yours can read it. Needs "
        "the extra `team`. [KISHU_REMOTE_RECIPIENTS, with commas]",
    ).tag(config=True)
    start_at = Unicode(
        help="Begin in this state, STORE@TARGET, and go on from there on a branch of its own. STORE is a notebook, a "
        "store or its directory; TARGET an id, a branch, a tag, HEAD, In[3]. Cells without side effects are re-run for "
        "it; what else cannot be loaded is told, and stays away. [KISHU_START_AT]"
    ).tag(config=True)
    end_timeout = Float(
        min=0.0,
        help="Seconds that writing may take when the kernel is asked to end (a shutdown, SIGTERM, SIGHUP). What is not "
        "written by then is re-run, or listed as lost. Default: 10. [KISHU_END_TIMEOUT]",
    ).tag(config=True)

    @default("end_timeout")
    def _default_end_timeout(self) -> float:
        return _environment_number("KISHU_END_TIMEOUT", END_TIMEOUT)

    @default("total_limit")
    def _default_total_limit(self) -> int:
        return int(_environment_number("KISHU_TOTAL_LIMIT", 0.0))

    @default("max_age")
    def _default_max_age(self) -> float:
        return _environment_number("KISHU_MAX_AGE", MAX_AGE / DAY)

    @default("keep")
    def _default_keep(self) -> str:
        told = _policy(os.environ.get("KISHU_KEEP", ""))
        return told if told in get_args(Keep) else "on failure"

    @validate("keep")
    def _checked_keep(self, proposal: dict[str, str]) -> str:
        told = _policy(proposal["value"])
        if told not in get_args(Keep):
            raise TraitError(f"keep is 'never', 'on failure' or 'always', and not {proposal['value']!r}")
        return told

    @default("secrets")
    def _default_secrets(self) -> list[str]:
        return _environment_list("KISHU_SECRETS", ())

    @default("secret_environment")
    def _default_secret_environment(self) -> list[str]:
        return _environment_list("KISHU_SECRET_ENVIRONMENT", ENVIRONMENT)

    @default("enabled")
    def _default_enabled(self) -> bool:
        return _environment_flag("KISHU_ENABLED", "1")

    @default("auto_resume")
    def _default_auto_resume(self) -> bool:
        return _environment_flag("KISHU_AUTO_RESUME", "0")

    @default("remote")
    def _default_remote(self) -> str:
        return os.environ.get("KISHU_REMOTE", "")

    @default("remote_recipients")
    def _default_remote_recipients(self) -> list[str]:
        told = os.environ.get("KISHU_REMOTE_RECIPIENTS", "").strip()
        return _environment_list("KISHU_REMOTE_RECIPIENTS", ()) or ([""] if told else [])  # "," is an error, not none

    @default("start_at")
    def _default_start_at(self) -> str:
        return os.environ.pop("KISHU_START_AT", "")  # not for kernels that a cell starts

    @default("store_dir")
    def _default_store_dir(self) -> str:
        return os.environ.get("KISHU_STORE_DIR", "")

    @default("notebook")
    def _default_notebook(self) -> str:
        return os.environ.get("KISHU_NOTEBOOK") or elsewhere.told() or ""

    def settings(self) -> Settings:
        """Returns the options as one value."""
        return Settings(
            where=StoreLocation(
                Path(self.store_dir).expanduser() if self.store_dir else None,
                self.network_store,
                self.store_limit,
                self.total_limit or None,
                self.max_age * DAY or None,
                self.signing,
                tuple(self.trusted_keys),
            ),
            in_memory=self.in_memory,
            tracker=cast(TrackerKind, self.tracker),
            notebook=self.notebook or None,
            output_limit=self.output_limit,
            rules=KeepRules(
                tuple(self.exclude), tuple(self.exclude_types), self.version_limit or None, tuple(self.secrets)
            ),
            secret_environment=tuple(self.secret_environment),
            auto_resume=self.auto_resume,
            remote=self.remote,
            remote_recipients=tuple(self.remote_recipients),
            start_at=self.start_at or None,
            audit=self.audit,
            effects=self.effects,
            end_timeout=self.end_timeout,
            keep=cast(Keep, self.keep),
            forks=KishuForks(parent=self).rules(),
        )


def _environment_number(variable: str, default: float) -> float:
    try:
        return max(0.0, float(os.environ.get(variable, "")))
    except ValueError:
        return default


def _environment_list(variable: str, default: Iterable[str]) -> list[str]:
    told = os.environ.get(variable)
    return list(default) if told is None else [each.strip() for each in told.split(",") if each.strip()]


def _policy(told: str) -> str:
    return told.strip().lower().replace("-", " ").replace("_", " ")


def _environment_flag(variable: str, default: str) -> bool:
    return os.environ.get(variable, default).lower() not in ("0", "false", "no", "off", "")
