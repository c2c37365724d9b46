"""The static site: chapters with their stored outputs, ledger, pages, API; nothing is executed."""

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import xaihelpers  # noqa: E402

project = "xaihelpers"
author = "the xaihelpers authors"
release = version = xaihelpers.__version__
extensions = [
    "myst_nb",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",
]

# The source is the repository itself, so that every link between its files holds on the site, too.
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "docs/api/*.rst",
    "notebooks/[0-9]*.ipynb",
    "notebooks/README.md",
    "results/claims.md",
    "results/summary.md",
    "data/README.md",
]
exclude_patterns = [".*", "build", "data/cache", "tests", "*.egg-info"]

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # widgets are shown by the picture stored beside them; no script is fetched
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", 95)]
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]

apidoc_modules = [
    {
        "path": str(ROOT / "xaihelpers"),
        "destination": "docs/api",
        "module_first": True,
        "automodule_options": {"members", "show-inheritance"},
        "exclude_patterns": ["**/__main__.py"],
    }
]
default_role = "code"
napoleon_use_ivar = True
viewcode_follow_imported_members = False  # a re-exported alias has no source of its own
autodoc_typehints = "signature"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = f"xaihelpers {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_additional_pages = {"index": "start.html"}
html_copy_source = False
html_show_sourcelink = False


SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields|Example|Examples):\n")


def plain(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text: stars, bars and trailing underscores are no markup, lines stay."""
    text = re.sub(r"([*|])", r"\\\1", "\n".join(lines))
    text = re.sub(r"(\w)_(?=\W|$)", r"\1\_", text)
    paragraphs = [
        re.sub("^", "| ", part, flags=re.M) if "\n " in part and not SECTION.match(part) else part
        for part in text.split("\n\n")
    ]
    lines[:] = "\n\n".join(paragraphs).split("\n")


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", plain, priority=400)  # before napoleon reads it
