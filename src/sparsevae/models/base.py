"""What every model is: an encoder and a decoder, a posterior, a prior and a loss.

Shape legend: B images in a batch, an image (C, H, W) or a vector (D,), J latent dimensions.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from sparsevae.data.scaling import Domain
from sparsevae.errors import ConfigurationError
from sparsevae.models.distributions import Posterior
from sparsevae.models.likelihoods import Likelihood, Named, family
from sparsevae.models.likelihoods.mixed import block_lengths
from sparsevae.models.penalties import LOWEST_RATE, ActivityPenalty
from sparsevae.models.priors import Prior
from sparsevae.models.schedules import Constant, Progress, Schedule
from sparsevae.networks import Trunk
from sparsevae.networks.dictionary import Dictionary, SharedHeads, pair_up
from sparsevae.networks.trunks import (
    LEAST_SPREAD,
    WIDTHS,
    Decoder,
    Encoder,
    Shape,
    check_shape,
    count_parameters,
)

LAYOUT: dict[str, Any] = {"levels": (), "booleans": 0}  # of tables, and what other data have


@dataclass(frozen=True)
class Terms:
    """The loss by its terms, nats; the bound and what is added to it stay apart.

    Attributes:
        reconstruction: −log p(x|z) with z drawn, shape ``(B,)``.
        kl: KL(q(z|x) ‖ p(z)), shape ``(B,)``.
        penalty: what is optimised beside the bound, 0-d.
        kl_weight: the weight of ``kl`` in the objective (β).
        active: mean over images of every γ_j, shape ``(J,)``; None for a model without spikes.
        opened: mean over images of how many gates are open (γ > ½), 0-d; None without spikes.
    """

    reconstruction: Tensor
    kl: Tensor
    penalty: Tensor
    kl_weight: Progress = 1.0
    active: Tensor | None = None
    opened: Tensor | None = None

    @property
    def objective(self) -> Tensor:
        """What is minimised: mean(reconstruction + β·kl) + penalty, 0-d, nats per image."""
        return (self.reconstruction + self.kl_weight * self.kl).mean() + self.penalty


Part = Annotated[float, Field(gt=0, lt=1)]
Draws = Annotated[int, Field(ge=1, le=64)]
Prefixes = tuple[Part, ...] | list[Part]
Frozen = Literal["nothing", "encoder", "decoder"]


class Common(TypedDict, total=False):
    """Arguments that every model takes and passes to :class:`Model`."""

    widths: Sequence[int]
    trunk: Trunk
    likelihood: Named
    input_noise: float
    draws: Draws
    prefixes: Prefixes
    freeze: Frozen
    input_gaps: float
    encoder_hidden: int


def domain_of(common: Common) -> Domain:
    """Where the rows lie that a model's likelihood scores.

    Args:
        common: arguments of the model.
    """
    return family(common.get("likelihood", "bernoulli"))[0].domain


class Model(nn.Module, ABC):
    """An autoencoder over a shared trunk, and its loss for a batch:

        loss = −log p(x|z) + w(t)·KL(q(z|x) ‖ p(z)) + penalty,  z drawn once an image or more.

    A subclass gives the posterior; :meth:`draw` and :meth:`loss` may be given otherwise too.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        outputs: numbers a latent dimension that the encoder's head gives.
        prior: p(z).
        penalty: what is optimised beside the bound; none when left out.
        kl_weight: w over progress t.
        widths: of the trunk's layers.
        trunk: layers of an image's trunk; that of vectors is an "mlp" where it is not "linear".
        likelihood: the family of p(x|z), see :func:`sparsevae.models.likelihoods.family`.
        input_noise: the largest standard deviation of :meth:`corrupted`.
        draws: of z an image in training, over which the reconstruction is a mean; more lower the
            variance of the gradient, not the bound's value.
        prefixes: shares of J, each in (0, 1): the first dimensions have to explain the image
            alone too, see :meth:`nested`.
        freeze: "encoder" or "decoder" leaves that part as it was drawn, as a control.
        input_gaps: the largest share of a table's columns that are hidden there.
        encoder_hidden: width of a residual layer between the encoder's trunk and its head, 0 for
            none; a "linear" trunk has none.
        decode_gates: whether the decoder takes 1[z_j ≠ 0] beside z_j.

    Attributes:
        has_gates: whether a latent dimension is on or off for an image.
        target_active: how many dimensions should be on an image; None where nothing holds them.
        warm_up: λ of the slabs over progress; 1 for a model without slabs.
        couples_rows: whether a row's loss depends on the other rows of its batch, the penalty
            apart; a batch cannot be shared among processes then.

    Raises:
        ConfigurationError: ``shape`` is not one of the two forms, an unknown likelihood, or gaps
            for one that takes none.
    """

    blocks: Tensor
    has_gates: bool = False
    couples_rows: bool = False
    target_active: float | None = None
    warm_up: Schedule = Constant(1.0)

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        outputs: int,
        prior: Prior,
        penalty: ActivityPenalty | None = None,
        kl_weight: Schedule = Constant(1.0),
        widths: Sequence[int] = WIDTHS,
        trunk: Trunk = "convolution",
        likelihood: Named = "bernoulli",
        input_noise: float = 0.0,
        draws: Draws = 1,
        prefixes: Prefixes = (),
        freeze: Frozen = "nothing",
        input_gaps: float = 0.0,
        encoder_hidden: int = 0,
        decode_gates: bool = False,
    ) -> None:
        super().__init__()
        check_shape(shape)
        self.shape, self.latents = tuple(shape), latents
        self.prior, self.penalty = prior, penalty
        self.kl_weight, self.input_noise, self.draws = kl_weight, input_noise, draws
        self.family, self.family_settings = family(likelihood)
        if encoder_hidden < 0:
            raise ConfigurationError(f"encoder_hidden is a width from 0 on, not {encoder_hidden}.")
        settings = widths, trunk, latents, self.family.reading, encoder_hidden
        self.encoder = Encoder(shape, outputs * latents, *settings)
        numbers = self.family.outputs, trunk, self.family.trained
        self.decoder = Decoder(shape, latents, widths, *numbers, gates=decode_gates)
        self.prefixes = sorted({max(1, round(share * latents)) for share in prefixes} - {latents})
        if freeze != "nothing":
            self.get_submodule(freeze).requires_grad_(False)
        self.input_gaps = input_gaps
        if not 0 <= input_gaps <= 1 or (input_gaps and self.family.reading != "gaps"):
            raise ConfigurationError(
                f"input_gaps is a share of a table's columns, and only the likelihood 'mixed' "
                f"takes gaps; got {input_gaps}."
            )
        layout = (self.family_settings.get(name, none) for name, none in LAYOUT.items())
        blocks = block_lengths(shape[0], *layout)
        self.register_buffer("blocks", torch.tensor(blocks), persistent=False)

    @torch.no_grad()
    def start_from(self, examples: Tensor) -> None:
        """Start f, the one output a dimension, so that none is off for all the examples.

        f has mean 0 and variance 1 over them. A linear trunk's encoder is its dictionary's
        transpose instead, f_j = d_j·(x − m), and so a code in the units of the rows. The prior
        starts with it.

        Args:
            examples: shape ``(N, *shape)``.
        """
        spread = examples.new_ones(self.latents)
        if self.pairs_up:
            spread = self.paired_up(examples).std(0, correction=0).clamp_min(LEAST_SPREAD)
        else:
            self.encoder.standardise(examples)
        self.prior.start(torch.zeros_like(spread), spread)

    @property
    def pairs_up(self) -> bool:
        """Whether the encoder may start as its dictionary's transpose."""
        return isinstance(self.encoder.head, SharedHeads) and self.family.reading == "plain"

    def paired_up(self, examples: Tensor) -> Tensor:
        """Start a linear trunk so, see :func:`pair_up`; features of examples, ``(N, J)``."""
        heads, dictionary = self.encoder.head, self.decoder.trunk[0]
        return pair_up(cast(SharedHeads, heads), cast(Dictionary, dictionary), examples.flatten(1))

    @abstractmethod
    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Posterior:
        """q(z|x), batch shape ``(B, J)``.

        Args:
            x: values where the likelihood is defined, shape ``(B, *shape)``.
            progress: how far training has come, in [0, 1]; 1 after training.
        """

    def draw(self, q: Posterior, progress: Progress) -> Tensor:
        """Codes z ~ q in training, with a gradient, shape ``(B, J)``."""
        codes: Tensor = q.rsample()
        return codes

    def loss(self, x: Tensor, progress: Progress = 1.0) -> Terms:
        """The terms of the loss for a batch.

        Args:
            x: scaled rows, shape ``(B, *shape)``.
            progress: the share of training that is done, in [0, 1].
        """
        q = self.posterior(self.corrupted(x), progress)
        z, seen = self.drawn(q, progress), self.repeated(x)
        missed = -self.likelihood(z).log_prob(seen)
        kl, expected = self.prior.kl(q, x, lambda u: self.posterior(u, progress), progress)
        gamma = q.spike_probability
        return Terms(
            missed.view(-1, len(x)).mean(0),
            kl,
            self.sparsity_penalty(gamma, expected, progress) + self.nested(z, seen),
            self.kl_weight(progress),
            gamma.detach().mean(0) if self.has_gates else None,
            open_gates(gamma) if self.has_gates else None,
        )

    def drawn(self, q: Posterior, progress: Progress) -> Tensor:
        """All draws for a batch in training, the first for every image first, ``(draws·B, J)``."""
        return torch.cat([self.draw(q, progress) for _ in range(self._times)])

    def repeated(self, rows: Tensor) -> Tensor:
        """The rows that :meth:`drawn` draws for, shape ``(draws·B, …)``."""
        return rows if self._times == 1 else torch.cat([rows] * self._times)

    @property
    def _times(self) -> int:
        """How often an image's code is drawn: once where the model is measured."""
        return self.draws if self.training else 1

    def nested(self, z: Tensor, x: Tensor) -> Tensor:
        """Σ_m −log p(x | first m of z), mean over images, 0-d nats; 0 without ``prefixes``.

        Dimensions that come first then stand for what is coarse (Kusupati et al. 2022,
        "Matryoshka representation learning"; Bussmann et al. 2025 for sparse autoencoders).
        It is optimised beside the bound.
        """
        total = z.new_zeros(())
        for first in self.prefixes:
            part = torch.where(
                torch.arange(z.shape[1], device=z.device) % self.latents < first, z, 0
            )
            total = total - self.likelihood(part).log_prob(x).mean()
        return total

    def corrupted(self, x: Tensor) -> Tensor:
        """What the encoder sees in training: x + σε, each image's σ ~ U(0, ``input_noise``).

        Of a table that may have gaps, further columns of a row are hidden, a share of them that is
        drawn from U(0, ``input_gaps``); the likelihood scores them all the same. The posterior
        averaged over noise and gaps still is one, so that the loss stays a bound (Im et al. 2017,
        "Denoising criterion for variational auto-encoding framework").

        Args:
            x: scaled rows, shape ``(B, *shape)``.
        """
        if self.input_noise > 0.0:
            sigma = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device)
            x = x + self.input_noise * sigma * torch.randn_like(x)
        if self.input_gaps > 0.0:
            share = self.input_gaps * torch.rand(len(x), 1, device=x.device)
            hidden = torch.rand(len(x), len(self.blocks), device=x.device) < share
            x = x.masked_fill(hidden.repeat_interleave(self.blocks, 1), math.nan)
        return x

    @property
    def has_bound(self) -> bool:
        """Whether reconstruction + kl bounds −log p(x); not so without a prior."""
        return self.prior.bounds

    @property
    def target_share(self) -> float | None:
        """α after training, the share of images for which a dimension is to be on, or None."""
        return None if self.penalty is None else float(self.penalty.alpha_at(1.0))

    @property
    def least_share(self) -> float | None:
        """The smallest share of images that what is penalised can reach; None without that."""
        if self.penalty is None or self.penalty.on == "none":
            return None
        return max(LOWEST_RATE, self.prior.least_spike if self.penalty.on == "prior" else 0.0)

    def sparsity_penalty(
        self, gamma: Tensor, expected: Tensor, progress: Progress = 1.0
    ) -> Tensor:
        """What is optimised beside the bound, nats, 0-d; 0 for a model without a penalty.

        Args:
            gamma: spike probabilities of a batch, shape ``(B, J)``.
            expected: those that the prior expects, shape ``(B, J)``.
            progress: as in :meth:`posterior`.
        """
        if self.penalty is None:
            return gamma.new_zeros(())
        penalty: Tensor = self.penalty(gamma, expected, progress)
        return penalty

    def update_duals(self, terms: Terms, progress: Progress = 1.0) -> None:
        """Move what holds the activity at its target; the loop calls it once a step.

        Args:
            terms: of the step's batch.
            progress: the share of training that is done, a number or of shape ``()``.
        """
        if terms.active is not None:
            self.prior.update(terms.active.sum())
            if self.penalty is not None:
                self.penalty.update(terms.active.sum(), progress, terms.opened)

    def likelihood(self, codes: Tensor) -> Likelihood:
        """p(x|z) for codes of shape ``(B, J)``."""
        return self.likelihood_of(self.decoder(codes))

    def likelihood_of(self, raw: Tensor) -> Likelihood:
        """p(x|z) of a decoder's raw output, shape ``(B, k·C, H, W)`` or ``(B, k·D)``."""
        made: Any = self.family
        given: Likelihood = made(raw.float(), **self.family_settings)
        return given

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The deterministic code of every image, shape ``(B, J)``."""
        return self.posterior(x).code

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """The mean of p(x|z) for every code, scaled as the data were, shape ``(B, *shape)``."""
        mean: Tensor = self.likelihood(codes).mean
        return mean

    @torch.no_grad()
    def draw_codes(self, count: int) -> Tensor:
        """Codes z ~ p(z) from torch's generator, after training, shape ``(count, J)``.

        Raises:
            ConfigurationError: the prior has no density.
        """
        alone = self.prior.factors()
        if alone is not None:
            codes: Tensor = alone.sample((count,))
            return codes
        log_weights, components = self.prior.mixture(self.posterior)
        chosen = torch.multinomial(log_weights.exp(), count, replacement=True)
        return components.indexed(chosen).rsample()

    def reconstruct(self, x: Tensor) -> Tensor:
        """The mean image decoded from the deterministic code, shape ``(B, *shape)``."""
        return self.decode(self.encode(x))

    def parameter_counts(self) -> dict[str, int]:
        """Trainable numbers in the shared trunk, the encoder's head and the prior.

        The head is what gives the posterior of the trunk's features, lateral layers with it.
        """
        prior = count_parameters(self.prior)
        trunk = count_parameters(self.encoder.trunk) + count_parameters(self.decoder)
        return {"trunk": trunk, "head": count_parameters(self) - trunk - prior, "prior": prior}


def open_gates(gamma: Tensor) -> Tensor:
    """Mean over images of how many gates are open (γ > ½), 0-d, of γ with an axis of images."""
    return (gamma.detach() > 0.5).sum(1).to(gamma.dtype).mean()
