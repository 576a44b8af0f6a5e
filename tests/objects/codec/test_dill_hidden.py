"""dill is used, and a notebook does not notice."""

from __future__ import annotations

import subprocess
import sys

HEAD = """
import logging, pickle, sys
from kishu_kernel.objects.codec.dill_hidden import lent
def state():
    modules = [name for name in sys.modules if name.startswith("dill")]
    return dict(pickle._Pickler.dispatch), set(logging.root.manager.loggerDict), modules
before = state()
"""


def by_itself(code: str) -> None:
    path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", HEAD + code], check=True, env=path)


def test_it_leaves_no_trace() -> None:
    by_itself("""
for _ in range(2):
    with lent() as dill:
        assert dill.loads(dill.dumps(lambda: 5))() == 5
    assert state() == before
""")


def test_an_error_leaves_none_either() -> None:
    by_itself("""
try:
    with lent():
        raise KeyboardInterrupt
except KeyboardInterrupt:
    assert state() == before
""")


def test_who_imports_it_later_gets_what_the_import_does() -> None:
    by_itself("""
with lent() as first:
    pass
import dill
assert dill is not first
assert state()[0].keys() > before[0].keys()
assert len(logging.getLogger("dill").handlers) == 1
with lent() as theirs:
    assert theirs is dill
assert "dill" in sys.modules
""")


def test_who_has_imported_it_keeps_it() -> None:
    by_itself("""
import dill
imported = state()
with lent() as theirs:
    assert theirs is dill
assert state() == imported
""")


def test_what_it_does_not_know_is_told_without_importing_it() -> None:
    by_itself("""
import types
from kishu_kernel.objects.codec import dill_hidden
assert not dill_hidden.knows((int, types.GeneratorType)) and not dill_hidden._modules.cache_info().currsize
assert dill_hidden.knows((type(__import__("_thread").allocate_lock()),))
with lent() as dill:
    assert all(map(dill_hidden._may_be_known, dill.Pickler.dispatch))
""")
