"""How the documentation is built: `nox -s docs`."""

from __future__ import annotations

from importlib import metadata

project = "omniedit"
author = "the omniedit authors"
project_copyright = "2026, the omniedit authors"
release = version = metadata.version("omniedit")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
default_role = "code"  # docstrings quote names with single backticks
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "omniedit"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
nitpicky = False  # annotations name classes of other packages, whose inventories would have to be fetched
