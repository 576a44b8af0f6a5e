"""What a request may say: parameters, their kinds, and the check that comes before anything is done.

Law: a request is checked whole. No string of a request is ever evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.protocol.content import Json

_REQUIRED: Any = object()
_NAMED = 20
"""Names that a sentence lists at most."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a request may say under one key.

    Attributes:
        default: `_REQUIRED` where there is none.
        least: the smallest number allowed.
    """

    kind: type
    default: Any = _REQUIRED
    least: int | None = None
    choices: tuple[str, ...] = ()
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what it takes, and whether it changes anything.

    Attributes:
        patience: seconds that looking waits for what is still being written; what changes something waits longer.
    """

    answer: Callable[..., Json]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    changes: bool = True
    patience: float = 2.0


def checked(content: Any, operations: Mapping[str, Operation]) -> tuple[str, Operation, dict[str, Any]]:
    """The operation and all of its arguments, defaults filled in. Raises `RequestError`."""
    if not isinstance(content, dict):
        raise RequestError("the content of a kishu_request must be an object with an 'operation'")
    name = content.get("operation")
    if not isinstance(name, str) or name not in operations:
        raise RequestError(f"unknown operation {name!r}: {nearest(str(name), operations)}")
    operation = operations[name]
    unknown = sorted(str(key) for key in content if key != "operation" and key not in operation.parameters)
    if unknown:
        takes = ", ".join(operation.parameters) or "no parameters"
        raise RequestError(f"{name} does not know {', '.join(map(repr, unknown))}: it takes {takes}")
    arguments = {}
    for key, parameter in operation.parameters.items():
        if key not in content and parameter.default is _REQUIRED:
            raise RequestError(f"{name} needs {key!r}")
        arguments[key] = content.get(key, parameter.default)
        if key in content:
            _check(name, key, content[key], parameter)
    return name, operation, arguments


def nearest(meant: str, there: Mapping[str, Any]) -> str:
    """The end of a sentence about a name that is not there: what may have been meant, else what there is."""
    close = get_close_matches(meant, there, 1)
    if close:
        return f"did you mean {close[0]!r}?"
    named = list(there)
    return f"there are {', '.join(named[:_NAMED])}" + (
        f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    )


def _check(name: str, key: str, value: Any, parameter: Parameter) -> None:
    if value is None and parameter.nullable:
        return
    kind: type = type(value)
    if kind is not parameter.kind:  # true is no whole number
        wanted = {str: "a string", int: "a whole number", bool: "true or false"}[parameter.kind]
        raise RequestError(f"{key!r} of {name} must be {wanted}, not {kind.__name__}")
    if parameter.least is not None and value < parameter.least:
        raise RequestError(f"{key!r} of {name} must be at least {parameter.least}")
    if parameter.choices and value not in parameter.choices:
        raise RequestError(f"{key!r} of {name} must be one of {', '.join(parameter.choices)}")
