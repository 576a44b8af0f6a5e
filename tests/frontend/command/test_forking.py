"""`jupyter kishu fork` and `forks`: kernels that go on beside a notebook until somebody ends them."""

from __future__ import annotations

from pathlib import Path

from kishu_kernel.client import connect
from kishu_kernel.store.catalog.running_kernels import is_process_running, runtime_directory
from tests.client.test_client import kernel, start
from tests.client.test_forks import key, text
from tests.frontend.command.commanding import in_json, ok, refused
from tests.kernel.driver import Kernel

__all__ = ["kernel", "key", "start"]  # fixtures


def test_from_a_live_notebook_and_from_one_at_rest(kernel: Kernel) -> None:
    kernel.ok("xs = [1]")
    kernel.ok("xs.append(2)")
    assert "No fork runs" in ok("forks")
    said = ok("fork", "book.ipynb", "--at", "In[1]")
    [live] = in_json("forks")["forks"]
    assert (
        f"{live['branch']}, in {live['state']}\n  jupyter console --existing {Path(live['connection_file']).name}"
        in said
    )
    kernel.done("hibernate")
    kernel.close(gracefully=True)
    rest = in_json("fork", "book.ipynb", "-n", "2")["forks"]
    for number, (each, xs) in enumerate(zip((live, *rest), ([1], [1, 2], [1, 2]), strict=True)):
        with connect(Path(each["connection_file"]).name) as k:
            assert text(k.run(f"print(xs); xs.append({number * 10})")) == f"{xs}\n"
    assert "no kernel" in refused("undo", "book.ipynb")  # a fork does not answer for it
    listed = in_json("forks")["forks"]
    assert {each["branch"] for each in listed} == {live["branch"], *(each["branch"] for each in rest)}
    assert all(each["notebook"] == str(Path("book.ipynb").resolve()) and each["memory"] > 1e7 for each in listed)
    assert "no fork nowhere" in refused("forks", "--end", "nowhere")
    twice = "--end", live["branch"], "--end", Path(live["connection_file"]).name
    assert ok("forks", *twice) == f"Ended 1 fork: {live['branch']}.\n"
    assert "no fork nowhere" in refused("forks", "--end-all", "--end", "nowhere")
    assert "3 forks" not in ok("forks")
    ok("forks", "--end-all")
    assert not any(is_process_running(each["pid"]) for each in listed)
    assert not list(runtime_directory().glob("*fork*"))
    assert {each["branch"] for each in listed} <= set(in_json("branch", "book.ipynb")["branches"])


def test_what_cannot_be_forked_is_one_sentence(kernel: Kernel) -> None:
    assert "no state yet" in refused("fork", "book.ipynb")
    kernel.ok("x = 1")
    assert "nothing-such" in refused("fork", "book.ipynb", "--at", "nothing-such")
    assert not list(runtime_directory().glob("*fork*"))
