"""How Sphinx makes the site: ``make docs``, with warnings as errors and nothing fetched."""

import atexit
import logging
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import autoapi._parser
from autoapi._astroid_utils import is_local_import_from

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the notebooks, as everywhere else
os.environ["PYTHONPATH"] = f"{ROOT / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"

from sparsevae._version import __version__  # noqa: E402
from sparsevae.explorer.static import write_static  # noqa: E402
from sparsevae.runs import bundled  # noqa: E402

# Kernels of notebooks start from this, not from what a user has set for IPython.
PROFILE = Path(tempfile.mkdtemp(prefix="sparsevae-docs-"), "profile_default")
PROFILE.mkdir()
(PROFILE / "ipython_kernel_config.py").write_text("get_config().IPKernelApp.log_level = 40\n")
os.environ["IPYTHONDIR"] = str(PROFILE.parent)
atexit.register(shutil.rmtree, PROFILE.parent, ignore_errors=True)

logging.getLogger("traitlets").setLevel(logging.WARNING)  # it tells of every notebook

project, author, release = "sparsevae", "the sparsevae developers", __version__
project_copyright = "2026, the sparsevae developers. MIT licence"
extensions = [
    "myst_nb",
    "autoapi.extension",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints", "jupyter_execute"]
nitpicky = False

# Markdown and notebooks: every notebook is executed at every build, and an error ends it.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_render_markdown_format = "myst"
suppress_warnings = [
    "mystnb.unknown_mime_type",
    "toc.not_included",  # decision records list themselves
    "autoapi.python_import_resolution",  # of private names
    "ref.python",  # words of NumPy's types, such as "shape", are no names of ours
]

# The public interface, read without importing it.
napoleon_google_docstring = napoleon_numpy_docstring = True
napoleon_use_ivar = True
napoleon_use_rtype = False
autoapi_dirs = [str(ROOT / "src" / "sparsevae")]
autoapi_root = "api"
autoapi_ignore = [f"*/sparsevae/{room}/*" for room in ("cli", "explorer", "experiments")]
autoapi_options = ["members", "imported-members", "show-inheritance"]
autoapi_own_page_level = "module"
autoapi_add_toctree_entry = False
autoapi_member_order = "groupwise"
autoapi_python_class_content = "class"
autodoc_typehints = "signature"
add_module_names = False
python_display_short_literal_types = True
python_maximum_signature_line_length = 88
maximum_signature_line_length = 88

html_theme = "furo"
html_title = "sparsevae"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#3f4fa0", "color-brand-content": "#3f4fa0"},
    "dark_css_variables": {"color-brand-primary": "#9fb0ff", "color-brand-content": "#9fb0ff"},
}

copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True

PUBLIC = re.compile(
    r"sparsevae(\.data|\.errors|\.metrics(\.\w+)?"
    r"|\.models(\.distributions|\.likelihoods|\.priors|\.schedules)?"
    r"|\.report\.(figures|plots))?"
)
"""Modules that have a page; where a module has ``__all__``, with the names in there."""


def imports_for_types(parser: Any, node: Any) -> list[dict[str, Any]]:
    """Read the imports below ``if TYPE_CHECKING``: the package loads its names lazily."""
    entries = [
        entry
        for child in node.body
        if is_local_import_from(child, "sparsevae")
        and child.modname not in ("sparsevae", "sparsevae.report")  # those are modules
        for entry in parser._parse_local_import_from(child)
    ]
    for entry in entries:
        home = entry["original_path"]
        if (ROOT / "src" / f"{home.replace('.', '/')}.py").is_file():
            entry["original_path"] = f"{home}.{entry['name']}"  # evaluate of evaluate.py
    return entries


autoapi._parser.Parser.parse_if = imports_for_types


def skip(app: Any, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool:
    """Whether a module or a name has no place in the interface's pages."""
    if what in ("module", "package"):
        return not PUBLIC.fullmatch(name)
    return skipped


def plain(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep |z| from being a substitution, "J." from being a list, and heads without a colon."""
    for place, line in enumerate(lines):
        under = lines[place + 1].strip() if place + 1 < len(lines) else ""
        if line.strip() in ("Examples:", "Returns:") and set(under) == {"-"}:
            line = line.replace(":", "")
        line = re.sub(r"\|(\w+)\|", r"\\|\1\\|", line)
        lines[place] = re.sub(r"^( *\w+: [A-Z])\.$", r"\1\\.", line)


def write_explorer(app: Any, error: Exception | None) -> None:
    """Put the explorer of the model that comes with the package beside the pages."""
    if error is None and app.builder.format == "html":
        logging.disable(logging.INFO)  # the export to ONNX tells of every node
        model, page = bundled.place("mnist-vsc-64"), Path(app.outdir, "live_explorer.html")
        write_static([model], page)


def setup(app: Any) -> None:
    """Connect the choice of names and the explorer's page."""
    app.connect("build-finished", write_explorer)
    app.connect("autoapi-skip-member", skip)
    app.connect("autodoc-process-docstring", plain, priority=100)  # before napoleon
