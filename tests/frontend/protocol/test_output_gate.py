"""What leaves a store that somebody else wrote to is text and pictures, whatever is in it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kishu_kernel.frontend.protocol.notebook_export import as_notebook
from kishu_kernel.frontend.protocol.output_gate import note, shown
from tests.store.values import trivial

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff" + bytes(20)).decode()
SCRIPT = "<script>alert(1)</script>"
HOSTILE = {
    "script": {"text/html": SCRIPT},
    "handler": {"text/html": "<img src=x onerror=alert(1)>"},
    "link": {"text/html": "<a href='javascript:alert(1)'>x</a>"},
    "frame": {"text/html": "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>"},
    "overlay": {"text/html": "<style>body{display:none}</style><div style='position:fixed;inset:0'>"},
    "javascript": {"application/javascript": "alert(1)"},
    "svg": {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"},
    "widget": {"application/vnd.jupyter.widget-view+json": {"model_id": "a", "version_major": 2}},
    "vendor": {"application/vnd.bokehjs_exec.v0+json": "", "application/vnd.plotly.v1+json": {"data": []}},
    "pdf": {"application/pdf": "JVBERi0xLjQK"},
    "case": {"TEXT/HTML": SCRIPT, "text/html ": SCRIPT, "text/html;charset=utf-8": SCRIPT},
    "unknown": {"application/x-to-come": SCRIPT},
}


def displayed(data: Any, kind: str = "display_data", **more: Any) -> dict[str, Any]:
    return {"output_type": kind, "data": data, "metadata": {"isolated": False, **more}}


def strange(*outputs: Any, trusted: bool = True) -> list[dict[str, Any]]:
    return shown(replace(trivial(1), outputs=outputs, trusted=trusted, outputs_trusted=not trusted))


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("kind", ["display_data", "execute_result"])
@pytest.mark.parametrize("trusted", [True, False], ids=["a record of ours", "no record of ours"])
def test_what_runs_is_not_shown(data: dict[str, Any], kind: str, trusted: bool) -> None:
    (output,) = strange(displayed(data, kind), trusted=trusted)
    assert list(output["data"]) == ["text/plain"]
    assert output["data"]["text/plain"].startswith("(an output that is not shown: ")
    assert output["metadata"] == {}
    (beside,) = strange(displayed({**data, "text/plain": "3", "image/png": PNG}, kind), trusted=trusted)
    assert beside["data"] == {"text/plain": "3", "image/png": PNG}


@pytest.mark.parametrize(
    "data",
    [
        {"text/markdown": f"# hi {SCRIPT}"},
        {"text/latex": "$\\href{javascript:alert(1)}{x}$"},
        {"text/markdown": ["[x](java", "script:alert(1))"]},
    ],
)
def test_what_becomes_html_is_shown_as_it_is_written(data: dict[str, Any]) -> None:
    (output,) = strange(displayed(data))
    (source,) = data.values()
    assert output["data"] == {"text/plain": "".join(source)}


def test_json_is_text() -> None:
    (output,) = strange(displayed({"application/json": {"a": [1, SCRIPT]}}))
    assert json.loads(output["data"]["text/plain"]) == {"a": [1, SCRIPT]}


@pytest.mark.parametrize(
    ("kind", "value", "passes"),
    [
        ("image/png", PNG, True),
        ("image/png", PNG[:20] + "\n" + PNG[20:], True),
        ("image/jpeg", [JPEG[:8], JPEG[8:]], True),
        ("image/gif", base64.b64encode(b"GIF89a").decode(), True),
        ("image/png", JPEG, False),
        ("image/png", base64.b64encode(b"<svg onload='alert(1)'/>").decode(), False),
        ("image/png", "' onerror='alert(1)", False),
        ("image/png", f"{PNG}' onerror='alert(1)", False),
        ("image/png", {"x": 1}, False),
        ("image/webp", PNG, False),
        ("image/svg+xml", PNG, False),
    ],
)
def test_a_picture_is_one_by_its_bytes(kind: str, value: Any, passes: bool) -> None:
    (output,) = strange(displayed({kind: value, "text/plain": "alt"}))
    if passes:
        assert base64.b64decode(output["data"].pop(kind)) == base64.b64decode("".join(value))
    assert output["data"] == {"text/plain": "alt"}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2Jgone\x07", "gone\\x07"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("10%\r50%\r100%\n\tdone\r\n", "100%\n    done\n"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_a_terminal_obeys_nothing(text: str, seen: str) -> None:
    outputs = strange(
        {"output_type": "stream", "name": "stdout", "text": text},
        {"output_type": "error", "ename": text, "evalue": text, "traceback": [text]},
        displayed({"text/plain": text}),
    )
    assert outputs[0]["text"] == outputs[2]["data"]["text/plain"] == seen
    assert outputs[1] == {"output_type": "error", "ename": seen, "evalue": seen, "traceback": [seen]}


def test_ours_are_as_they_were() -> None:
    outputs = (displayed({"text/html": SCRIPT}), {"output_type": "stream", "name": "stdout", "text": "\x1b[31m"})
    own = replace(trivial(1), outputs=outputs)
    assert shown(own) == list(outputs)
    assert note([own], "store") is None
    assert note([replace(trivial(1), trusted=False)], "store") is None  # it showed nothing
    told = note([own, replace(own, outputs_trusted=False)], "a\x1bstore")
    assert told is not None
    assert "`jupyter kishu trust a\\x1bstore`" in told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "output_type": st.sampled_from(["stream", "error", "display_data", "execute_result"]) | JSON,
        **dict.fromkeys(("name", "text", "ename", "evalue", "traceback", "metadata", "execution_count"), JSON),
        "data": JSON | st.dictionaries(st.sampled_from(["text/html", "text/plain", "image/png", "x"]), JSON),
    },
)


@given(st.lists(FIELDS | JSON, max_size=4))
def test_whatever_is_there_it_is_shown_as_a_notebook_has_it(outputs: list[Any]) -> None:
    found = strange(*outputs)
    assert all(set(each.get("data", ())) <= {"text/plain", "image/png", "image/jpeg", "image/gif"} for each in found)
    cell = replace(trivial(1), outputs=tuple(outputs), outputs_trusted=False)
    nbformat.validate(nbformat.from_dict(as_notebook([cell], note([cell], "store"))))


def test_an_exported_notebook_says_it_first() -> None:
    cell = replace(trivial(1), outputs=(displayed({"text/html": SCRIPT}),), outputs_trusted=False)
    said, shown_again = as_notebook([cell], note([cell], f"/a`{SCRIPT}"))["cells"]
    assert "jupyter kishu trust /a'&lt;script&gt;" in said["source"]
    assert SCRIPT not in json.dumps(said)
    assert SCRIPT not in json.dumps(shown_again)


def test_no_name_becomes_html() -> None:
    names = (f"x{SCRIPT}", "y`<b>`", "z\n\n<i>")
    (told,) = as_notebook([replace(trivial(1, code=""), created=names, trusted=False)])["cells"]
    assert "<" not in told["source"]
    assert told["source"].count("`") == 2 * len(names)
