"""The benchmarks are not in the source distribution: there, nothing of this is tested."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

if not (ROOT / "benchmarks").is_dir():
    collect_ignore_glob = ["test_*.py"]
