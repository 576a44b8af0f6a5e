"""Commands as a person types them, and stores for them to work on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from kishu_kernel.frontend.command.commands import commands
from kishu_kernel.model import CheckpointId, SessionId, VariableInfo
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.catalog.assignment import claim_store
from tests.store.values import checkpoint_id, payload, record, trivial

ROOT = Path(__file__).resolve().parents[3]
LARGE = 300_000


def run(*arguments: object, **how: Any) -> Result:
    """A command, whatever becomes of it; a traceback is no answer."""
    result = CliRunner().invoke(commands, [str(each) for each in arguments], **how)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def ok(*arguments: object, **how: Any) -> str:
    """What a command says that must succeed."""
    result = run(*arguments, **how)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object, **how: Any) -> str:
    """The one sentence of a command that must fail."""
    result = run(*arguments, **how)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: "), result.output
    assert result.output.count("\n") == 1, result.output
    return result.output


def in_json(*arguments: object, status: int = 0) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.output[result.output.index("{") :])


def write_notebook(path: Path, *cells: str) -> Path:
    ids = cells or (f"{path.stem}-1", f"{path.stem}-2")
    listed = [{"cell_type": "code", "id": id, "source": "", "metadata": {}, "outputs": []} for id in ids]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": listed, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def noise(seed: int) -> bytes:
    """Bytes that cannot be compressed, so that they stand in the file as they are."""
    return random.Random(seed).randbytes(LARGE)


def fill(path: Path, states: int = 3) -> Path:
    """A history: each cell makes x anew; the second state has a tag, and a branch that is gone left another one."""
    store = LmdbStore(path)
    for number in range(1, states + 1):
        put(store, number, {"branch/main": checkpoint_id(number), "head/s": checkpoint_id(number)})
    store.update_refs({"tag/second": checkpoint_id(2)})
    put(store, 99, {}, parent=checkpoint_id(1))
    store.close()
    return path


def put(store: LmdbStore, number: int, refs: Mapping[str, CheckpointId], **changes: Any) -> None:
    made = replace(record(("x",), VariableInfo("x", "bytes", "...")), size=LARGE)
    checkpoint = replace(trivial(number, f"x = noise({number})"), versions=(made,), **changes)
    store.commit(checkpoint, [payload(noise(number))], refs)


def of(notebook: Path, base: Path, states: int = 3) -> Path:
    """The store of a notebook, with a history."""
    return fill(claim_store(base, str(notebook), SessionId("s")).path, states)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def program(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kishu_kernel.frontend.command.commands", *arguments]
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True, timeout=60)
