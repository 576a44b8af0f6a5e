"""The cells of the fourth store of `make_streams_v3.py`: what calls names that are newer than the third one.

Law: no line of it is changed, as the store that it made is not made again.
"""

from __future__ import annotations

MODULES = {
    "streams_desk": '''
"""One of the user's own modules, whose functions hold what nobody can store."""

import zlib


def pack(text, press=zlib.compressobj()):
    """Defined by the module."""
    return press.copy().compress(text)
'''
}
"""The user's own modules: their names, and their source."""

ALL = (
    "import streams_desk",
    "press = streams_desk.pack.__defaults__[0]",
)
