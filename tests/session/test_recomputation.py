"""What a cell says of itself in a comment."""

from __future__ import annotations

import pytest

from kishu_kernel.errors import CheckoutError
from kishu_kernel.history.annotations import cell_annotations
from tests.support.harness import Notebook

START = "import numpy as np\nfrom time import sleep\nstart = 3"
MAKE = "# kishu: deterministic\nbig = np.zeros(8_000_000); big[:9] = start"
SLOW = f"{MAKE}\nsleep(0.5)"
SMALL = "# kishu: deterministic\nsmall = start + 1"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x = 1", set()),
        ("# kishu: deterministic", {"deterministic"}),
        ("x = 1\n  #kishu: no-replay , deterministic\n", {"no-replay", "deterministic"}),
        ("x = '# kishu: deterministic'", set()),
        ("x = 1  # kishu: deterministic", set()),
    ],
)
def test_a_comment_of_its_own_line(code: str, words: set[str]) -> None:
    assert cell_annotations(code) == words


@pytest.fixture
def notebook() -> Notebook:
    notebook = Notebook()
    notebook.ok(START)
    return notebook


def test_a_deterministic_cell_is_rerun_where_that_is_quicker_than_storing() -> None:
    notebook = Notebook()
    notebook.ok(START)
    made = notebook.ok(MAKE)
    assert made.payload_bytes < 1000
    assert "quicker to re-run" in str(made.record(("big",)).reason)
    was = notebook.describe()
    notebook.ok("del big; start = 4")
    notebook.session.undo()
    assert notebook.reran == [MAKE]
    assert notebook.describe() == was


def test_its_results_are_stored_where_they_are_cheap_to_have() -> None:
    notebook = Notebook()
    notebook.ok(START)
    assert notebook.ok(SMALL).record(("small",)).stored
    assert notebook.ok(SLOW).record(("big",)).stored


def test_a_chain_of_reruns_is_as_dear_as_all_of_it() -> None:
    notebook = Notebook()
    notebook.ok(START)
    notebook.ok(MAKE)
    notebook.ok("# kishu: deterministic\nmore = big + 1")
    more = "# kishu: deterministic\nsleep(0.05); more = more + 1"
    stored = [notebook.ok(more).record(("more",)).stored for _ in range(9)]
    assert set(stored) == {True, False}
    since = stored[::-1].index(True)
    was = notebook.describe()
    notebook.ok("more = None")
    notebook.session.undo()
    assert notebook.reran == [more] * since
    assert notebook.describe() == was


@pytest.mark.parametrize("line", ["1 / 0", "open('/dev/null', 'w').close()"])
def test_a_cell_that_failed_or_writes_files_is_stored_whatever_it_says(line: str) -> None:
    notebook = Notebook()
    notebook.ok(START)
    made = notebook.run(f"{MAKE}\n{line}")
    assert made is not None
    assert made.record(("big",)).stored


def test_no_replay() -> None:
    notebook = Notebook()
    notebook.ok("# kishu: no-replay\nnumbers = (n for n in range(3))")
    notebook.ok("del numbers")
    with pytest.raises(CheckoutError, match="its cell says `# kishu: no-replay`"):
        notebook.session.undo()
    assert notebook.reran == []


def test_a_cell_that_is_never_to_be_rerun_is_stored_however_deterministic(notebook: Notebook) -> None:
    assert notebook.ok(f"# kishu: no-replay\n{MAKE}").record(("big",)).stored


def test_what_is_made_of_something_that_was_not_stored_is_stored(notebook: Notebook) -> None:
    notebook.ok("numbers = (number for number in range(3))")
    made = notebook.ok("# kishu: deterministic\nbig = np.full(8_000_000, next(numbers))")
    assert made.record(("big",)).stored


def test_no_chain_is_longer_than_a_plan_can_hold(notebook: Notebook) -> None:
    notebook.ok("small = np.zeros(1_000_000)")
    stored = [notebook.ok("# kishu: deterministic\nsmall[0] += 1").record(("small",)).stored for _ in range(30)]
    assert sum(stored) >= 1
    notebook.ok("small = None")
    notebook.session.undo()
    assert notebook["small"][0] == 30
