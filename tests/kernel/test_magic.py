"""`%kishu`, for frontends that can only run cells: each subcommand as text and as JSON, and inside of cells."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from .conftest import Start
from .driver import Content, Kernel, Ran


def ids(kernel: Kernel, **how: Any) -> list[str]:
    return [each["id"] for each in kernel.done("log", limit=0, **how)["checkpoints"]]


def text(kernel: Kernel, line: str) -> str:
    """What a console shows of a magic that succeeds: one display, and nothing else."""
    shown: str = bundle(kernel, line)["text/plain"]
    assert all(len(line) <= 80 for line in shown.splitlines() if "●" in line or "○" in line)
    return shown


def page(kernel: Kernel, line: str) -> str:
    """What a notebook shows of it."""
    shown: str = bundle(kernel, line)["text/html"]
    return shown


def bundle(kernel: Kernel, line: str) -> Content:
    ran = kernel.ok(f"%kishu {line}")
    assert [each["output_type"] for each in ran.outputs] == ["display_data"]
    return ran.results[0]


def as_json(kernel: Kernel, line: str) -> Content:
    """What `--json` displays: one `application/json`, and nothing else."""
    ran = kernel.ok(f"%kishu --json {line}")
    assert [each["output_type"] for each in ran.outputs] == ["display_data"]
    content: Content = ran.results[0]["application/json"]
    return content


def usage_error(ran: Ran) -> str:
    """The sentence; there is no traceback."""
    assert ran.status == "error"
    assert ran.reply["ename"] == "UsageError"
    sentence = ran.stderr.strip()
    assert sentence.startswith("UsageError: ")
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


@pytest.fixture
def past(kernel: Kernel) -> Kernel:
    """Three cells; the last one did damage."""
    kernel.ok("frame = {'price': [3, 1], 'town': ['A', 'B']}")
    kernel.ok("total = sum(frame['price'])")
    kernel.ok("del frame['price']")
    return kernel


# -- reading ------------------------------------------------------------------------------------------------------


def test_log(past: Kernel) -> None:
    third, second, first = ids(past)
    lines = text(past, "log").splitlines()
    cells = [line for line in lines if "In[" in line]
    for line, id, number, code in zip(
        cells, (third, second, first), (3, 2, 1), ("del frame", "total = ", "frame = {"), strict=True
    ):
        assert id[:8] in line
        assert f"In[{number}]" in line
        assert code in line
        assert line.startswith("●" if id == third else "○")
    assert "~frame" in cells[0]
    assert "+total" in cells[1]
    assert "main" in "".join(lines)
    assert as_json(past, "log") == past.request("log")


def test_log_options(past: Kernel) -> None:
    third, second, first = ids(past)
    past.done("undo")
    past.ok("other = 1")
    other = ids(past)[0]
    assert [each["id"] for each in as_json(past, "log --all")["checkpoints"]] == [other, third, second, first]
    limited = as_json(past, "log --limit 1")
    assert ([each["id"] for each in limited["checkpoints"]], limited["truncated"]) == ([other], True)
    assert [each["id"] for each in as_json(past, f"log --since {first}")["checkpoints"]] == [other, second]
    shown = text(past, "log --limit 1")
    assert first[:8] not in shown
    assert "--limit 0" in shown  # how to see the rest
    assert third[:8] in text(past, "log --all")


def test_log_of_nothing(kernel: Kernel) -> None:
    assert "run a cell" in text(kernel, "log")
    assert as_json(kernel, "log")["checkpoints"] == []


@pytest.mark.parametrize("line", ["status", ""])
def test_status(past: Kernel, line: str) -> None:
    shown = text(past, line)
    assert ids(past)[0][:8] in shown
    assert "main" in shown
    assert "3 states" in shown
    assert str(past.stores) in shown
    assert as_json(past, line) == past.request("status")


def test_show(past: Kernel) -> None:
    shown = text(past, "show In[2]")
    assert "total = sum(frame['price'])" in shown
    assert "+total" in shown
    assert [line.split()[:2] for line in shown.splitlines()[-2:]] == [["frame", "dict"], ["total", "int"]]
    assert as_json(past, "show In[2]") == past.request("show", target="In[2]")


def test_diff(past: Kernel) -> None:
    lines = text(past, "diff In[1]").splitlines()
    assert lines[0] == "from HEAD to In[1]:"
    variables = [line for line in lines[1:] if not line.startswith(" ")]
    assert [line.split()[:2] for line in variables] == [["~", "frame"], ["-", "total"]]
    assert variables[0].endswith("dict of 1  ->  dict of 2")
    assert variables[1].endswith("4")
    assert any(line.startswith("    ") for line in lines)  # in what way
    lines = text(past, "diff HEAD In[1]").splitlines()
    assert [line.split()[:2] for line in lines if line[0] in "+~-"] == [["~", "frame"], ["+", "total"]]
    shown = page(past, "diff In[1]")
    assert "at HEAD" in shown
    assert "at In[1]" in shown
    assert "not in this state" in shown  # total, at In[1]
    assert "no difference" in text(past, "diff HEAD")
    assert as_json(past, "diff In[1]") == past.request("diff", target="In[1]")


def test_a_large_frame_is_compared_and_what_says_little_is_folded(kernel: Kernel) -> None:
    kernel.ok(
        "import numpy as np, pandas as pd\n"
        "big = pd.DataFrame({'n': np.arange(100_000), 's': [f'row {n}' for n in range(100_000)]})"
    )
    kernel.ok("import math\nbig.loc[99_999, 's'] = 'other'\nbig.shape")
    lines = text(kernel, "diff HEAD HEAD~1").splitlines()
    assert any("row 99999, s" in line and line.endswith("'row 99999'  ->  'other'") for line in lines)
    assert lines[-1] == "and 1 result (+_2), 1 module (+math)"
    assert [line for line in lines if line[0] in "+~-"] == [line for line in lines if line.startswith("~ big")]
    assert "<summary>and 1 result, 1 module</summary>" in page(kernel, "diff HEAD HEAD~1")
    shown = kernel.ok("%kishu show HEAD").results[0]
    assert shown["text/plain"].splitlines()[-1] == "  and 1 result (_2), 3 modules (math, np, pd)"
    assert "<summary>and 1 result, 3 modules</summary>" in shown["text/html"]
    kernel.ok("big.loc[0, 'n']")
    lines = text(kernel, "diff HEAD HEAD~1").splitlines()
    assert lines == ["from HEAD~1 to HEAD:", "1 result (+_6)"]


def test_variable(past: Kernel) -> None:
    changed, code, made, first = text(past, "variable frame").splitlines()
    assert ["In[3]" in changed, "changed" in changed, "In[1]" in made, "made" in made] == [True] * 4
    assert (code.strip(), first.strip()[:9]) == ("del frame['price']", "frame = {")
    assert "When <code>" in page(past, "variable frame")
    assert as_json(past, "variable frame") == past.request("variable", name="frame")
    assert len(as_json(past, "variable frame --limit 1")["checkpoints"]) == 1


def test_log_draws_branches(past: Kernel) -> None:
    past.done("undo")
    past.ok("other = 1")
    assert "1 state on other branches" in text(past, "log")
    lines = text(past, "log --all").splitlines()
    assert [line[:3] for line in lines if "In[" in line] == ["●  ", "│ ○", "○  ", "○  "]
    assert "├─╯" in [line.strip() for line in lines]
    shown = page(past, "log --all")
    assert shown.count("<svg") == 4
    assert 'aria-current="true"' in shown
    assert as_json(past, "log --all --graph")["graph"]["width"] == 2


def test_show_has_the_outputs_as_they_were(kernel: Kernel) -> None:
    kernel.ok(
        "from IPython.display import HTML, display\nimport sys\nprint('hello')\n"
        "print('careful', file=sys.stderr)\ndisplay(HTML('<b>bold</b>'))\n6 * 7"
    )
    kernel.run("1 / 0")
    ran = kernel.ok("%kishu show In[1]")
    assert [each["output_type"] for each in ran.outputs] == ["display_data", "stream", "stream", *["display_data"] * 2]
    assert "6 * 7" in ran.results[0]["text/plain"]
    assert "Its output:" in ran.results[0]["text/html"]
    assert (ran.stdout, ran.stderr) == ("hello\n", "careful\n")
    assert (ran.results[1]["text/html"], ran.results[2]["text/plain"]) == ("<b>bold</b>", "42")
    failed = kernel.ok("%kishu show In[2]")
    assert "failed" in failed.results[0]["text/html"]
    assert "ZeroDivisionError" in failed.stderr


def test_show_has_plots(kernel: Kernel) -> None:
    plotted = kernel.ok("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    [picture] = [each["image/png"] for each in plotted.results]
    shown = kernel.ok("%kishu show HEAD")
    assert shown.results[-1]["image/png"] == picture


def test_a_dead_widget_is_shown_as_text(kernel: Kernel) -> None:
    kernel.ok("import ipywidgets\nslider = ipywidgets.IntSlider()\nslider")
    widget = "application/vnd.jupyter.widget-view+json"
    assert widget in kernel.ok("%kishu show In[1]").results[-1]
    kernel.ok("slider.close()")
    assert list(kernel.ok("%kishu show In[1]").results[-1]) == ["text/plain"]


def test_search(past: Kernel) -> None:
    past.done("tag", name="sum-tag")
    assert as_json(past, "search SUM") == past.request("search", text="SUM")
    shown = text(past, "search SUM")
    assert "total = sum(frame['price'])" in shown
    assert "tag: sum-tag" in shown
    assert "<mark>sum</mark>(frame" in page(past, "search SUM")
    assert "nothing" in text(past, "search not there at all")


def test_export(past: Kernel) -> None:
    assert "wrote 3 cells" in text(past, "export way")
    written = nbformat.read(past.home / "way.ipynb", as_version=4)
    nbformat.validate(written)
    assert [each["source"].split(" ")[0] for each in written.cells] == ["frame", "total", "del"]
    assert "--force" in usage_error(past.run("%kishu export way"))
    assert "wrote 1 cell to" in text(past, "export way In[1] --force")
    assert as_json(past, "export way2 In[2]")["cells"] == 2


# -- changing -----------------------------------------------------------------------------------------------------


def test_undo_and_redo(past: Kernel) -> None:
    third, second, first = ids(past)
    shown = text(past, "undo")
    assert second[:8] in shown
    assert "brought back: frame" in shown
    assert past.value("frame['price']") == [3, 1]
    assert "removed: total" in text(past, "undo 1")
    assert past.value("'total' in globals()") is False
    text(past, "redo 2")
    assert past.done("status")["head"] == third
    assert past.value("'price' in frame") is False
    undone = as_json(past, "undo 2")
    assert (undone["operation"], undone["from"], undone["head"], undone["applied"]) == ("undo", third, first, True)
    assert as_json(past, "redo")["head"] == second


def test_checkout(past: Kernel) -> None:
    third, _, first = ids(past)
    would = text(past, "checkout In[1] --dry-run")
    assert "Would go to In [1]." in would
    assert past.done("status")["head"] == third
    assert first[:8] in text(past, f"checkout {first[:6]}")
    assert past.value("frame, 'total' in globals()") == ({"price": [3, 1], "town": ["A", "B"]}, False)
    went = as_json(past, "checkout main")
    assert (went["head"], went["from"]) == (third, first)
    dry = as_json(past, "checkout --dry-run HEAD~2")
    assert (dry["applied"], dry["plan"]) == (False, past.done("checkout", target=first, dry_run=True)["plan"])


def test_cells_that_are_ahead_are_named(past: Kernel) -> None:
    left = ids(past)[0]
    assert "In [2], In [3] are not in this state" in text(past, "undo 2")
    past.ok("n = 1")
    assert "In [5] is not in this state" in text(past, f"checkout {left} --dry-run")
    assert "In [5] is not in this state" in page(past, f"checkout {left}")
    assert "not in this state" not in text(past, "checkout HEAD")
    assert "To go back: <code>%kishu redo 2</code>" in page(past, "undo 2")


ASKS = "from pathlib import Path\nnumbers = (i for i in range(3)); Path('ran').open('a').write('x')"


@pytest.fixture
def asking(kernel: Kernel) -> Kernel:
    """A kernel in which an undo must run a cell again that writes a file."""
    kernel.ok(ASKS)
    kernel.ok("first = next(numbers)")
    return kernel


def ran_times(kernel: Kernel) -> int:
    return len((kernel.home / "ran").read_text())


@pytest.mark.parametrize(("answer", "times"), [("y", 2), ("YES ", 2), ("n", 1), ("", 1)])
def test_side_effects_are_asked_about(asking: Kernel, answer: str, times: int) -> None:
    ran = asking.run("%kishu undo", answers=[answer])
    assert ran_times(asking) == times
    if times == 2:
        assert "re-run to get: numbers" in ran.text
    else:
        assert "nothing has changed" in usage_error(ran)
        assert asking.value("first") == 0


def test_one_goes_there_without_what_only_the_re_run_gives(asking: Kernel) -> None:
    asking.ok("again = first")
    told = asking.run("%kishu undo 2", answers=["w"]).text
    assert "lost: numbers" in told
    assert ran_times(asking) == 1
    assert asking.value("[name for name in ('numbers', 'first', 'again') if name in globals()]") == []
    asking.done("redo", steps=2, replay="harmless", allow_lost=True)
    assert (asking.value("first"), ran_times(asking)) == (0, 1)
    assert "lost: numbers" in text(asking, "undo 2 --without")
    assert ran_times(asking) == 1


def test_the_question_shows_the_plan(asking: Kernel) -> None:
    running = asking.begin("%kishu undo", allow_stdin=True)
    asked = asking.client.get_stdin_msg(timeout=30)["content"]
    for fact in ("re-runs 1 cell", "In[1] makes numbers: from pathlib", "writes files", "[w]ithout numbers, or [N]o"):
        assert fact in asked["prompt"]
    asking.client.input("n")
    asking.end(running)


def test_side_effects_are_refused_where_nobody_can_be_asked(asking: Kernel) -> None:
    for sentence in (
        usage_error(asking.run("%kishu undo")),
        as_json(asking, "undo")["evalue"],
    ):
        for fact in ("1 cell", "In[1]", "writes files", "--yes", "--without"):
            assert fact in sentence
    assert ran_times(asking) == 1
    assert asking.value("first") == 0
    assert "writes files" in text(asking, "undo --dry-run")
    assert ran_times(asking) == 1


@pytest.mark.parametrize("yes", ["--yes", "-y"])
def test_yes_does_not_ask(asking: Kernel, yes: str) -> None:
    assert "re-run to get: numbers" in text(asking, f"undo {yes}")
    assert ran_times(asking) == 2


def test_the_message_does_not_ask_where_it_accepts(asking: Kernel) -> None:
    assert asking.done("undo", replay="auto")["plan"]["replay"][0]["side_effects"] == ["writes files (ran)"]
    assert ran_times(asking) == 2


def test_checkout_that_re_runs_tells_it(kernel: Kernel) -> None:
    kernel.ok("numbers = (i for i in range(3))")
    kernel.ok("first = next(numbers)")
    assert "numbers" in usage_error(kernel.run("%kishu undo --no-replay"))
    assert kernel.value("first") == 0
    would = text(kernel, "undo --dry-run")
    assert "numbers = (i for i in range(3))" in would
    went = text(kernel, "undo")
    assert "re-run to get: numbers" in went
    assert "numbers = (i for i in range(3))" in went
    assert kernel.ok("list(numbers)").results[0]["text/plain"] == "[0, 1, 2]"


def test_lost_must_be_allowed(kernel: Kernel) -> None:
    kernel.ok("hidden = None")
    kernel.ok("hidden = (i for i in range(3))", silent=True)
    kernel.ok("n = 1")
    kernel.ok("del hidden; n = 2")
    assert "hidden" in usage_error(kernel.run("%kishu undo"))
    assert kernel.value("n") == 2
    assert "lost: hidden" in text(kernel, "undo --allow-lost")
    assert kernel.value("n, 'hidden' in globals()") == (1, False)


def test_commit(past: Kernel) -> None:
    head = ids(past)[0]
    assert head[:8] in text(past, "commit the price isn\\'t needed")
    assert past.done("log")["checkpoints"][0]["message"] == "the price isn't needed"
    said = {"status": "ok", "protocol": 1, "operation": "commit", "head": head, "warnings": []}
    assert as_json(past, "commit 'a b'") == said
    assert "a b" in text(past, "log")


@pytest.mark.parametrize(("kind", "key"), [("branch", "branches"), ("tag", "tags")])
def test_branch_and_tag(past: Kernel, kind: str, key: str) -> None:
    third, _, first = ids(past)
    main = {"main": third} if kind == "branch" else {}
    assert ("main" in text(past, kind)) is (kind == "branch")
    shown = text(past, f"{kind} early In[1]")
    assert "early" in shown
    assert first[:8] in shown
    assert as_json(past, f"{kind} here")[key] == {"early": first, "here": third, **main}
    assert as_json(past, kind) == {
        "status": "ok",
        "protocol": 1,
        "operation": kind,
        key: {"early": first, "here": third, **main},
    }
    listed = text(past, kind)
    assert "early" in listed
    assert "here" in listed
    text(past, f"{kind} here --delete")
    assert as_json(past, f"{kind} --delete early")[key] == main
    assert past.done("log", all=True)["checkpoints"][-1][key] == []


# -- help and errors ----------------------------------------------------------------------------------------------


def test_question_mark_explains(kernel: Kernel) -> None:
    [page] = kernel.ok("%kishu?").reply["payload"]
    help = page["data"]["text/plain"]
    for word in ("log", "undo", "redo", "checkout", "status", "show", "diff", "variable", "commit", "branch", "tag"):
        assert f"%kishu {word}" in help
    for option in ("--json", "--dry-run", "--all"):
        assert option in help
    assert "%kishu" in matches(kernel, "%kis")


def matches(kernel: Kernel, code: str, at: int | None = None) -> list[str]:
    """What is offered, as the whole word that it would make."""
    at = len(code) if at is None else at
    reply = kernel.message("complete_request", {"code": code, "cursor_pos": at})
    begun = code[: reply["cursor_start"]].rpartition("\n")[2].rpartition(" ")[2]
    return [begun + each for each in reply["matches"]]


@pytest.mark.parametrize("line", ["help", "--help"])
def test_help(shared: Kernel, line: str) -> None:
    assert "%kishu undo [N]" in text(shared, line)
    assert "<code>%kishu undo [N]</code>" in page(shared, line)


@pytest.mark.parametrize("line", ["help undo", "undo --help"])
def test_help_of_one(shared: Kernel, line: str) -> None:
    for option in ("--dry-run", "--yes", "--no-replay", "--allow-lost"):
        assert option in text(shared, line)
        assert option in page(shared, line)


@pytest.mark.parametrize(
    "how",
    [(), ("--Completer.use_jedi=False",), ("--IPythonKernel.use_experimental_completions=False",)],
    ids=["jedi", "no jedi", "plain"],
)
def test_completion(start: Start, how: tuple[str, ...]) -> None:
    kernel = start(*how)
    kernel.ok("frame = 1")
    kernel.ok("total = 2")
    kernel.done("branch", name="try-this", target="In[1]")
    kernel.done("tag", name="v1.0")
    second, first = ids(kernel)
    assert matches(kernel, "%kishu ch") == ["checkout"]
    assert {"log", "undo", "help"} < {*matches(kernel, "%kishu ")}
    assert matches(kernel, "%kishu re") == ["redo", "resume"]
    targets = ["HEAD", "main", "try-this", "v1.0", "In[2]", "In[1]", second[:8], first[:8]]
    assert matches(kernel, "%kishu checkout ") == targets
    assert matches(kernel, "%kishu checkout try-") == ["try-this"]
    assert matches(kernel, f"%kishu show {first[:3]}") == [first[:8]]
    assert matches(kernel, "%kishu diff HEAD~") == ["HEAD~1"]
    assert matches(kernel, "%kishu diff HEAD v1") == ["v1.0"]
    assert matches(kernel, "%kishu show In[") == ["In[2]", "In[1]"]
    assert matches(kernel, "%kishu log --a") == ["--all"]
    assert matches(kernel, "%kishu log --since m") == ["main"]
    assert matches(kernel, "%kishu variable ") == ["total", "frame"]
    assert matches(kernel, "%kishu tag --delete ") == ["v1.0"]
    assert matches(kernel, "x = 1\n%kishu undo --d\ny = 2", len("x = 1\n%kishu undo --d")) == ["--dry-run"]
    assert matches(kernel, "kishu un") == ["undo"]  # automagic


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("nonsense", "nonsense"),
        ("checkout", "target"),
        ("checkout nowhere", "nowhere"),
        ("checkout a b", "b"),
        ("checkout In[99]", "In[99]"),
        ("undo 0", "steps"),
        ("undo -1", ""),
        ("undo x", "x"),
        ("undo 99", "99"),
        ("redo", "redo"),
        ("log --limit", "limit"),
        ("log --limit x", "x"),
        ("log --limit -5", "limit"),
        ("log --unknown", "--unknown"),
        ("status now", "now"),
        ("show", "target"),
        ("diff", "target"),
        ("variable", "name"),
        ("variable never_made", "never_made"),
        ("commit", "message"),
        ("branch 'a b'", "a b"),
        ("tag -- -x", "-x"),
        ("branch never_made --delete", "never_made"),
        ("tag --delete", "name"),
        ("commit 'open", "quotation"),
        ("search", "text"),
        ("export", "path"),
        ("chekout In[1]", "did you mean 'checkout'?"),
        ("help chekout", "did you mean 'checkout'?"),
        ("log --al", "did you mean '--all'?"),
        ("checkout mian", "did you mean 'main'?"),
        ("checkout MAIN", "did you mean 'main'?"),
        ("branch mian --delete", "did you mean 'main'?"),
        ("variable nn", "did you mean 'n'?"),
        ("show In[99]", "nearest one is In["),
        ("undo --yess", "did you mean '--yes'?"),
    ],
)
def test_errors_are_one_sentence_and_change_nothing(shared: Kernel, line: str, word: str) -> None:
    if not ids(shared):
        shared.ok("n = 1")
    before = shared.done("log", all=True)
    assert word in usage_error(shared.run(f"%kishu {line}"))
    assert shared.done("log", all=True) == before
    assert shared.value("n") == 1


def test_an_error_as_json(past: Kernel) -> None:
    """A script gets the reply itself, and the cell goes on."""
    ran = past.ok("%kishu --json checkout nowhere\nwent_on = 1")
    assert ran.results[0]["application/json"] == past.request("checkout", target="nowhere")
    assert past.value("went_on") == 1


# -- cells that hold the magic ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        "%kishu log",
        "%kishu",
        "  %kishu status",
        "%kishu --json log",
        "%kishu show HEAD\n%kishu diff HEAD~1",
        "# look\n%kishu log\n",
        "%kishu tag v1",
        "kishu log",  # automagic
    ],
)
def test_a_kishu_cell_is_no_checkpoint(past: Kernel, cell: str) -> None:
    before = ids(past)
    ran = past.ok(cell)
    assert ran.reply["execution_count"] == 4
    assert ids(past, all=True) == before
    past.ok("n = 1")
    assert past.done("log")["checkpoints"][0]["created"] == ["n"]
    past.done("undo")
    assert ids(past) == before


@pytest.mark.parametrize("cell", ["%kishu undo", "%kishu undo\n%kishu undo\n%kishu redo", "%kishu checkout HEAD~1"])
def test_a_kishu_cell_that_travels_is_none_either(past: Kernel, cell: str) -> None:
    third, second, first = ids(past)
    past.ok(cell)
    assert past.done("status")["head"] == second
    assert ids(past, all=True) == [third, second, first]
    assert past.value("frame['price']") == [3, 1]


def test_a_kishu_cell_that_fails_is_none_either(past: Kernel) -> None:
    before = past.done("log", all=True)
    usage_error(past.run("%kishu checkout nowhere"))
    assert past.done("log", all=True) == before


def test_a_travel_in_the_middle_of_a_cell(kernel: Kernel) -> None:
    """What was before it is kept as a checkpoint; what follows goes on from the new state."""
    kernel.ok("xs = [1]; n = 0")
    kernel.ok("xs.append(2); n = 1")
    second, first = ids(kernel)
    code = "xs.append('before'); before = 1\n%kishu checkout In[1]\nxs.append('after'); seen = 'before' in globals()"
    kernel.ok(code)
    assert kernel.value("xs, n, seen, 'before' in globals()") == ([1, "after"], 0, False, False)

    head, parent = kernel.done("log")["checkpoints"]
    assert (head["code"], head["execution_count"], head["parent"]) == (code, 3, first)
    assert (head["created"], head["modified"]) == (["seen"], ["xs"])
    assert parent["id"] == first

    [half] = {*ids(kernel, all=True)} - {head["id"], second, first}
    kernel.done("checkout", target=half)
    assert kernel.value("xs, n, before, 'seen' in globals()") == ([1, 2, "before"], 1, 1, False)
    kernel.done("checkout", target=head["id"])
    assert kernel.value("xs, n, seen") == ([1, "after"], 0, False)
    kernel.done("undo")
    assert kernel.value("xs, n") == ([1], 0)


def test_a_travel_in_a_function(kernel: Kernel) -> None:
    kernel.ok("n = 1\ndef back(k):\n    get_ipython().run_line_magic('kishu', f'undo {k}')")
    kernel.ok("n = 2")
    kernel.ok("n = 3")
    kernel.ok("back(1)\nseen = n")
    assert kernel.value("n, seen") == (2, 2)
    kernel.done("undo")
    assert kernel.value("n, 'seen' in globals()") == (2, False)


def test_what_goes_on_from_the_old_state_is_seen(kernel: Kernel) -> None:
    """The new state knows nothing of the function that is running, nor the cell of the list it changes."""
    kernel.ok("xs = [1]")
    kernel.ok("def grow():\n    xs.append(2)")
    kernel.ok("def leave(go_on):\n    %kishu checkout In[1]\n    go_on()\nleave(grow)")
    head = kernel.done("log")["checkpoints"][0]
    assert (head["execution_count"], head["modified"]) == (3, ["xs"])
    kernel.done("undo")
    assert kernel.value("xs, 'grow' in globals()") == ([1], False)


def test_a_failing_travel_in_the_middle_of_a_cell(kernel: Kernel) -> None:
    kernel.ok("n = 1")
    usage_error(kernel.run("n = 2\n%kishu checkout nowhere\nn = 3"))
    head = kernel.done("log")["checkpoints"][0]
    assert (head["status"], head["modified"]) == ("error", ["n"])
    assert kernel.value("n") == 2
    kernel.done("undo")
    assert kernel.value("n") == 1


def test_a_commit_in_the_middle_of_a_cell_keeps_what_is_so_far(kernel: Kernel) -> None:
    kernel.ok("n = 1")
    kernel.ok("n = 2\n%kishu commit half way\nn = 3")
    messages = {each["message"]: each["id"] for each in kernel.done("log")["checkpoints"]}
    assert kernel.value("n") == 3
    kernel.done("checkout", target=messages["half way"])
    assert kernel.value("n") == 2
    kernel.done("checkout", target="main")
    assert kernel.value("n") == 3


def test_looking_in_the_middle_of_a_cell(kernel: Kernel) -> None:
    kernel.ok("n = 1")
    ran = kernel.ok("n = 2\n%kishu --json log\nn += 1")
    assert len(ran.results[0]["application/json"]["checkpoints"]) == 1  # this cell's comes when it has ended
    head = kernel.done("log")["checkpoints"][0]
    assert (head["execution_count"], head["modified"]) == (2, ["n"])
    assert kernel.value("n") == 3
    kernel.done("undo")
    assert kernel.value("n") == 1


def test_a_loop_of_travels(kernel: Kernel) -> None:
    """A script in a cell that visits every state: it goes on, whatever becomes of its variables."""
    for number in range(4):
        kernel.ok(f"n = {number}")
    ran = kernel.ok("for step in range(3):\n    %kishu undo\n    print('n is', n)")
    assert [line for line in ran.stdout.splitlines() if line.startswith("n is")] == ["n is 2", "n is 1", "n is 0"]
    assert kernel.value("n") == 0
    kernel.done("undo")
    assert kernel.value("n, 'step' in globals()") == (0, False)


def test_who_asks_how_to_undo_undoes_their_slip_and_not_the_question(kernel: Kernel) -> None:
    kernel.ok("x = [1]")
    kernel.ok("x.append(2)")
    kernel.ok("%kishu?")
    kernel.ok("?kishu")
    kernel.ok("%kishu undo")
    assert kernel.value("x") == [1]
