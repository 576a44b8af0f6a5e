"""Scratch."""

import sys, json, tempfile
from pathlib import Path
from matrix.driving import drive
from matrix.entry import entries_of
from matrix.verdicts import verdict

only = sys.argv[3:]
entries = [e for e in entries_of(sys.argv[1]) if not only or any(o in e.name or o == e.library for o in only)]
from collections import Counter

counts = Counter()


def heard(r):
    v = verdict(r)
    bad = v.result != "success" or not v.exactly
    counts[v.result] += 1
    counts[v.undone + "/" + v.fresh] += 1
    if bad or only:
        print(
            f"{r['name']:40} {v.result:15} {v.undone:10} {v.fresh:10} {r['seconds']} {v.reason[:200] if bad else ''}",
            flush=True,
        )
    if bad and only:
        print(json.dumps(r, indent=1))


for r in drive(entries, Path(tempfile.mkdtemp()), sys.argv[2], heard):
    pass
print(dict(counts))
