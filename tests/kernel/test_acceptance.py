"""What a person has not accepted is not done: a plan with side effects, and one that a checkout had to make anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.client import connect
from kishu_kernel.errors import SideEffectsError

from .conftest import Start
from .driver import Kernel

WRITES = "from pathlib import Path\ngen = (i for i in range(9)); Path('ran').open('a').write('x')"
HARMLESS = "gen = (i for i in range(9))"

FRAGILE = """
from pathlib import Path
class Frame:
    def __init__(self, values): self.values = values
    def __reduce__(self): return load, (self.values,)
def load(values):
    if Path('broken').exists(): raise OSError('its bytes are damaged')
    return Frame(values)
"""


def times_run(kernel: Kernel) -> int:
    return len((kernel.home / "ran").read_text())


def refused(reply: dict[str, Any]) -> dict[str, Any]:
    assert reply["status"] == "error", reply
    assert reply["ename"] == "SideEffectsError"
    assert "writes files (ran)" in reply["evalue"]
    assert reply["hint"].endswith(".")
    plan: dict[str, Any] = reply["plan"]
    assert [step["side_effects"] for step in plan["replay"] if step["side_effects"]] == [["writes files (ran)"]]
    return plan


def on_a_notebook(home: Path) -> dict[str, str | None]:
    return {"JPY_SESSION_NAME": str(home / "book.ipynb")}


@pytest.fixture
def writing(start: Start, tmp_path: Path) -> Kernel:
    """A kernel in which going back from HEAD re-runs a cell that writes a file."""
    kernel = start(environment=on_a_notebook(tmp_path))
    kernel.ok(WRITES)
    kernel.ok("first = next(gen)")
    return kernel


ROADS: dict[str, dict[str, Any]] = {
    "undo": {},
    "checkout": {"target": "HEAD~1"},
    "redo": {},
    "checkout of a branch": {"target": "there"},
}


@pytest.mark.parametrize("road", ROADS)
def test_a_message_that_accepts_nothing_re_runs_no_side_effect(writing: Kernel, road: str) -> None:
    operation, how = road.partition(" ")[0], ROADS[road]
    if road == "redo":
        writing.done("undo", steps=2)
    elif "branch" in road:
        writing.done("branch", name="there", target="HEAD~1")
    head = writing.done("status")["head"]
    seen = writing.value("sorted(name for name in globals() if name in ('gen', 'first'))")
    plan = refused(writing.request(operation, **how))
    refused(writing.request(operation, replay="ask", **how))
    assert writing.done(operation, dry_run=True, **how)["plan"] == plan
    assert writing.done("status")["head"] == head
    assert writing.value("sorted(name for name in globals() if name in ('gen', 'first'))") == seen
    assert times_run(writing) == 1
    assert writing.request(operation, replay="never", **how)["ename"] == "LostError"
    assert writing.done(operation, replay="auto", **how)["plan"] == plan
    assert times_run(writing) == 2
    assert writing.value("next(gen)") == 0


def test_losses_accepted_are_not_side_effects_accepted(writing: Kernel) -> None:
    refused(writing.request("undo", allow_lost=True))
    assert times_run(writing) == 1
    assert writing.done("undo", replay="never", allow_lost=True)["plan"]["lost"]


def test_what_has_no_side_effects_needs_no_acceptance(kernel: Kernel) -> None:
    kernel.ok(HARMLESS)
    kernel.ok("first = next(gen)")
    assert kernel.done("undo")["plan"]["replay"]
    assert kernel.value("next(gen)") == 0


def test_a_refusal_of_losses_has_the_plan_too(kernel: Kernel) -> None:
    kernel.ok(f"# kishu: no-replay\n{HARMLESS}")
    kernel.ok("first = next(gen)")
    reply = kernel.request("undo")
    assert reply["ename"] == "LostError"
    assert [each["names"] for each in reply["plan"]["lost"]] == [["gen"]]
    assert "allow_lost" in reply["hint"]


def test_a_new_session_is_asked_about_side_effects_and_not_about_losses(writing: Kernel) -> None:
    writing.ok("# kishu: no-replay\nother = (i for i in 'ab')\nkept = [1]")
    writing.done("commit", message="written")
    writing.restart(kill=True)
    refused(writing.request("resume"))
    assert times_run(writing) == 1
    reply = writing.done("resume", replay="auto")
    assert [each["names"] for each in reply["plan"]["lost"]] == [["other"]]
    assert times_run(writing) == 2
    assert writing.value("kept, first, next(gen)") == ([1], 0, 1)


# -- a plan made anew --------------------------------------------------------------------------------------


@pytest.fixture
def damaged(kernel: Kernel) -> Kernel:
    """A kernel in which a stored value turns out not to load; its cell wrote a file."""
    kernel.library("fragile", FRAGILE)
    kernel.ok("import fragile\nfrom pathlib import Path\nkept = [1]")
    kernel.ok("frame = fragile.Frame([1, 2]); Path('ran').open('a').write('x')")
    kernel.ok("frame.values.append(3); kept.append(2)")
    kernel.done("status")
    return kernel


def break_it(kernel: Kernel) -> None:
    (kernel.home / "broken").write_text("")


@pytest.mark.parametrize("how", [{}, {"replay": "auto"}, {"replay": "auto", "allow_lost": True}])
def test_a_checkout_that_must_plan_anew_asks_again(damaged: Kernel, how: dict[str, Any]) -> None:
    assert damaged.done("undo", dry_run=True)["plan"]["replay"] == []
    break_it(damaged)
    head = damaged.done("status")["head"]
    plan = refused(damaged.request("undo", **how))
    assert [each["gives"] for each in plan["replay"]] == [["frame"]]
    assert (damaged.done("status")["head"], times_run(damaged)) == (head, 1)
    assert damaged.value("frame.values, kept") == ([1, 2, 3], [1, 2])
    assert damaged.done("undo", dry_run=True)["plan"] == plan  # a person sees what was found out
    refused(damaged.request("undo"))
    assert damaged.done("undo", replay="auto")["plan"] == plan
    assert damaged.value("frame.values, kept") == ([1, 2], [1])
    assert times_run(damaged) == 2


def test_what_was_mended_meanwhile_is_loaded(damaged: Kernel) -> None:
    break_it(damaged)
    refused(damaged.request("undo"))
    (damaged.home / "broken").unlink()
    damaged.ok("mended = True")
    assert damaged.done("undo", steps=2)["plan"]["replay"] == []
    assert damaged.value("frame.values") == [1, 2]
    assert times_run(damaged) == 1


def test_what_was_mended_outside_is_loaded_at_once(damaged: Kernel) -> None:
    break_it(damaged)
    refused(damaged.request("undo"))
    (damaged.home / "broken").unlink()
    assert damaged.done("undo")["plan"]["replay"] == []
    assert times_run(damaged) == 1


def shown(plan: dict[str, Any]) -> dict[str, Any]:
    return {"target": plan["target"], "replay": [step["checkpoint"] for step in plan["replay"]]}


def test_no_more_is_done_than_was_shown(damaged: Kernel) -> None:
    """Even where the kernel's first plan is another one by now."""
    before = shown(damaged.done("undo", dry_run=True)["plan"])
    break_it(damaged)
    refused(damaged.request("undo", replay="auto", shown=before))
    plan = refused(damaged.request("undo", replay="auto", shown=before))
    assert times_run(damaged) == 1
    reply = damaged.request("undo", shown=shown(plan))
    assert refused(reply) == plan, "it was seen, and not accepted"
    assert damaged.done("undo", replay="auto", shown=shown(plan))["plan"] == plan
    assert times_run(damaged) == 2


