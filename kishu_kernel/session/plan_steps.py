"""What is asked of the steps of a plan while it is carried out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from kishu_kernel.errors import LoadError
from kishu_kernel.model import LoadStep, Plan, Version
from kishu_kernel.session.rerun import for_user


def sources(plan: Plan) -> dict[Version, str]:
    """Where each version of a plan's target comes from: it stays, is loaded, or a cell gives it."""
    return {
        **dict.fromkeys(plan.keep, "stays"),
        **{step.version: "loaded" for step in plan.load},
        **{version: f"given by {step.checkpoint}" for step in plan.replay for version in for_user(step)},
    }


def that_need(versions: Collection[Version], steps: Sequence[LoadStep]) -> list[LoadStep]:
    """The loads that refer to a class that one of these versions holds, or that another such load does."""
    names = {name for version in versions for name in version.names}
    found = []
    for step in steps:  # who refers to a class comes after it
        if not names.isdisjoint(step.classes.values()):
            found.append(step)
            names.update(step.version.names)
    return found


def classes_for(step: LoadStep, bound: Mapping[str, Any]) -> dict[bytes, type]:
    """The classes that a version refers to, by their tokens. Of one that is lost it gets what its payload holds."""
    found = {bytes.fromhex(token): bound[name] for token, name in step.classes.items() if name in bound}
    for token, cls in found.items():
        if not issubclass(type(cls), type):
            raise LoadError(f"{', '.join(step.version.names)}: {step.classes[token.hex()]} is no class any more")
    return found
