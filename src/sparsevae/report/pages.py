"""Templates and style in, one self-contained HTML file out."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from sparsevae.report.groups import glossary
from sparsevae.storage.files import write_text


def write_page(path: Path, template: str, **contents: Any) -> Path:
    """Fill a template and write the page.

    Args:
        path: of the page.
        template: name of a file beside this module.
        contents: what the template names; the style and the definitions are given to all.

    Returns:
        The path.

    Raises:
        OutputError: the place cannot be written to.
    """
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_text),
    )
    page = environment.get_template(template)
    write_text(path, page.render(style=_text("style.css"), glossary=glossary(), **contents))
    return path


def _text(name: str) -> str:
    return files(__package__ or __name__).joinpath(name).read_text(encoding="utf-8")
