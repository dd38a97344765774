"""The table of models, and what a model of one's own is made of.

A row is a class and its arguments; :func:`register` adds one from outside the package.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from sparsevae.errors import ConfigurationError
from sparsevae.models import distributions, likelihoods, priors, schedules
from sparsevae.models.autoencoder import AutoEncoder
from sparsevae.models.base import Common, Model, Terms
from sparsevae.models.batch_top_k import BatchTopK
from sparsevae.models.distributions import Posterior
from sparsevae.models.intel import InteL
from sparsevae.models.jump_relu import JumpReLU
from sparsevae.models.poisson import PoissonVAE
from sparsevae.models.sparse_autoencoder import SparseAutoEncoder
from sparsevae.models.tables import Table
from sparsevae.models.thresholded import Thresholded
from sparsevae.models.top_k import TopK
from sparsevae.models.vae import VAE
from sparsevae.models.vaease import VAEase
from sparsevae.models.vsc import VSC
from sparsevae.networks import Trunk
from sparsevae.networks.trunks import WIDTHS, Shape

__all__ = [
    "MODELS",
    "VAE",
    "VSC",
    "AutoEncoder",
    "BatchTopK",
    "Common",
    "InteL",
    "JumpReLU",
    "Model",
    "PoissonVAE",
    "Posterior",
    "Row",
    "SparseAutoEncoder",
    "Terms",
    "Thresholded",
    "TopK",
    "VAEase",
    "build",
    "check_arguments",
    "distributions",
    "likelihoods",
    "priors",
    "register",
    "row",
    "schedules",
]

SETTLED = ("shape", "latents", "widths", "trunk", "examples")  # not by a model's arguments


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        title: how the model is called in pictures.
        model: its class.
        arguments: what the class is given unless a configuration says otherwise.
        source: the work that describes it.
    """

    title: str
    model: type[Model]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def has_bound(self) -> bool:
        """Whether its loss is a bound on −log p(x), penalties and weights apart."""
        arguments = {**self.arguments, "widths": (2,)}
        return self.model((2,), 2, **arguments).has_bound

    def accepts(self) -> dict[str, Any]:
        """Names and types of the arguments that a configuration may set, by name."""
        hints = get_type_hints(self.model.__init__, include_extras=True)
        every = dict[str, Any]()
        for parameter in list(inspect.signature(self.model.__init__).parameters.values())[1:]:
            if parameter.kind is parameter.VAR_KEYWORD:
                every |= get_type_hints(Common, include_extras=True)
            else:
                every[parameter.name] = hints.get(parameter.name, Any)
        return {name: every[name] for name in sorted(every) if name not in SETTLED}


MODELS: Table[Row] = Table(
    "model",
    {
        "ae": Row("AE", AutoEncoder),
        "vae": Row("VAE", VAE, source="Kingma and Welling 2014"),
        "vsc": Row("VSC", VSC, source="Tonolini, Jensen and Murray-Smith 2019"),
        "vsc-wu": Row(
            "VSC-WU",
            VSC,
            {"warm_up": {"kind": "ramp", "start": 0.1, "end": 0.15}},
            "Tonolini, Jensen and Murray-Smith 2019",
        ),
        "beta-vae": Row("β-VAE", VAE, {"beta": 4.0}, "Higgins et al. 2017"),
        "l1": Row(
            "L1",
            SparseAutoEncoder,
            {"weight": {"kind": "ramp", "start": 0.0, "end": 0.5}},
            "Ng 2011; Olshausen and Field 1996",
        ),
        "top-k": Row("Top-k", TopK, source="Makhzani and Frey 2014"),
        "vamp-vae": Row(
            "VampVAE", VAE, {"prior": "mixture", "pseudo_inputs": 100}, "Tomczak and Welling 2018"
        ),
        "vaease": Row("VAEase", VAEase, source="Lu, Zhu, He and Wipf 2025"),
        "batch-top-k": Row("BatchTopK", BatchTopK, source="Bussmann, Leask and Nanda 2024"),
        "matryoshka": Row(
            "Matryoshka", BatchTopK, {"prefixes": [0.125, 0.25, 0.5]}, "Bussmann et al. 2025"
        ),
        "jump-relu": Row("JumpReLU", JumpReLU, source="Rajamanoharan et al. 2024"),
        "poisson": Row("Poisson VAE", PoissonVAE, source="Vafaii, Galor and Yates 2024"),
        "intel": Row("InteL-VAE", InteL, source="Miao et al. 2022, with a hard gate"),
        "thresholded": Row(
            "Thresholded",
            Thresholded,
            {"held": "gates"},
            "Fallah and Rozell 2022, with a bound of the code",
        ),
    },
    "sparsevae.models.register",
)
"""The rows by name; ``sparsevae --help`` and every study know these names."""

row = MODELS.row
"""The row of a name: ``row("vsc")``.

Raises:
    ConfigurationError: there is no such row; the sentence names those that there are.
"""

register = MODELS.register
"""Add a row from outside the package: ``register("mine", Row("Mine", MyModel))``.

Raises:
    ConfigurationError: the name is taken.
"""


def build(
    name: str,
    shape: Shape,
    latents: int,
    *,
    widths: tuple[int, ...] = WIDTHS,
    trunk: Trunk = "convolution",
    arguments: Mapping[str, Any],
    examples: Tensor | None = None,
) -> Model:
    """Make the model of a row of the table, its weights drawn from torch's generator.

    Args:
        name: a key of :data:`MODELS`.
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        widths: of the trunk's layers.
        trunk: "convolution" (of images; vectors get an "mlp"), "mlp" or "linear".
        arguments: arguments of the model's class; they go before those of the row.
        examples: scaled rows, shape ``(N, *shape)``, that pseudo-inputs, thresholds or an encoder
            may start from.

    Raises:
        ConfigurationError: an unknown model, an argument that it does not take, or a value of
            another type.
    """
    chosen = row(name)
    check_arguments(name, arguments)
    settings = {**chosen.arguments, **arguments}
    if "examples" in inspect.signature(chosen.model).parameters:
        settings["examples"] = examples
    return chosen.model(shape, latents, widths=widths, trunk=trunk, **settings)


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Compare a model's arguments with the signature of its class, names and types.

    Args:
        name: of the model in :data:`MODELS`.
        arguments: by the name of the parameter.

    Raises:
        ConfigurationError: an unknown model, an argument that it does not take, or a value of
            another type.
    """
    accepted = row(name).accepts()
    unknown = sorted(set(arguments) - set(accepted))
    if unknown:
        raise ConfigurationError(
            f"The model {name!r} does not take {', '.join(unknown)}; it takes "
            f"{', '.join(accepted) or 'no arguments'}."
        )
    for argument, value in arguments.items():
        try:
            TypeAdapter(accepted[argument]).validate_python(value, strict=True)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise ConfigurationError(
                f"The model {name!r} does not take {argument} = {value!r}: "
                f"{reason[0].lower()}{reason[1:]}."
            ) from None
