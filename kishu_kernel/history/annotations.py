"""What a cell says of itself in a comment: `# kishu: deterministic`, `# kishu: no-replay`.

- `deterministic`: what it leaves follows from the variables that it reads. It may be re-run instead of stored, where
  that is quicker (the paper's Det-replay, 7.1, with the cost that it left to future work).
- `no-replay`: it is never to be re-run; what of it cannot be stored is lost.
"""

from __future__ import annotations

import re

DETERMINISTIC = "deterministic"
NO_REPLAY = "no-replay"

_COMMENT = re.compile(r"(?m)^[ \t]*#[ \t]*kishu:(.*)$")


def cell_annotations(code: str) -> frozenset[str]:
    """The words of a cell's annotations, known or not."""
    if "kishu:" not in code:
        return frozenset()
    return frozenset(word for words in _COMMENT.findall(code) for word in words.replace(",", " ").split())
