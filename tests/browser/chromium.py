"""The machine's own Chromium. Needs nothing to be imported."""

from __future__ import annotations

import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def path_of_browser() -> str | None:
    """Where it is; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


__all__ = ["ARGUMENTS", "BROWSERS", "path_of_browser"]
