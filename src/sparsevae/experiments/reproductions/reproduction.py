"""What a reproduction is: runs, and the published values that they are held against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sparsevae.training.config import StudyConfig


@dataclass(frozen=True)
class Value:
    """One number of ours, in the unit of the published one beside it.

    Attributes:
        study: which of the reproduction's studies it is from.
        model: a row of the table of models.
        latents: J.
        metric: a name in metrics.json.
        quantity: what it is, and its unit.
        published: the published number; words where there is only a figure or a remark, None
            where nothing was given.
        factor: what the metric is multiplied by to have the published unit.
        note: one remark about this value.
    """

    study: str
    model: str
    latents: int
    metric: str
    quantity: str
    published: float | str | None = None
    factor: float = 1.0
    note: str = ""


def nothing(out: Path) -> None:
    """What a reproduction without pictures draws."""


@dataclass(frozen=True)
class Reproduction:
    """A named list of runs, and a table.

    Attributes:
        name: what the command line knows it by.
        source: whose results they are, one sentence.
        studies: grids of runs by the name of their folder.
        values: rows of the table.
        defects: what is known to be wrong with the published values, a sentence each.
        differences: what we do otherwise, a sentence each.
        draw: draws pictures into the folder when all runs are done.
    """

    name: str
    source: str
    studies: Mapping[str, StudyConfig]
    values: tuple[Value, ...]
    defects: tuple[str, ...]
    differences: tuple[str, ...]
    draw: Callable[[Path], None] = nothing
