"""What is counted as old is collected in time, and the user's own use of the collector stays theirs.

In processes of their own: pytest's has frozen what there was before the first test.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

LOADED = """
import gc
from kishu_kernel.process.python_gc import collector_paused, count_as_old

class Node:
    alive = 0
    def __init__(self):
        self.me = self
        Node.alive += 1
    def __del__(self):
        Node.alive -= 1

def load():
    with collector_paused():
        made = [Node() for _ in range(20_000)]
        count_as_old()
    return made

def oldest():
    return sum(type(each) is Node for each in gc.get_objects(generation=2))
"""


def ran(code: str) -> str:
    program = LOADED + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def test_what_a_load_has_made_is_old_at_once() -> None:
    assert ran("x = load(); print(oldest())") == "20000"


def test_what_a_kernel_begins_with_is_old_and_the_collector_as_it_was() -> None:
    code = """
    from kishu_kernel.process.python_gc import making_what_stays
    with making_what_stays():
        made, paused = [Node() for _ in range(2_000)], not gc.isenabled()
    print(oldest(), paused, gc.isenabled(), gc.get_freeze_count() < 1000)
    gc.disable()
    with making_what_stays():
        made += [Node()]
    print(oldest(), gc.isenabled())
    """
    assert ran(code).splitlines() == ["2000 True True True", "2000 False"]


def test_what_is_loaded_again_and_again_and_dropped_in_cycles_does_not_pile_up() -> None:
    most = int(ran("most = 0\nfor _ in range(60):\n    x = load(); most = max(most, Node.alive)\nprint(most)"))
    assert most < 30 * 20_000


def test_what_is_loaded_again_and_again_and_takes_the_place_of_the_last_is_old_each_time() -> None:
    code = """
    Node.__init__ = lambda self: setattr(Node, "alive", Node.alive + 1)  # no cycle
    old = []
    for _ in range(60):
        x = load()
        old.append(oldest())
    print(min(old), Node.alive)
    """
    assert ran(code) == "20000 20000"


def test_what_is_new_is_found_whatever_else_is_freed_meanwhile() -> None:
    code = """
    from kishu_kernel.process.python_gc import NewObjects
    gc.disable()
    before = [Node() for _ in range(1000)]
    for each in before:
        each.me = None
    new = NewObjects()
    made = [Node() for _ in range(100)]
    del before[::2]
    also = [Node()]
    found = [each for each in new.found() if type(each) is Node]
    print(found == made + also)
    gc.collect()
    print(new.found())
    """
    assert ran(code) == "True\n[]"


@pytest.mark.parametrize(
    ("before", "expected"),
    [("old = [[] for _ in range(20_000)]; gc.freeze(); frozen = gc.get_freeze_count()", True), ("gc.disable()", 0)],
    ids=["frozen", "disabled"],
)
def test_who_uses_the_collector_by_hand_is_left_alone(before: str, expected: object) -> None:
    after = "gc.get_freeze_count() == frozen" if "freeze" in before else "oldest()"
    assert ran(f"{before}\nx = load()\nprint({after})") == str(expected)
