"""Every block of code of the documents is run: cells in a kernel of each page, commands beside it in a scratch home."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from traitlets.config.loader import PyFileConfigLoader

from tests.documents.pages import PAGES, ROOT, Block, blocks, name_of
from tests.frontend.command.commanding import write_notebook
from tests.kernel.driver import Kernel, environment_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NOTEBOOK = "analysis.ipynb"
"""The notebook that a page's kernel belongs to, and that its commands and scripts name."""


class Scene:
    """What the blocks of a page act on: a home, a notebook in it, and that notebook's kernel, when it is needed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.shown = ""
        self._kernel: Kernel | None = None
        programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = environment_of(home, {"HOME": str(home), "PATH": programs})
        write_notebook(home / NOTEBOOK)

    def close(self) -> None:
        if self._kernel is not None:
            self._kernel.close()

    @property
    def kernel(self) -> Kernel:
        """Started when it is first asked for."""
        if self._kernel is None:
            notebook = {"JPY_SESSION_NAME": str(self.home / NOTEBOOK), "HOME": str(self.home)}
            self._kernel = Kernel(self.home, environment=notebook)
        return self._kernel

    def cell(self, block: Block) -> None:
        ran = self.kernel.run(block.code.rstrip("\n"))
        expected = "error" if block.kind == "raises" else "ok"
        assert ran.status == expected, "\n".join(ran.reply.get("traceback", [])) or ran.text
        self.shown = ran.text

    def command(self, block: Block) -> None:
        done = self._run(["bash", "-euo", "pipefail", "-c", block.code])
        assert (done.returncode != 0) == (block.kind == "raises"), done.stdout + done.stderr
        self.shown = done.stdout

    def script(self, block: Block) -> None:
        done = self._run([sys.executable, "-W", "ignore::DeprecationWarning", "-c", block.code])
        assert done.returncode == 0, done.stderr
        self.shown = done.stdout

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        assert self.kernel
        return subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    home = tmp_path / "home"
    home.mkdir()
    made = Scene(home)
    yield made
    made.close()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_shows_works(page: Path, scene: Scene) -> None:
    for block in blocks(page.read_text("utf-8")):
        try:
            done(block, scene)
        except Exception as error:
            raise AssertionError(f"{name_of(page)}, line {block.line}: {error}\n\n{block.code}") from error


def done(block: Block, scene: Scene) -> None:
    """Runs or checks a block, as its language and the comment before it say."""
    if block.kind == "restart":
        scene.kernel.restart()
    elif block.kind == "config":
        check_configuration(block.code, scene.home)
    elif block.language == "python":
        if block.kind == "syntax":
            ast.parse(TransformerManager().transform_cell(block.code))
        elif block.kind == "client":
            scene.script(block)
        else:
            scene.cell(block)
    elif block.language == "bash":
        if block.kind == "syntax":
            check_commands(block.code)
        else:
            scene.command(block)
    elif block.language == "text":
        assert same(scene.shown, block.code), f"it shows\n{scene.shown}"
    elif block.language == "json":
        json.loads(block.code)
    elif block.language == "toml":
        tomllib.loads(block.code)
    elif block.language not in ("{toctree}", "{eval-rst}"):
        raise AssertionError(f"no test knows what to do with {block.language or 'a block without a language'}")


def same(shown: str, expected: str) -> bool:
    """Whether it shows what the page says; `...` stands for any text."""
    pattern = ".*".join(re.escape(part) for part in re.split(r"\.\.\.", expected.strip()))
    return re.fullmatch(pattern, shown.strip(), re.DOTALL) is not None


def check_commands(code: str) -> None:
    """That a shell can read it, and that there are such programs and scripts, as far as they are ours or Jupyter's."""
    subprocess.run(["bash", "-n", "-c", code], check=True)
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words = words[1:]
        if words and words[0].startswith("scripts/"):
            assert (ROOT / words[0]).is_file(), words[0]
        if words and words[0] == "jupyter":
            found = shutil.which(f"jupyter-{words[1]}", path=str(Path(sys.executable).parent))
            assert found or words[1].startswith("-"), f"there is no jupyter {words[1]}"


def check_configuration(code: str, home: Path) -> None:
    """That Jupyter reads it, and that our classes have these settings."""
    from tests.documents.test_names import SETTINGS

    (home / "config.py").write_text("c = get_config()\n" + code)
    with suppress(FileNotFoundError):
        config = PyFileConfigLoader("config.py", str(home)).load_config()
    for section, values in config.items():
        if section in SETTINGS:
            assert set(values) <= SETTINGS[section], f"{section} has no {set(values) - SETTINGS[section]}"
