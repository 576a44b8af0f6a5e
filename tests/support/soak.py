"""What is tried few times in the default run is tried many times in a soak, which `scripts/test --soak` runs.

Both are the same test: the law that it holds is never in the soak alone. `scripts/test --all` runs both at once, and a
property only once, with the examples of the soak.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_EXAMPLES = {"short": 25, "soak": 200}
"""Of a property that does not say how many."""


def often(few: int, many: int) -> pytest.MarkDecorator:
    """Gives a test its `times`: `few`, and as a soak `many`."""
    return each("times", (few, many), 1)


def seeds(few: int, many: int) -> pytest.MarkDecorator:
    """Gives a test each `seed` below `many`; from `few` on as a soak."""
    return each("seed", range(many), few)


def each(name: str, values: Sequence[Any], few: int) -> pytest.MarkDecorator:
    """Gives a test each of the values under a name; those after the first `few` as a soak."""
    later = [pytest.param(value, marks=pytest.mark.soak) for value in values[few:]]
    return pytest.mark.parametrize(name, [*values[:few], *later])


def prepare(config: pytest.Config) -> bool:
    """Sets how many examples a property is tried with. Whether this run is a soak alone."""
    which = config.option.markexpr
    for name, number in _EXAMPLES.items():
        # how long a machine takes to make examples is no matter of tests
        settings.register_profile(name, max_examples=number, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("soak" if which in ("soak", "") else "short")
    return bool(which == "soak")


def properties(items: list[pytest.Item]) -> None:
    """In a soak, properties are tried again, with more examples."""
    for item in items:
        if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.soak)
