"""Numbers as they are read: three digits, a unit that fits, and nothing of this machine in what systems said."""

from __future__ import annotations

import html
import math
import re

PATH = re.compile(r"(?<![\w<])~?(?:/[\w.+@=-]+){2,}/?")
ADDRESS = re.compile(r"\b\w+://\S+")


def size(amount: float) -> str:
    """Bytes, in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(amount) < 999.5:
            return f"{_digits(amount)} {unit}"
        amount /= 1000
    return f"{_digits(amount)} TB"


def duration(amount: float) -> str:
    """Seconds; milliseconds where they are few."""
    if abs(amount) >= 0.9995:
        return f"{_digits(amount)} s"
    return f"{_digits(round(amount * 1000, 2))} ms"  # what is less is no measurement


def times(ratio: float) -> str:
    """So many times as much."""
    return f"{_digits(ratio, 2)} x"


def slowdown(ratio: float) -> str:
    """A ratio near one."""
    return f"{_digits(round(ratio, 3), 4)} x" if ratio < 2 else times(ratio)


def percent(ratio: float) -> str:
    """A share of something."""
    return f"{_digits(ratio * 100, 2)} %"


def fraction(ratio: float) -> str:
    """As a part of one, as goals are given: 1/4."""
    return f"1/{_digits(1 / ratio, 2)}" if 0 < ratio < 0.995 else _digits(ratio, 2)


def count(amount: float) -> str:
    """Of things."""
    return f"{amount:,.0f}"


def said(text: str, length: int = 240) -> str:
    """A system's own words, safe in a table: one line, no markup, no directory and no address in it."""
    text = PATH.sub(lambda found: found[0].rstrip("/").rsplit("/", 1)[-1], ADDRESS.sub("(address)", text))
    text = " ".join(text.split())
    if len(text) > length:
        text = text[: length - 1].rstrip() + "…"
    return re.sub(r"([|`*_\[\]\\])", r"\\\1", html.escape(text, quote=False))


def listed(names: list[str], most: int = 6) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _digits(amount: float, digits: int = 3) -> str:
    """As many digits as say something."""
    if amount == 0:
        return "0"
    if math.isinf(amount):  # a session that failed, or whose time was up
        return "∞"
    after = digits - 1 - math.floor(math.log10(abs(amount)))
    rounded = round(amount, after)
    after = digits - 1 - math.floor(math.log10(abs(rounded)))  # 9.99 became 10
    text = f"{rounded:,.{max(after, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
