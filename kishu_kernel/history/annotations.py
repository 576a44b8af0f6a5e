"""What a cell says of itself in a comment: `# kishu: deterministic`, `# kishu: no-replay`.

- `deterministic`: its results depend only on the variables that it reads. It may be re-run instead of stored, if that
  is quicker (the paper's Det-replay, 7.1, with the cost that the paper left to future work).
- `no-replay`: it is never to be re-run; results that cannot be stored are lost.
"""

from __future__ import annotations

from kishu_kernel.model.pattern import pattern

DETERMINISTIC = "deterministic"
NO_REPLAY = "no-replay"

_COMMENT = pattern(r"(?m)^[ \t]*#[ \t]*kishu:(.*)$")


def cell_annotations(code: str) -> frozenset[str]:
    """The words of a cell's annotations, known ones or not."""
    if "kishu:" not in code:
        return frozenset()
    return frozenset(word for words in _COMMENT.findall(code) for word in words.replace(",", " ").split())
