"""Named sets of defaults: what a study trains its models with."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sparsevae.errors import ConfigurationError
from sparsevae.models import MODELS, check_arguments, row
from sparsevae.models.priors import TARGET_ACTIVE, default_alpha
from sparsevae.models.tables import Table
from sparsevae.training.config import RunConfig, StudyConfig

JSON = Mapping[str, Any]
LARGEST_BATCH, SMALLEST_BATCH = 256, 16
STEPS_AN_EPOCH = 234  # full batches of 256 in MNIST's 60,000 images


@dataclass(frozen=True)
class Recipe:
    """How models are trained.

    Attributes:
        about: one sentence for a reader of the report.
        learning_rate: a schedule as JSON, or a constant number.
        arguments: arguments of the models' classes, by model name.
        keeps_alpha: whether α = min(½, target/J) is all there is when the study does not give
            one; else a multiplier holds the activity at the target.
    """

    about: str
    learning_rate: JSON | float
    arguments: Mapping[str, JSON] = field(default_factory=dict)
    keeps_alpha: bool = True


SPARSE: JSON = {
    "prior": "mixture",
    "pseudo_inputs": 150,
    "draws": 2,
    "decode_gates": True,
    "lateral_steps": 2,
    "estimator": "reinmax",
    "held": "gates",
    "kl_weight": {"kind": "ramp", "start": 0.0, "end": 0.2},
    "penalty": "posterior",
    "penalty_distance": "symmetric",
    "penalty_weight": {"kind": "ramp", "start": 0.2, "end": 0.6, "first": 1.0, "last": 0.3},
}
# While the slabs are noise a few gates that are mostly open serve best. A heavier penalty keeps
# the others in use, and the divergence counts throughout.
SPARSE_WARM_UP: JSON = {
    **SPARSE,
    "warm_up": {"kind": "ramp", "start": 0.05, "end": 0.1},
    "kl_weight": 1.0,
    "penalty_weight": {"kind": "ramp", "start": 0.1, "end": 0.6, "first": 4.0, "last": 0.5},
}
DEEPER: JSON = {"encoder_hidden": 256}
# Chosen for rows of any values, where a mixture of pseudo-inputs was not compared.
ANY_VALUES: JSON = {"prior": "learned", "penalty": "posterior", "estimator": "reinmax"}
# What did best for photographs, tables and signals on validation rows. A gate is worth many nats
# where rows have many elements, hence the fast dual.
MEASURED: JSON = {
    **ANY_VALUES,
    "kl_weight": {"kind": "ramp", "start": 0.0, "end": 0.3},
    "penalty_distance": "symmetric",
    "penalty_weight": {"kind": "ramp", "start": 0.3, "end": 0.8, "first": 4.0, "last": 1.0},
    "dual_rate": 0.1,
}
# The number of open gates alone is held, at one price for all: that all be open equally often
# would split features where there are more dimensions than those.
DICTIONARY: JSON = {
    "prior": "learned-slab",
    "penalty": "posterior",
    "penalty_weight": 0.0,
    "held": "gates",
    "estimator": "reinmax",
}

OF_MEASUREMENTS = Recipe(
    "Adam, one cycle up to 5e-3; VSC with a learned prior, its activity held at a target.",
    {"kind": "one-cycle", "peak": 5e-3},
    {"vsc": MEASURED, "vsc-wu": MEASURED},
    keeps_alpha=False,
)
RECIPES: Table[Recipe] = Table(
    "recipe",
    {
        "default": Recipe(
            "Adam, one cycle up to 4e-3; VSC with a mixture prior, its activity held at a target.",
            {"kind": "one-cycle", "peak": 4e-3},
            {"vsc": SPARSE, "vsc-wu": SPARSE_WARM_UP},
            keeps_alpha=False,
        ),
        "best": Recipe(
            "As default, with a residual layer in every encoder.",
            {"kind": "one-cycle", "peak": 4e-3},
            {
                **dict.fromkeys(MODELS, DEEPER),
                "vsc": {**SPARSE, **DEEPER},
                "vsc-wu": {**SPARSE_WARM_UP, **DEEPER},
            },
            keeps_alpha=False,
        ),
        "any-values": OF_MEASUREMENTS,
        "photographs": replace(
            OF_MEASUREMENTS,
            about="Adam, one cycle up to 3e-3, which rows of many numbers need; else as "
            "any-values.",
            learning_rate={"kind": "one-cycle", "peak": 3e-3},
        ),
        "few-rows": replace(
            OF_MEASUREMENTS,
            about="Adam, one cycle up to 2e-2, which an affine network takes; else as any-values.",
            learning_rate={"kind": "one-cycle", "peak": 2e-2},
        ),
        "dictionary": Recipe(
            "Adam, constant, then falling; VSC with trained slabs, its number of open gates held.",
            {"kind": "ramp", "start": 0.5, "end": 1.0, "first": 6e-3, "last": 1.2e-4},
            {"vsc": DICTIONARY, "vsc-wu": DICTIONARY},
            keeps_alpha=False,
        ),
        "protocol": Recipe("Adam at a constant 1e-3; VSC with the fixed prior.", 1e-3),
    },
    "sparsevae.training.recipes.register",
)
recipe, register = RECIPES.row, RECIPES.register


def batch_size(images: int) -> int:
    """Images a step when none is given: 256, or fewer so that an epoch has MNIST's 234 steps.

    Every model needs some hundred steps to leave the mean image, however few the images are.

    Args:
        images: number of training images.

    Example:
        >>> batch_size(60_000), batch_size(5_000), batch_size(100)
        (256, 21, 16)
    """
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, images // STEPS_AN_EPOCH))


def runs(study: StudyConfig, dataset: str, images: int | None = None) -> list[RunConfig]:
    """Every run of a study, everything that decides its numbers filled in.

    Args:
        study: the grid; one that varies further settings is taken apart by
            :func:`sparsevae.training.grids.planned`.
        dataset: the name of the data set that the study has settled on.
        images: number of training images, which decides a batch size that is not given;
            while it is not known that is the largest.

    Raises:
        ConfigurationError: an unknown recipe, model or argument, or a run asked for twice.
    """
    if study.vary:
        raise ConfigurationError(f"A single plan cannot vary {', '.join(study.vary)}.")
    chosen = recipe(study.recipe)
    unused = sorted(set(study.arguments) - set(study.models))
    if unused:
        raise ConfigurationError(f"Arguments are given for {', '.join(unused)}, which do not run.")
    rate = chosen.learning_rate if study.learning_rate is None else study.learning_rate
    batch = study.batch_size or (LARGEST_BATCH if images is None else batch_size(images))
    configs = [
        RunConfig.checked(
            {
                **study.model_dump(include=set(RunConfig.model_fields) - {"arguments"}),
                "dataset": dataset,
                "model": model,
                "latents": latents,
                "seed": seed,
                "learning_rate": rate,
                "batch_size": batch,
                "arguments": arguments,
            }
        )
        for latents in study.latents
        for model in study.models
        for arguments in [_arguments(study, chosen, model, latents)]
        for seed in study.seeds
    ]
    if len({run.name for run in configs}) < len(configs):
        raise ConfigurationError(
            "A model, latent size or seed is asked for twice; name each once."
        )
    return configs


def _arguments(study: StudyConfig, chosen: Recipe, model: str, latents: int) -> dict[str, Any]:
    """Arguments of one run: the recipe's, then the study's; α where no target is held."""
    table = row(model)
    arguments = {**chosen.arguments.get(model, {}), **study.arguments.get(model, {})}
    check_arguments(model, arguments)
    if "alpha" in table.accepts():
        if study.alpha is not None:
            arguments.setdefault("alpha", study.alpha)
        elif chosen.keeps_alpha:
            target = arguments.get("target_active", TARGET_ACTIVE)
            if target != "auto":
                arguments.setdefault("alpha", default_alpha(latents, target))
    return {**table.arguments, **arguments}
