"""What in a page cannot be used by everybody, as axe-core sees it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

from playwright.sync_api import Page, expect

SERIOUS = ("serious", "critical")

_RUN = "parts => axe.run({ include: parts.map(each => [each]) }, { resultTypes: ['violations'] })"


def violations(page: Page, *parts: str) -> list[str]:
    """Serious ones, one line each. `parts`: selectors; the first one is waited for."""
    expect(page.locator(parts[0]).first).to_be_visible()
    if not page.evaluate("'axe' in window"):
        page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    there = [each for each in parts if page.locator(each).count()]
    return list(_lines(page.evaluate(_RUN, there)))


def _lines(found: Any) -> Iterator[str]:
    for rule in found["violations"]:
        if rule["impact"] in SERIOUS:
            for node in rule["nodes"]:
                reasons = "; ".join(each["message"] for each in [*node["any"], *node["all"], *node["none"]])
                yield f"{rule['id']}: {node['html'][:120]}: {reasons}"
