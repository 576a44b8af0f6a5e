"""Classes of a module that lies beside the notebook are the user's as well: their ways of pickling are not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel

from .driving import thought

HELPER = """
import collections
class Closes:
    def __init__(self): self.v = [1]; self.n = 0; self.f = open('held.txt', 'a')
    def __getstate__(self): self.n += 1; self.f.close(); open('asked.txt', 'a').write('g'); print('saving'); return {}
    def __setstate__(self, state): open('asked.txt', 'a').write('s')
class Reduces:
    def __init__(self): self.v = [1]; self.n = 0
    def __reduce__(self): self.n += 1; print('saving'); return Reduces, ()
class Listed(list):
    def __init__(self): self.v = [1]; self.n = 0
    def __reduce_ex__(self, protocol): self.n += 1; print('saving'); return Listed, ()
class Counted(collections.OrderedDict):
    def __init__(self): super().__init__(a=1); self.v = [1]; self.n = 0
    def __getstate__(self): self.n += 1; print('saving'); return None
class Slots:
    __slots__ = ('v', 'n')
    def __init__(self): self.v = [1]; self.n = 0
    def __getnewargs__(self): self.n += 1; print('saving'); return ()
"""


@pytest.mark.parametrize("kind", ["Closes", "Reduces", "Listed", "Counted", "Slots"])
@pytest.mark.parametrize("where", ["beside", "added"])
def test_its_code_does_not_run(start: Start, tmp_path: Path, kind: str, where: str) -> None:
    place = tmp_path if where == "beside" else tmp_path / "src"
    place.mkdir(exist_ok=True)
    (place / "helper.py").write_text(HELPER)
    kernel: Kernel = start()
    if where == "added":
        kernel.ok(f"import sys; sys.path.append({str(place)!r})")
    assert kernel.ok(f"import helper\na = helper.{kind}()").text == ""
    thought(kernel)
    assert kernel.ok("a.v.append(2)").text == ""
    thought(kernel)
    kernel.done("diff", target="HEAD~1")
    assert kernel.value("(a.v, a.n)") == ([1, 2], 0)
    assert not kernel.value("getattr(getattr(a, 'f', None), 'closed', False)")
    kernel.done("undo")
    assert kernel.value("(a.v, a.n)") == ([1], 0)
    kernel.done("redo")
    assert kernel.value("(a.v, a.n)") == ([1, 2], 0)
    assert not (tmp_path / "asked.txt").exists()
