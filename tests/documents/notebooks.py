"""The notebooks of the documents, run from top to bottom in the real kernel.

`python -m tests.documents.notebooks [NAME ...]` writes their outputs into them, as the site shows them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient

from tests.documents.pages import ROOT
from tests.kernel.driver import OneSpec, environment_of

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
COMMAND = [sys.executable, "-m", "kishu_kernel", "-f", "{connection_file}"]


def executed(path: Path, home: Path) -> Any:
    """The notebook with the outputs of a run in a new home."""
    notebook = nbformat.read(path, 4)
    manager = AsyncKernelManager(kernel_spec_manager=OneSpec(COMMAND))
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=120,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(home)}},
    )
    environment = environment_of(home, {"JPY_SESSION_NAME": str(home / path.name)})

    async def run() -> None:
        await client.async_execute(cleanup_kc=True, env=environment)

    asyncio.run(run())
    return notebook


def main() -> None:
    """Runs those that are named, or all of them, and writes them."""
    for path in (each for each in NOTEBOOKS if not sys.argv[1:] or each.stem in sys.argv[1:]):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
            notebook = executed(path, Path(home))
        for cell in notebook.cells:
            for output in cell.get("outputs", ()):
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        nbformat.write(notebook, path)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
