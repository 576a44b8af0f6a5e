"""Reductions that the native module works out itself: those that only change some attributes, as of many artists.

A library's file notes the rule at its function (`with_rule`), which stays, and is asked where the rule does not hold.
Law: what a rule gives is what the function gives.
Neighbours: `reducers` hands a rule on with the entry of its type; the walk and the codec ask `rule_of` once a type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar


class Rule(NamedTuple):
    """An instance is made empty, and gets its attributes, but for some.

    Attributes:
        empty: the attribute that must be an empty dictionary; else the rule says nothing.
        instead: what others have in the state. The instance must have them all. A dictionary is copied each time.
        last: the one of these that comes last.
    """

    empty: str
    instead: Mapping[str, Any]
    last: str


RuleOf = Callable[[type], Rule | None]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def with_rule(rule: RuleOf) -> Callable[[_Function], _Function]:
    """Notes at a function how the native module does the same; `rule` says for which types it does at present."""

    def noted(function: _Function) -> _Function:
        vars(function)["native_rule"] = rule
        return function

    return noted


def with_rule_of(other: Any, function: _Function) -> _Function:
    """Notes at a function that calls another one what was noted there."""
    rule = noted_at(other)
    return function if rule is None else with_rule(rule)(function)


def noted_at(function: Any) -> RuleOf | None:
    """What was noted at a function."""
    rule: RuleOf | None = getattr(function, "native_rule", None)
    return rule


def rule_of(entry: Any, kind: type) -> Rule | None:
    """The rule by which instances of a type come apart; None where the entry of the type is to be asked."""
    rule = noted_at(entry)
    return None if rule is None else rule(kind)
