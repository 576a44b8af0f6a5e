"""The cells of the second store of `make_streams_v3.py`: what calls names that are newer than the first one.

Law: no line of it is changed, as the store that it made is not made again.
"""

from __future__ import annotations

MODULES = {
    "streams_shop": '''
"""One of the user's own modules, as it was when it was imported."""


class Shelf:
    """Defined by the module."""


def price(pounds):
    """Defined by the module, too."""
    return 2 * pounds


rate = 3
spare = 4
'''
}
"""The user's own modules: their names, and their source."""

ALL = (
    """
import array, concurrent.futures, functools, logging, multiprocessing, threading
import numpy as np
import streams_shop, traitlets
""",
    """
def double(n):
    return 2 * n
""",
    """
@functools.lru_cache(maxsize=4)
def cube(n, *, base=3):
    return n ** base
cubes = [cube(2), cube(2), cube(3, base=2)]
cube.tag = "of the function"
""",
    """
class Cart:
    names = ["cart"]
    def total(self):
        return 7
    @classmethod
    def named(cls):
        return cls.names
class Trolley(Cart):
    def total(self):
        return 8
cart = Trolley()
methods = [cart.total, Cart.named]
above = super(Trolley, cart)
bare = super(Trolley)
""",
    """
class Borg:
    shared = {}
    def __init__(self, state):
        self.__dict__ = state
common = {"level": 3}
borgs = [Borg(common), Borg(common)]
""",
    """
root = ["of both"]
hiding = __import__("loan").Hiding(root)
""",
    """
raw = bytearray(range(8))
over_raw = np.frombuffer(raw, "u1", 4, 2)
numbers = array.array("d", [1.5, 2.5])
over_numbers = np.frombuffer(numbers)
""",
    """
whole = np.arange(6.0).reshape(2, 3)
matrix = whole.view(np.matrix)
matrix.unit = "m"
""",
    """
waiting = threading.Thread(target=double, args=(4,), name="waiting", daemon=True)
ended = threading.Thread(target=double, args=(5,), name="ended")
ended.start(); ended.join()
""",
    """
process = multiprocessing.Process(target=divmod, args=(6, 4), name="process", daemon=True)
""",
    """
executor = concurrent.futures.ThreadPoolExecutor(2, "workers")
future = executor.submit(double, 21)
answer = future.result()
executor.shutdown()
idle = concurrent.futures.ThreadPoolExecutor(3, "idle")
""",
    """
class Kept(logging.Handler):
    def __init__(self):
        super().__init__(logging.INFO)
        self.lines = []
    def emit(self, record):
        self.lines.append(record.getMessage())
handler = logging.StreamHandler()
handler.setLevel(logging.ERROR)
kept = Kept()
kept.lines.append("before")
""",
    """
class Dial(traitlets.HasTraits):
    turns = traitlets.Int(1)
    seen = traitlets.List()
    @traitlets.observe("turns")
    def _turned(self, change):
        self.seen = [*self.seen, change["new"]]
dial, noted = Dial(), []
dial.observe(lambda change: noted.append(change["new"]), "turns")
dial.turns = 2
""",
    """
shelf, priced = streams_shop.Shelf(), streams_shop.price
del streams_shop.spare
streams_shop.rate = 30
streams_shop.price = lambda pounds: 0
""",
)
