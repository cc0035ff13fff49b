"""Sphinx configuration: Markdown by MyST-NB, no network, and generated pages from the code itself."""

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "eqci_space"
author = "The eqci_space developers"
copyright = author  # without a year, so that builds repeat
release = version = importlib.metadata.version("eqci-space")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "generated_pages",
    "offline_check",
]
exclude_patterns = ["_build"]
# A docstring says "Replay" where two rooms have one; the link may lead to either.
suppress_warnings = ["ref.python"]

# The notebooks are run by the tests. `-D nb_execution_mode=force` puts their output into the pages.
nb_execution_mode = "off"
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "code"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "exclude-members": "set, model_config"}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"eqci_space {release}"
html_copy_source = False
html_last_updated_fmt = None
templates_path: list[str] = []
