"""The site, made of the Markdown files of this repository: `scripts/docs`.

Sources begin at the root, so that the same links work here and in the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_site"))

from kishu_kernel import __version__

project = "kishu-kernel"
author = "kishu-kernel developers"
copyright = "kishu-kernel developers, BSD-3-Clause"
version = release = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "generated"]
root_doc = "docs/index"
include_patterns = ["docs/**", "benchmarks/results/*.md"]
include_patterns += [
    f"{name}.md" for name in ("ARCHITECTURE", "CHANGELOG", "CODE_OF_CONDUCT", "CONTRIBUTING", "SECURITY")
]
exclude_patterns = ["benchmarks/results/figures.md"]

myst_heading_anchors = 3
default_role = "code"  # docstrings have names between single backticks
nb_execution_mode = "off"  # the notebooks have their outputs; a test runs them
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "kishu-kernel"
html_logo = "../kernelspec/logo-svg.svg"
html_favicon = "../kernelspec/logo-svg.svg"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_extra_path = ["_site/index.html"]
html_show_sourcelink = False
html_copy_source = False
