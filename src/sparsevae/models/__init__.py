"""The table of models: a row is a class and its arguments."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from sparsevae.errors import ConfigurationError
from sparsevae.models.autoencoder import AutoEncoder
from sparsevae.models.base import Model, Posterior, Terms
from sparsevae.models.sparse_autoencoder import SparseAutoEncoder
from sparsevae.models.top_k import TopK
from sparsevae.models.vae import VAE
from sparsevae.models.vsc import VSC
from sparsevae.networks.trunks import Shape

__all__ = [
    "MODELS",
    "VAE",
    "VSC",
    "AutoEncoder",
    "Model",
    "Posterior",
    "Row",
    "SparseAutoEncoder",
    "Terms",
    "TopK",
    "build",
    "check_arguments",
    "row",
]


@dataclass(frozen=True)
class Row:
    """One row of the table: how the model is called in pictures, its class and arguments."""

    title: str
    model: type[Model]
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def accepts(self) -> tuple[str, ...]:
        """Names of the arguments that a configuration may set."""
        given = set(inspect.signature(self.model).parameters)
        return tuple(sorted(given - {"shape", "latents", "channels", "examples"}))


MODELS: dict[str, Row] = {
    "ae": Row("AE", AutoEncoder),
    "vae": Row("VAE", VAE),
    "vsc": Row("VSC", VSC),
    "vsc-wu": Row("VSC-WU", VSC, {"warm_up": {"kind": "ramp", "start": 0.1, "end": 0.15}}),
    "beta-vae": Row("β-VAE", VAE, {"beta": 4.0}),
    "l1": Row("L1", SparseAutoEncoder, {"weight": {"kind": "ramp", "start": 0.0, "end": 0.5}}),
    "top-k": Row("Top-k", TopK),
}


def row(name: str) -> Row:
    """The row of a model.

    Raises:
        ConfigurationError: no model has that name.
    """
    if name not in MODELS:
        raise ConfigurationError(f"There is no model {name!r}; choose from {', '.join(MODELS)}.")
    return MODELS[name]


def build(
    name: str,
    shape: Shape,
    latents: int,
    *,
    channels: tuple[int, ...],
    arguments: Mapping[str, Any],
    examples: Tensor | None = None,
) -> Model:
    """Make the model of a row of the table, its weights drawn from torch's generator.

    Args:
        name: a key of :data:`MODELS`.
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        channels: widths of the trunk.
        arguments: arguments of the model's class; they go before those of the row.
        examples: images in [0, 1] that a prior with pseudo-inputs may start from.

    Raises:
        ConfigurationError: an unknown model, an argument that it does not take, or a value of
            another type.
    """
    found = row(name)
    check_arguments(name, arguments)
    settings = {**found.arguments, **arguments}
    if "examples" in inspect.signature(found.model).parameters:
        settings["examples"] = examples
    return found.model(shape, latents, channels=channels, **settings)


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Compare a model's arguments with the signature of its class, names and types.

    Raises:
        ConfigurationError: an unknown model, an argument that it does not take, or a value of
            another type.
    """
    found = row(name)
    unknown = sorted(set(arguments) - set(found.accepts()))
    if unknown:
        raise ConfigurationError(
            f"The model {name!r} does not take {', '.join(unknown)}; it takes "
            f"{', '.join(found.accepts()) or 'no arguments'}."
        )
    types = get_type_hints(found.model.__init__)
    for argument, value in arguments.items():
        try:
            TypeAdapter(types[argument]).validate_python(value, strict=True)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise ConfigurationError(
                f"The model {name!r} does not take {argument} = {value!r}: "
                f"{reason[0].lower()}{reason[1:]}."
            ) from None
