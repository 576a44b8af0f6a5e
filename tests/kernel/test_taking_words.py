"""`%kishu take` as people write it, and as they read it."""

from __future__ import annotations

import pytest

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.protocol.taken_words import take_request

from .driver import Kernel
from .test_magic import as_json, bundle, page, text, usage_error


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("df@In[3]", {"names": ["df"], "target": "In[3]"}),
        ("df@In [3]", {"names": ["df"], "target": "In[3]"}),
        ("df@baseline as df_old", {"names": ["df"], "target": "baseline", "as": {"df": "df_old"}}),
        ("df as old@HEAD~2", {"names": ["df"], "target": "HEAD~2", "as": {"df": "old"}}),
        ("a b@main", {"names": ["a", "b"], "target": "main"}),
        ("a@main as x b as y", {"names": ["a", "b"], "target": "main", "as": {"a": "x", "b": "y"}}),
        ("a b @main", {"names": ["a", "b"], "target": "main"}),
    ],
)
def test_what_words_mean(line: str, request_: object) -> None:
    assert take_request(line.split()) == request_


@pytest.mark.parametrize("line", ["df", "", "@main", "as x@main", "df@", "df@main as", "a@main b@other"])
def test_what_says_nothing(line: str) -> None:
    with pytest.raises(RequestError, match="NAME@TARGET"):
        take_request(line.split())


def test_it_is_taken_and_told(kernel: Kernel) -> None:
    kernel.ok("a = [1]; b = [a]")
    kernel.ok("a = b = None")
    assert text(kernel, "take a@In[1] --dry-run").splitlines() == [
        "would take a from In[1]",
        "  along, since they share objects: b",
    ]
    shown = text(kernel, "take a@In[1]")
    assert shown.startswith("took a from In[1] in ")
    assert "%kishu undo" in shown
    assert kernel.value("b[0] is a")
    assert text(kernel, "take a@In[1]").startswith("nothing has changed")
    kernel.ok("%kishu undo")
    assert kernel.value("(a, b)") == (None, None)
    taken = page(kernel, "take a@In[1] as old")
    assert "a as old" in taken
    assert as_json(kernel, "take b@In[1] as <b> --dry-run")["status"] == "error"
    assert as_json(kernel, "take b@In[1] as c --dry-run")["taken"] == ["b"]
    log = bundle(kernel, "log")["text/plain"]
    assert "took a as old from In[1]" in log


def test_it_is_refused_in_one_line(kernel: Kernel) -> None:
    kernel.ok("a = [1]")
    assert "no variable 'zz'" in usage_error(kernel.run("%kishu take zz@In[1]"))
    assert "NAME@TARGET" in usage_error(kernel.run("%kishu take a"))
    kernel.ok("# kishu: no-replay\ng = (n for n in [1])")
    kernel.ok("g = 0")
    assert "--allow-lost to take the rest" in usage_error(kernel.run("%kishu take g@In[4]"))
    help_ = text(kernel, "help take")
    assert "NAME@TARGET [as NEW]" in help_


def test_effects_are_asked_about(kernel: Kernel) -> None:
    kernel.ok("open('log', 'a').write('x'); g = iter((n for n in [1, 2]))")
    kernel.ok("g = None")
    ran = kernel.run("%kishu take g@In[1]", answers=["n"])
    assert "cancelled" in ran.stderr
    kernel.ok("%kishu take g@In[1]", answers=["y"])
    assert kernel.value("(next(g), open('log').read())") == (1, "xx")


def test_it_completes(kernel: Kernel) -> None:
    kernel.ok("frame = [1]")

    def offered(line: str) -> list[str]:
        reply = kernel.message("complete_request", {"code": line, "cursor_pos": len(line)})
        return list(reply["matches"])

    assert offered("%kishu take fr") == ["frame"]
    assert "frame@In[1]" in offered("%kishu take frame@I")


def test_in_a_cell_with_more(kernel: Kernel) -> None:
    kernel.ok("x = [1]")
    kernel.ok("x = [2]; y = 0")
    kernel.ok("y = 5\n%kishu take x@In[1]\nx.append(9)")
    assert kernel.value("(x, y)") == ([1, 9], 5)
    kernel.done("undo")
    assert kernel.value("(x, y)") == ([1], 5)
    kernel.done("undo")
    assert kernel.value("(x, y)") == ([2], 5)
