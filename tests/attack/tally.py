"""How attacks ended."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Times:
    """How often an attack is done: in CI, and by `scripts/attack`."""

    quick: int
    whole: int


@dataclass
class Tally:
    """How the tries of one attack ended.

    Attributes:
        told: how many ended as they may, by what was told of them: a phrase for a person.
        failed: what went wrong, a sentence each that says how to repeat it.
    """

    tried: int = 0
    told: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def well(self, phrase: str) -> None:
        """One more try that ended as it may."""
        self.tried += 1
        self.told[phrase] = self.told.get(phrase, 0) + 1

    def wrong(self, sentence: str) -> None:
        """One more try that did harm."""
        self.tried += 1
        self.failed.append(sentence)
