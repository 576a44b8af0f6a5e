"""The audit hook hears the same with the native module and without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kishu_kernel.process.native import PURE_SWITCH, WALKER

SCRIPT = """
import os, sys
from kishu_kernel.process import audit_hook, native

assert (native.WALKER is None) == (os.environ["KISHU_PURE"] == "1")
place = sys.argv[1]
notebook = {"__name__": "__main__"}


def run(code):
    exec(compile(code, "<ipython-input-1>", "exec"), notebook)


recorder = audit_hook.start_recording()
run(f"open({place!r}, 'w').close(); open({place!r}).read(); x = id(3)")
print(recorder.stop())

outer = audit_hook.start_recording()
run("for i in range(9): open(f'f{i}', 'w').close()")
inner = audit_hook.start_recording()
run("for i in range(9): open(f'f{i}', 'w').close()")
print(inner.stop(), outer.stop())

seen = []
recorder = audit_hook.start_recording()
sys.setprofile(lambda frame, event, argument: seen.append(frame.f_code.co_name))
run(f"open({place!r}, 'a').close(); id(3)")
sys.setprofile(None)
print([name for name in seen if name in ("hook", "_on_event")], recorder.stop())

with audit_hook.side_effects_forbidden() as guard:
    for mode in "rw":
        try:
            open(place, mode)
        except audit_hook.ForbiddenSideEffectError as error:
            print(error)
print(guard.forbidden)
open(place).close()
audit_hook.forbid_side_effects_in_process()
try:
    open(place)
except audit_hook.ForbiddenSideEffectError as error:
    print(error)
with audit_hook.allowed_in_process():
    open(place).close()
print("end", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("pure", ["0", "1"])
def test_both_ears_hear_the_same(pure: str, tmp_path: Path) -> None:
    if pure == "0" and WALKER is None:
        pytest.skip("there is no native module")
    environment = {**os.environ, PURE_SWITCH: pure, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "out"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == [
        "('writes files (out)',)",
        "('writes files (f0, f1, f2, ...)',) ('writes files (f0, f1, f2, ...)',)",
        "[] ('writes files (out)',)",
        "this reads files (out), which is forbidden now",
        "this reads files (out), which is forbidden now",
        "reads files (out)",
        "this reads files (out), which is forbidden now",
        "end",
    ], done.stderr
