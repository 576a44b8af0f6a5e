"""Loaded into our own kernel, next to the agent: how long detection takes, and how many co-variables there are.

Detection is what `RunningCells.begin` (what may this code touch?) and `Ledger.judge` (what of it has changed?) take:
fingerprints and links included; making payloads and writing them not.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from kishu_kernel.session.ledger import Ledger
from kishu_kernel.session.running_cells import RunningCells


class Probe:
    """What it noted. Told once: the next call begins anew."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self.ledger: Ledger | None = None
        self._around(RunningCells, "begin")
        self._around(Ledger, "judge")

    def tracking(self) -> list[tuple[float, float]]:
        """When detection was at work, by `time.perf_counter()`."""
        spans, self.spans = self.spans, []
        return spans

    def covariables(self) -> dict[str, int]:
        """Of the state at the last checkpoint."""
        state = self.ledger.state if self.ledger else {}
        return {"variables": sum(map(len, state)), "covariables": len(state)}

    def _around(self, kind: Any, name: str) -> None:
        original = getattr(kind, name)

        def timed(self_: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(self_, Ledger):
                self.ledger = self_
            began = time.perf_counter()
            try:
                return original(self_, *args, **kwargs)
            finally:
                self.spans.append((began, time.perf_counter()))

        setattr(kind, name, timed)


_probe = Probe()
_agent: Any = sys.modules["_kishu_benchmark_agent"].agent  # type: ignore[attr-defined]
_agent.tracking = _probe.tracking
_agent.covariables = _probe.covariables
