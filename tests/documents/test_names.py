"""The commands, magics, settings and variables that sentences of the documents name are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from runpy import run_path

import click
import pytest
from IPython.core.error import UsageError

from kishu_kernel.frontend.command.commands import commands
from kishu_kernel.frontend.magic.subcommands import BY_NAME, parsed
from tests.documents.pages import PAGES, ROOT, name_of

SETTINGS = {
    name: set(each.class_trait_names(config=True))
    for name, each in run_path(str(ROOT / "docs" / "_site" / "generated.py"))["sections"]().items()
}
SOURCES = "\n".join(each.read_text("utf-8") for each in (ROOT / "kishu_kernel").rglob("*.py"))

FORMS = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / "CITATION.cff", ROOT / ".pre-commit-config.yaml"]

every_page = pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md"], ids=name_of)


@every_page
def test_commands(page: Path) -> None:
    text = page.read_text("utf-8")
    for line in re.findall(r"`jupyter kishu ([^`\n]+)`|^jupyter kishu ([^\n#]+)", text, re.MULTILINE):
        name, *words = shlex.split(line[0] or line[1])
        if name.isupper():  # COMMAND
            continue
        known = {"-h", "--help"}
        if not name.startswith("-"):
            assert name in commands.commands, f"jupyter kishu {name}"
            known |= {flag for each in commands.commands[name].params for flag in (*each.opts, *each.secondary_opts)}
        else:
            words = [name, *words]
            known |= {flag for each in commands.get_params(click.Context(commands)) for flag in each.opts}
        unknown = {word.partition("=")[0] for word in words if word.startswith("-")} - known
        assert not unknown, f"jupyter kishu {name} has no {unknown}"


@every_page
def test_magics(page: Path) -> None:
    for line in re.findall(r"`%kishu ([^`\n]+)`|^%kishu ([^\n]+)", page.read_text("utf-8"), re.MULTILINE):
        words = (line[0] or line[1]).split()
        if len(words) == 1 and words[0] in BY_NAME:  # it is only named
            continue
        try:
            parsed([word for word in words if word != "--json"])
        except UsageError as error:
            pytest.fail(f"%kishu {' '.join(words)}: {error}")


@every_page
def test_settings_and_variables(page: Path) -> None:
    text = page.read_text("utf-8")
    named = re.findall(r"\bc\.(Kishu\w+)\.(\w+)", text)
    assert not [f"{section}.{name}" for section, name in named if name not in SETTINGS.get(section, ())]
    read = {"ipython_kernel_config.py", "jupyter_server_config.py", "jupyterhub_config.py"}
    assert set(re.findall(r"\b\w+_config\.py\b", text)) <= read, "no kernel and no server reads such a file"
    variables = set(re.findall(r"\bKISHU_[A-Z_]+\b", text))
    tests = {"KISHU_VENV", "KISHU_TEST_ARTIFACTS", "KISHU_LABEXTENSION", "KISHU_SHARES"}  # of scripts and builds
    assert not {name for name in variables - tests if name not in SOURCES}


@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_what_a_forge_reads_is_yaml(form: Path) -> None:
    yaml = pytest.importorskip("yaml")
    read = yaml.safe_load(form.read_text("utf-8"))
    if form.parent.name == "ISSUE_TEMPLATE" and form.stem != "config":
        assert {"name", "description", "body"} <= set(read)
        ids = [each["id"] for each in read["body"]]
        assert len(ids) == len(set(ids))
    if form.suffix == ".cff":
        assert read["preferred-citation"]["doi"] in (ROOT / "README.md").read_text("utf-8")
