"""The cells of the third store of `make_streams_v3.py`: what calls names that are newer than the second one.

Law: no line of it is changed, as the store that it made is not made again.
"""

from __future__ import annotations

ALL = (
    """
backwards = reversed([1, 2])
letters = iter("ab")
calls = iter([].__len__, 0)
at_end = [[*backwards], [*letters], [*calls]]
""",
)
