"""What the user does not want to be stored: rules on names, types and sizes. Values that they refuse are re-run.

Names and types are checked before anything is encoded, the size when it is known. Law: a rule runs none of the user's
code, imports nothing and never raises.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from kishu_kernel.model import Names
from kishu_kernel.model.amounts import size
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.secret_names import is_secret

_TEXTS = frozenset({str, bytes})

_mro = type.__dict__["__mro__"].__get__
_module = type.__dict__["__module__"].__get__
_qualified = type.__dict__["__qualname__"].__get__


@dataclass(frozen=True, slots=True)
class KeepRules:
    """The rules.

    Attributes:
        exclude: patterns (`*`, `?`, `[...]`) on names of variables.
        exclude_types: patterns on `module.QualName`, as in `pandas.DataFrame`, `torch.*`; builtins and classes of
            the notebook go by their bare names. Subclasses are excluded too.
        version_limit: bytes that one version may have; None: no limit.
        secrets: patterns on names of variables whose values are never stored, nor shown in what is; in any case.
    """

    exclude: tuple[str, ...] = ()
    exclude_types: tuple[str, ...] = ()
    version_limit: int | None = None
    secrets: tuple[str, ...] = ()

    def refusal(self, names: Names, variables: Mapping[str, Any], payload_size: int | None = None) -> str | None:
        """Why a co-variable is not to be stored, as a clause for a person; None if it is.

        Its variables can only be stored together: if one is excluded, all are. Types are those of the objects
        that the names are bound to, not of what these contain.

        Args:
            payload_size: checks only the size; None: checks only names and types, before there is a payload.
        """
        if payload_size is not None:
            return self._too_large(payload_size)
        if not (self.secrets or self.exclude or self.exclude_types):  # of many small variables each is asked
            return None
        secret = self.secret_in(names, variables)
        if secret is not None:
            return "a secret, which is never stored" if names == (secret,) else f"the secret {secret} is never stored"
        for name in names:
            whose = "" if len(names) == 1 else f"{name}, which shares objects with it, is "
            for pattern in self.exclude:
                if fnmatchcase(name, pattern):
                    return f"{whose}excluded by the name pattern {pattern!r}"
            if self.exclude_types and name in variables:
                reason = self._excluded_type(type(variables[name]))
                if reason:
                    return ("" if len(names) == 1 else f"{name} shares objects with it and ") + reason
        return None

    def secret_in(self, names: Names, variables: Mapping[str, Any]) -> str | None:
        """The name of a secret that would be stored with a co-variable; None where it holds none.

        A text that is the same as a secret's is that secret, whatever its own name is: a result like `_3`, a copy.
        """
        if not self.secrets:
            return None
        found = next((name for name in names if is_secret(name, self.secrets)), None)
        if found is not None:
            return found
        texts = {each for name in names if type(each := variables.get(name)) in _TEXTS and each}
        others = (name for name, value in variables.items() if texts and type(value) in _TEXTS and value in texts)
        return next((name for name in others if is_secret(name, self.secrets)), None)

    def _excluded_type(self, kind: type) -> str | None:
        for each in _mro(kind)[:-1]:  # the last is `object`
            for spelled in _spellings(each):
                for pattern in self.exclude_types:
                    if fnmatchcase(spelled, pattern):
                        shown = spelled if each is kind else next(_spellings(kind))
                        by = "" if pattern == shown else f" by the type pattern {pattern!r}"
                        return f"its type {shown} is excluded{by}"
        return None

    def _too_large(self, payload_size: int) -> str | None:
        limit = self.version_limit
        if limit is None or payload_size <= limit:
            return None
        return f"its {size(payload_size)} are more than the limit of {size(limit)} for one version"


def _spellings(kind: type) -> Iterator[str]:
    """The names that a person may use for a type: the shortest first."""
    name = _qualified(kind)
    try:
        module = _module(kind)
    except AttributeError:  # a class can delete it
        module = None
    if not isinstance(module, str):  # or put anything there
        module = "?"
    if module in ("builtins", "__main__"):
        yield name
    root = module.partition(".")[0]
    if root != module:
        package = sys.modules.get(root)
        contents = vars(package) if type(package) is type(sys) else {}
        if contents.get(name) is kind:
            yield f"{root}.{name}"
    yield f"{module}.{name}"
