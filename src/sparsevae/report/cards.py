"""A picture of a report: into a file, into the page, and into words for who cannot see it."""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sparsevae.errors import RunFolderError
from sparsevae.report import figures
from sparsevae.report.figures.grouping import model_title
from sparsevae.report.tables import collapsed
from sparsevae.runs.folder import RunFolder

PIXELS = 84  # on the screen for an inch of a figure, so that its small print stays readable


@dataclass(frozen=True)
class Card:
    """One picture with what stands around it.

    Attributes:
        title: over it; none when empty.
        flag: what a reader must know of the run.
        alternative: what it shows, in words.
        lines: sentences under it.
        numbers: a small table under it, headings first.
        source: the picture itself as a ``data:`` address; empty when there is none.
        width: on the screen.
        height: on the screen.
        missing: why there is no picture.
    """

    title: str = ""
    flag: str = ""
    alternative: str = ""
    lines: tuple[str, ...] = ()
    numbers: Sequence[Sequence[str]] = ()
    source: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures that are looked at together."""

    title: str
    about: str
    cards: tuple[Card, ...]


def one_each(runs: Iterable[RunFolder], draw: Callable[[RunFolder], Card]) -> tuple[Card, ...]:
    """A card for every run; where a picture cannot be drawn, the card says why."""
    return tuple(_titled(run, draw) for run in runs)


def _titled(run: RunFolder, draw: Callable[[RunFolder], Card]) -> Card:
    try:
        card = draw(run)
    except RunFolderError as error:
        card = Card(missing=str(error))
    row = run.metrics
    return replace(card, title=model_title(row["model"]), flag=collapsed([row]))


def printed(sheet: figures.Sheet, path: Path, alternative: str) -> Card:
    """Save a figure as PNG and SVG and put it on a card.

    Args:
        sheet: the figure.
        path: of its PNG file; the SVG file stands beside it.
        alternative: what it shows, in words.
    """
    content = figures.save(sheet, path).read_bytes()
    figures.save(sheet, path.with_suffix(".svg"))
    width, height = sheet.get_size_inches() * PIXELS
    return Card(
        alternative=alternative,
        source="data:image/png;base64," + base64.b64encode(content).decode("ascii"),
        width=round(width),
        height=round(height),
    )
