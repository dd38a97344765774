"""Runs of the same model and size belong together, whatever their seeds."""

from collections.abc import Iterable, Mapping
from typing import Any

from sparsevae.models import MODELS

Row = Mapping[str, Any]


def model_title(name: str) -> str:
    """How a model is called in pictures and tables.

    Example:
        >>> model_title("vsc-wu"), model_title("mine")
        ('VSC-WU', 'mine')
    """
    return MODELS[name].title if name in MODELS else name


def in_order(models: Iterable[str]) -> list[str]:
    """Every model once, as in the table of models; those that it does not know come last.

    Example:
        >>> in_order(["vsc", "mine", "ae", "vsc"])
        ['ae', 'vsc', 'mine']
    """
    table = list(MODELS)
    return sorted(
        set(models), key=lambda name: (table.index(name) if name in table else len(table), name)
    )


def model_place(name: str, models: Iterable[str]) -> int:
    """Which colour and marker a model has: the same in every figure, whoever is beside it.

    Args:
        name: of the model.
        models: all that the figure shows.

    Example:
        >>> model_place("vsc", ["vsc"]), model_place("mine", ["mine", "vsc"]) == len(MODELS)
        (2, True)
    """
    return in_order({*MODELS, *models}).index(name)


def by_model_and_size(rows: Iterable[Row]) -> dict[tuple[str, int], list[Row]]:
    """Rows of metrics by model and latent size, the seeds of each in one list.

    The keys go through the sizes from the smallest, and at every size through the models.
    """
    found = list(rows)
    sizes = sorted({int(row["latents"]) for row in found})
    models = in_order(str(row["model"]) for row in found)
    groups = {
        (model, size): [row for row in found if (row["model"], row["latents"]) == (model, size)]
        for size in sizes
        for model in models
    }
    return {key: seeds for key, seeds in groups.items() if seeds}
