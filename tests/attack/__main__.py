"""`scripts/attack [NAME ...] [--quick] [--seed N]`: runs attacks, and writes what came out into the results.

Without names all of them, whole. The exit status is 1 where one has done harm.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests import attack

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "attack.json"
_MARKED = re.compile(r"(<!-- attacks -->\n).*(<!-- /attacks -->)", re.DOTALL)


def names() -> list[str]:
    """All attacks that there are."""
    modules = (each.name for each in pkgutil.iter_modules(attack.__path__) if not each.name.startswith("_"))
    return sorted(name for name in modules if hasattr(importlib.import_module(f"tests.attack.{name}"), "TIMES"))


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results, for a page."""
    lines = ["| attack | tries | harm | how they ended | minutes |", "| --- | ---: | ---: | --- | ---: |"]
    for name, each in sorted(results.items()):
        told = ", ".join(f"{phrase}: {count}" for phrase, count in each["told"].items())
        lines.append(f"| {name} | {each['tried']} | {each['failed']} | {told} | {each['seconds'] / 60:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Runs what is named on the command line."""
    parser = argparse.ArgumentParser(prog="scripts/attack")
    parser.add_argument("names", nargs="*", choices=[*names(), []], metavar="NAME", help=", ".join(names()))
    parser.add_argument("--quick", action="store_true", help="as often as CI does it; results are not written")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    harm = False
    for name in asked.names or names():
        module = importlib.import_module(f"tests.attack.{name}")
        times = module.TIMES.quick if asked.quick else module.TIMES.whole
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="kishu-attack-") as work:
            tally = module.attack(times, asked.seed, Path(work))
        seconds = time.monotonic() - started
        print(f"{name}: {tally.tried} tries, {len(tally.failed)} did harm, {seconds:.0f} s; {tally.told}")
        for sentence in tally.failed:
            print(f"  {sentence}")
        harm = harm or bool(tally.failed)
        told = dict(sorted(tally.told.items()))
        results[name] = {"tried": tally.tried, "failed": len(tally.failed), "told": told, "seconds": round(seconds)}
    if not asked.quick:
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        page = ROOT / "docs" / "explanation" / "figures.md"
        page.write_text(_MARKED.sub(lambda found: found[1] + table(results) + found[2], page.read_text()))
    return int(harm)


if __name__ == "__main__":
    sys.exit(main())
