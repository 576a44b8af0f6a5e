"""The parameters of an operation, and the check of a request that comes before anything is done.

Law: a request is checked as a whole. No string of a request is ever evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.protocol.content import Json
from kishu_kernel.model.dataclass import dataclass, field

_REQUIRED: Any = object()
_KINDS = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}
_LONGEST_SHOWN = 60
_MAX_NAMES = 20
"""Names that a sentence lists at most."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation: a key of the request.

    Attributes:
        kind: the type of its value.
        default: its value where the request does not have it; `_REQUIRED`: the request must have it.
        least: the smallest number allowed.
        choices: the values allowed; none: all are.
        nullable: null is allowed.
        read: makes of a value what the operation takes. Raises ValueError, which says what it must be.
    """

    kind: type
    default: Any = _REQUIRED
    least: int | None = None
    choices: tuple[str, ...] = ()
    nullable: bool = False
    read: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the protocol.

    Attributes:
        answer: takes a `LiveOperations` and the arguments; returns the fields of the reply.
        parameters: what it takes, by name.
        changes: it changes the session, so that it must wait for its turn between cells.
        patience: seconds to wait for what is still being written; None: until it is.
    """

    answer: Callable[..., Json]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    changes: bool = True
    patience: float | None = None


def checked(content: Any, operations: Mapping[str, Operation]) -> tuple[str, Operation, dict[str, Any]]:
    """Checks the content of a request.

    Returns:
        The name of the operation, the operation, and all of its arguments, with defaults filled in.

    Raises:
        RequestError: it is not a request that can be answered; the sentence says why.
    """
    if not isinstance(content, dict):
        raise RequestError("the content of a kishu_request must be an object with an 'operation'")
    name = content.get("operation")
    if not isinstance(name, str) or name not in operations:
        called = repr(name) if len(repr(name)) <= _LONGEST_SHOWN else f"{repr(name)[:_LONGEST_SHOWN]}..."
        raise RequestError(f"unknown operation {called}: {nearest(str(name)[:_LONGEST_SHOWN], operations)}")
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
            arguments[key] = _checked(name, key, content[key], parameter)
    return name, operation, arguments


def nearest(name: str, known: Mapping[str, Any]) -> str:
    """Returns the end of a sentence about an unknown name: what may have been meant, else which names there are."""
    close = get_close_matches(name, known, 1)
    if close:
        return f"did you mean {close[0]!r}?"
    names = list(known)
    return f"there are {', '.join(names[:_MAX_NAMES])}" + (
        f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    )


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _checked(name: str, key: str, value: Any, parameter: Parameter) -> Any:
    if value is None and parameter.nullable:
        return None
    kind: type = type(value)
    if parameter.kind is float and kind is int:
        kind, value = float, _as_float(value)
    if kind is float and not math.isfinite(value):
        raise RequestError(f"{key!r} of {name} must be a finite number, not {value}")
    if kind is not parameter.kind:  # true is not a whole number, though Python says so
        wanted = _KINDS[parameter.kind]
        raise RequestError(f"{key!r} of {name} must be {wanted}, not {kind.__name__}")
    if parameter.least is not None and value < parameter.least:
        raise RequestError(f"{key!r} of {name} must be at least {parameter.least}")
    if parameter.choices and value not in parameter.choices:
        raise RequestError(f"{key!r} of {name} must be one of {', '.join(parameter.choices)}")
    if parameter.read is None:
        return value
    try:
        return parameter.read(value)
    except ValueError as error:
        raise RequestError(f"{key!r} of {name} must be {error}") from None