def test_a_cell_that_was_not_shown_is_not_re_run_though_it_is_harmless(kernel: Kernel) -> None:
    kernel.ok(HARMLESS)
    kernel.ok("first = next(gen)")
    plan = kernel.done("undo", dry_run=True)["plan"]
    for replay in ("auto", "ask"):
        reply = kernel.request("undo", replay=replay, shown={**shown(plan), "replay": []})
        assert reply["ename"] == "PlanChangedError"
        assert f"also re-runs `{HARMLESS}`" in reply["evalue"]
        assert reply["plan"] == plan
    assert kernel.done("undo", shown=shown(plan))["plan"] == plan


def test_an_undo_that_would_mean_another_cell_is_refused(kernel: Kernel) -> None:
    kernel.ok("x = 1")
    kernel.ok("x = 2")
    plan = kernel.done("undo", dry_run=True)["plan"]
    kernel.ok("x = 3")
    reply = kernel.request("undo", shown=shown(plan))
    assert reply["ename"] == "PlanChangedError"
    assert "another state" in reply["evalue"]
    assert reply["plan"]["target"] != plan["target"]
    assert kernel.done("undo", shown=shown(reply["plan"]))["head"] == reply["plan"]["target"]
    assert kernel.value("x") == 2


def test_the_magic_asks_again(damaged: Kernel) -> None:
    break_it(damaged)
    assert "cancelled" in damaged.run("%kishu undo", answers=["n"]).stderr
    assert times_run(damaged) == 1
    damaged.run("%kishu undo", answers=["y"])
    assert damaged.value("frame.values") == [1, 2]
    assert times_run(damaged) == 2


def test_the_magic_asks_though_it_was_told_yes_where_the_plan_is_another(damaged: Kernel) -> None:
    break_it(damaged)
    assert "Add --yes" in damaged.run("%kishu undo --yes").stderr
    assert times_run(damaged) == 1
    damaged.ok("%kishu undo --yes")
    assert damaged.value("frame.values") == [1, 2]


# -- clients -----------------------------------------------------------------------------------------------


def test_the_client_raises_and_has_the_plan(writing: Kernel) -> None:
    with connect(writing.client) as client:
        with pytest.raises(SideEffectsError, match="writes files") as caught:
            client.undo()
        assert caught.value.plan["replay"][0]["side_effects"] == ["writes files (ran)"]
        assert times_run(writing) == 1
        assert client.undo(replay="auto")["applied"]
    assert times_run(writing) == 2


def test_a_kernel_that_resumes_by_itself_re_runs_no_side_effect(start: Start, tmp_path: Path) -> None:
    kernel = start(environment=on_a_notebook(tmp_path))
    kernel.ok(
        "# kishu: deterministic\nfrom pathlib import Path\ngen = (i for i in 'ab'); Path('ran').open('a').write('x')"
    )
    kernel.ok("# kishu: deterministic\nother = (i for i in 'ab'); kept = [1]")
    kernel.close(gracefully=True)
    again = start("--KishuKernel.auto_resume=True", environment=on_a_notebook(tmp_path))
    again.ok("seen = (kept, next(other), 'gen' in globals())")
    assert again.value("seen") == ([1], "a", False)
    assert times_run(again) == 1
