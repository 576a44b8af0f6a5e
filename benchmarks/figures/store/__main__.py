"""`python -m benchmarks.figures.store`: all of it, kept; `python -m benchmarks.store PART ...`: parts, printed only."""

import sys

from benchmarks.figures.run import main, markdown
from benchmarks.figures.store import PARTS

if not sys.argv[1:]:
    raise SystemExit(main(["store"]))
for part in sys.argv[1:]:
    print(markdown(list(PARTS[part].measure().figures)))
