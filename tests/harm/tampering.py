"""Writing to a store as somebody does who has its file and not its user's key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.format import schema

HOSTILE: dict[str, dict[str, Any]] = {
    "script": {"text/html": "<script>window.pwned = 1</script>"},
    "handler": {"text/html": "<img src=x onerror='window.pwned = 1'>"},
    "details": {"text/html": "<details open ontoggle='window.pwned = 1'><summary>x</summary></details>"},
    "link": {"text/html": "<a id=pwned-link href='javascript:window.pwned = 1'>Read more</a>"},
    "frame": {"text/html": "<iframe srcdoc='<script>parent.pwned = 1</script>'></iframe>"},
    "overlay": {"text/html": "<style>*{visibility:hidden}</style><div id=pwned style='position:fixed;inset:0'></div>"},
    "form": {"text/html": "<form id=pwned action='javascript:window.pwned = 1'><button autofocus>Go</button></form>"},
    "javascript": {"application/javascript": "window.pwned = 1"},
    "svg": {
        "image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' onload='window.pwned = 1'><rect id='pwned'/></svg>"
    },
    "markdown": {"text/markdown": "<img src=x onerror='window.pwned = 1'> [x](javascript:window.pwned=1)"},
    "latex": {"text/latex": "$\\href{javascript:window.pwned = 1}{x}$"},
    "picture": {"image/png": "x' onerror='window.pwned = 1"},
    "bokeh": {"application/vnd.bokehjs_exec.v0+json": "", "application/javascript": "window.pwned = 1"},
    "vega": {"application/vnd.vega.v5+json": {"signals": [{"name": "x", "init": "window.pwned = 1"}]}},
    "widget": {"application/vnd.jupyter.widget-view+json": {"model_id": "0", "version_major": 2}},
    "pdf": {"application/pdf": "JVBERi0xLjQK"},
}
"""Displays that would run something, or cover what is there."""


def rows(store: Path, table: str) -> dict[bytes, bytes]:
    """All that a table holds."""
    with environment_pool.opened(store) as env, env.reading() as txn, txn.cursor(db=env.tables[table]) as cursor:
        return {bytes(key): bytes(value) for key, value in cursor}


def put(store: Path, table: str, values: Mapping[bytes, bytes]) -> None:
    """Puts rows into a table, in the place of those that have the same keys."""
    with environment_pool.opened(store) as opened:

        def work(txn: Any) -> None:
            for key, value in values.items():
                txn.put(key, value, db=opened.tables[table])

        opened.write(work)


def remove(store: Path, table: str) -> None:
    """Removes all rows of a table."""
    with environment_pool.opened(store) as opened:
        opened.write(lambda txn: txn.drop(opened.tables[table], delete=False))


def displays(*datas: Mapping[str, Any]) -> bytes:
    """Outputs as they are stored, without a mark."""
    outputs = [{"output_type": "display_data", "data": data, "metadata": {}} for data in datas]
    return json.dumps(outputs).encode() + schema.NO_SIGNATURE
