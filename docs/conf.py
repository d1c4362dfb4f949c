"""How Sphinx builds these pages: `.venv/bin/sphinx-build -W docs build/docs`."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from plugin.version import __version__  # noqa: E402 - needs the path above

project = "coreset label cleaning"
author = "the contributors"
copyright = "the contributors, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3

# The reference documents names and texts: it needs none of the big libraries for that.
autodoc_mock_imports = ["fiftyone", "label_studio_sdk", "torch", "torchvision"]
default_role = "code"  # single backticks in docstrings, as in Markdown
autodoc_typehints = "none"  # the docstrings say it better
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sphinx = False
