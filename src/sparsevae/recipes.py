"""Named sets of defaults: what a study trains its models with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparsevae.config import RunConfig, StudyConfig
from sparsevae.errors import ConfigurationError
from sparsevae.models import row
from sparsevae.priors import default_alpha

JSON = Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """How models are trained.

    Attributes:
        about: one sentence for a reader of the report.
        learning_rate: a schedule as JSON, or a constant number.
        arguments: arguments of the models' classes, by model name.
    """

    about: str
    learning_rate: JSON | float
    arguments: Mapping[str, JSON] = field(default_factory=dict)


RECIPES: dict[str, Recipe] = {
    "protocol": Recipe("Adam at a constant 1e-3; VSC with the fixed prior.", 1e-3),
}


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigurationError: no recipe has that name.
    """
    if name not in RECIPES:
        raise ConfigurationError(f"There is no recipe {name!r}; choose from {', '.join(RECIPES)}.")
    return RECIPES[name]


def runs(study: StudyConfig, dataset: str) -> list[RunConfig]:
    """Every run of a study, everything that decides its numbers filled in.

    Args:
        study: the grid.
        dataset: the name of the data set that the study has settled on.

    Raises:
        ConfigurationError: an unknown recipe, model or argument, or a run asked for twice.
    """
    chosen = recipe(study.recipe)
    unused = sorted(set(study.arguments) - set(study.models))
    if unused:
        raise ConfigurationError(f"Arguments are given for {', '.join(unused)}, which do not run.")
    rate = chosen.learning_rate if study.learning_rate is None else study.learning_rate
    found = [
        RunConfig.checked(
            {
                **study.model_dump(include=set(RunConfig.model_fields) - {"arguments"}),
                "dataset": dataset,
                "model": model,
                "latents": latents,
                "seed": seed,
                "learning_rate": rate,
                "arguments": _arguments(study, chosen, model, latents),
            }
        )
        for latents in study.latents
        for model in study.models
        for seed in study.seeds
    ]
    if len({run.name for run in found}) < len(found):
        raise ConfigurationError(
            "A model, latent size or seed is asked for twice; name each once."
        )
    return found


def _arguments(study: StudyConfig, chosen: Recipe, model: str, latents: int) -> dict[str, Any]:
    """Arguments of one run: the recipe's, then the study's, with α filled in."""
    table = row(model)
    arguments = {**chosen.arguments.get(model, {}), **study.arguments.get(model, {})}
    if "alpha" in table.accepts():
        alpha = default_alpha(latents) if study.alpha is None else study.alpha
        arguments.setdefault("alpha", alpha)
    unknown = sorted(set(arguments) - set(table.accepts()))
    if unknown:
        raise ConfigurationError(
            f"The model {model!r} does not take {', '.join(unknown)}; it takes "
            f"{', '.join(table.accepts()) or 'no arguments'}."
        )
    return {**table.arguments, **arguments}
