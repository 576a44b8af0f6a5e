"""The colours of VS Code: what `%kishu` displays can be read in each of the themes that it comes with.

A page in JupyterLab stands in for VS Code's: it has JupyterLab's variables, as VS Code's Jupyter extension sets some of
them, always to the same values, and here gets those of VS Code. The contrast is computed of what the browser draws.
"""

from __future__ import annotations

import pytest

pytest.importorskip("playwright", reason="playwright drives the browser")
pytest.importorskip("jupyterlab", reason="the pages are JupyterLab's")

from playwright.sync_api import Page, expect

from .conftest import OpenNotebook, Shoot

READABLE = 4.5
"""WCAG 2.2, level AA, of text in this size."""

MEANT = (
    *("editor-background", "sideBar-background", "foreground", "editor-foreground", "descriptionForeground"),
    *("panel-border", "focusBorder", "textLink-foreground", "gitDecoration-addedResourceForeground"),
    *("gitDecoration-modifiedResourceForeground", "gitDecoration-deletedResourceForeground"),
    *("symbolIcon-keywordForeground", "debugTokenExpression-string", "debugTokenExpression-number"),
)
DARK_GIT = ("#81b88b", "#e2c08d", "#c74e39")
LIGHT_GIT = ("#587c0c", "#895503", "#ad0707")
THEMES = {
    "dark-modern": (
        *("#1f1f1f", "#181818", "#cccccc", "#cccccc", "#9d9d9d", "#2b2b2b", "#0078d4", "#4daafc"),
        *(*DARK_GIT, "#cccccc", "#ce9178", "#b5cea8"),
    ),
    "dark-plus": (
        *("#1e1e1e", "#252526", "#cccccc", "#d4d4d4", "rgba(204, 204, 204, 0.7)", "rgba(128, 128, 128, 0.35)"),
        *("#007fd4", "#3794ff", *DARK_GIT, "#cccccc", "#ce9178", "#b5cea8"),
    ),
    "light-modern": (
        *("#ffffff", "#f8f8f8", "#3b3b3b", "#3b3b3b", "#3b3b3b", "#e5e5e5", "#005fb8", "#005fb8"),
        *(*LIGHT_GIT, "#3b3b3b", "#a31515", "#098658"),
    ),
    "light-plus": (
        *("#ffffff", "#f3f3f3", "#616161", "#000000", "#717171", "rgba(128, 128, 128, 0.35)", "#0090f1", "#006ab1"),
        *(*LIGHT_GIT, "#616161", "#a31515", "#098658"),
    ),
    "high-contrast": (
        *("#000000", "#000000", "#ffffff", "#ffffff", "rgba(255, 255, 255, 0.7)", "#6fc3df", "#f38518", "#21a6ff"),
        *("#a1e3ad", "#e2c08d", "#c74e39", "#ffffff", "#f48771", "#89d185"),
    ),
    "high-contrast-light": (
        *("#ffffff", "#ffffff", "#292929", "#292929", "rgba(41, 41, 41, 0.7)", "#0f4a85", "#006bbd", "#0f4a85"),
        *("#374e06", "#895503", "#ad0707", "#292929", "#a31515", "#098658"),
    ),
}

EXTENSION = """
:root { --jp-content-font-color1: black; --jp-ui-font-color1: black; --jp-layout-color1: white; }
.jp-Notebook, .jp-Notebook .jp-Cell, .jp-OutputArea-output { background: var(--vscode-editor-background) !important; }
.cell-output-ipywidget-background { background: white !important; }
"""
"""What it sets whatever the theme, and what an output lies on."""

WEAK = """
() => {
  const brush = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (text) => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = text;
    brush.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((each, at) => each * a + under[at] * (1 - a));
  const light = (colour) => {
    const [r, g, b] = colour.map((each) => (each /= 255) <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const chain = (node) => (node ? [...chain(node.parentElement), node] : []);
  const found = [];
  let texts = 0;
  for (const root of document.querySelectorAll('[class^=kishu-v], .kishu-timeline')) {
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const text = walk.currentNode.textContent.trim();
      const node = walk.currentNode.parentElement;
      const box = node.getBoundingClientRect();
      const unseen = node.closest('style, title, option, [disabled], .kishu-unseen') || !node.checkVisibility();
      if (!text || unseen || box.width < 2) continue;
      let ground = [255, 255, 255];
      let seen = 1;
      for (const each of chain(node)) {
        const style = getComputedStyle(each);
        seen *= +style.opacity;
        ground = over(rgba(style.backgroundColor), ground);
      }
      const [r, g, b, a] = rgba(getComputedStyle(node).color);
      const [low, high] = [light(over([r, g, b, a * seen], ground)), light(ground)].sort((one, two) => one - two);
      const contrast = (high + 0.05) / (low + 0.05);
      texts += 1;
      const where = `${node.className || node.tagName}: ${text.slice(0, 40)}`;
      if (contrast < LEAST) found.push(`${contrast.toFixed(2)} ${where}`);
    }
  }
  return { texts, found: [...new Set(found)] };
}
""".replace("LEAST", str(READABLE))
"""How many texts of ours are drawn, and those that cannot be read well."""

GROUND = "node => getComputedStyle(node.closest('.jp-OutputArea-output')).backgroundColor"
"""What the panel lies on."""


def put_on(page: Page, theme: str) -> None:
    """The page has both sets of variables from now on."""
    values = "".join(f"--vscode-{name}: {value};" for name, value in zip(MEANT, THEMES[theme], strict=True))
    page.evaluate(
        "text => { (window.worn ??= document.head.appendChild(document.createElement('style'))).textContent = text }",
        f"{EXTENSION} :root {{ {values} }}",
    )


def test_all_that_is_displayed_can_be_read_in_each_theme(open_notebook: OpenNotebook, shoot: Shoot) -> None:
    notebook = open_notebook()
    page = notebook.page
    notebook.run("# a comment\nimport io\nlines = ['one', 2.5, 3] if io else None\nopened = io.BytesIO(b'x')")
    notebook.run("lines.append('four'); nothing = None")
    notebook.run("def double(of):\n    return of * 2\ndel nothing\n1 / 0")
    notebook.run("%kishu tag baseline")
    notebook.run("%kishu undo")
    for command in ("log --all", "show In[1]", "diff main", "status", "variable lines", "search append", "help"):
        notebook.run(f"%kishu {command}")
    notebook.run("%kishu panel")
    region = page.get_by_role("region", name="Timeline of this notebook")
    expect(region.get_by_role("option")).to_have_count(3)
    region.get_by_role("option").filter(has_text="lines.append").click()
    region.get_by_role("button", name="Compare").click()
    region.evaluate("node => node.closest('.jp-OutputArea-output').classList.add('cell-output-ipywidget-background')")
    wrong = {}
    for theme in THEMES:
        put_on(page, theme)
        told = page.evaluate(WEAK)
        assert told["texts"] > 150
        if told["found"]:
            wrong[theme] = told["found"]
        assert region.evaluate(GROUND) == "rgba(0, 0, 0, 0)"  # not white
        shoot(f"vscode-{theme}")
    page.set_viewport_size({"width": 760, "height": 860})
    put_on(page, "dark-modern")
    for name, what in (("panel", region), ("log", page.locator("[class^=kishu-v]", has_text="3 states").first)):
        what.scroll_into_view_if_needed()
        expect(what).to_be_in_viewport()
        shoot(f"vscode-{name}-narrow")
    assert not wrong, "\n".join(f"{theme} {each}" for theme, all in wrong.items() for each in all)
