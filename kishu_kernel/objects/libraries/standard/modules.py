"""Smaller modules of the standard library: what their objects do not tell of themselves."""

from __future__ import annotations

import contextlib
import operator
import sys
from typing import Any

from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.library_globals import ModuleAttribute


def _match(match: Any) -> Reduction:
    for way in ("match", "search", "fullmatch"):
        again = operator.methodcaller(way, match.string, match.pos, match.endpos)
        if (found := again(match.re)) is not None and found.regs == match.regs:
            return again, (match.re,)
    raise TypeError("one of several matches cannot be stored")


def _found(match: Any) -> tuple[Any, ...]:
    return match.re, match.string, match.pos, match.endpos, match.regs


class Patterns(Library):
    """A match that is the first one is found again."""

    packages = ("re",)
    exact_reductions = {"re.Match": _match}
    visible_state = {"re.Match": _found}


class Struct(Library):
    """All that a struct is is its format."""

    packages = ("_struct",)
    exact_reductions = {"_struct.Struct": lambda struct: (type(struct), (struct.format,))}


class Random(Library):
    """The generator of the system has no state."""

    packages = ("random",)
    reductions = {"random.SystemRandom": lambda generator: (type(generator), ())}


def _digest(hasher: Any) -> tuple[Any, ...]:
    with contextlib.suppress(TypeError):
        return hasher.name, hasher.digest()
    return hasher.name, hasher.digest(64)  # of those that can be as long as one likes


class Hashes(Library):
    """What a hash was given so far can be seen, and not be put into another one."""

    packages = ("_hashlib", "_blake2")
    visible_state = dict.fromkeys(("_hashlib.HASH", "_hashlib.HASHXOF", "_hashlib.HMAC"), _digest) | dict.fromkeys(
        ("_blake2.blake2b", "_blake2.blake2s"), _digest
    )


def _of_parser(obj: Any) -> Reduction:
    # `argparse.SUPPRESS` is a string that is known by its identity: a copy of it is a default like any other.
    make, arguments, state, *rest = obj.__reduce_ex__(5)
    if type(state) is not dict:
        return NotImplemented
    marker = sys.modules["argparse"].SUPPRESS
    known = {name: ModuleAttribute("argparse", "SUPPRESS") for name, value in state.items() if value is marker}
    return make, arguments, {**state, **known}, *rest


class Argparse(Library):
    """Parsers and what they consist of."""

    packages = ("argparse",)
    reductions = {"argparse.Action": _of_parser, "argparse._ActionsContainer": _of_parser}


def _fraction(fraction: Any) -> Reduction:
    # As from Python 3.11 on. Before, it is written in digits, which for large ones is slow, or refused.
    return type(fraction), (fraction._numerator, fraction._denominator)


class Values(Library):
    """They tell in a way of their own what they are, and nothing is missing."""

    packages = ("collections", "dataclasses", "fractions", "kishu_kernel", "pathlib", "random", "uuid")
    whole = {"collections.*", "dataclasses.*", "fractions.*", "kishu_kernel.*", "pathlib.*", "random.*", "uuid.*"}
    exact_reductions = {"fractions.Fraction": _fraction}
