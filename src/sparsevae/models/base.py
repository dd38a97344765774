"""What every model is: an encoder and a decoder, a posterior, a prior and a loss.

Shape legend: B images in a batch, an image (C, H, W) or a vector (D,), J latent dimensions.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sparsevae.models.distributions import Gaussian, Point, SparsePoint, SpikeAndSlab
from sparsevae.models.likelihoods import Likelihood, Named, family
from sparsevae.models.penalties import ActivityPenalty
from sparsevae.models.priors import Prior
from sparsevae.models.schedules import Constant, Progress, Schedule
from sparsevae.networks.trunks import (
    CHANNELS,
    Decoder,
    Encoder,
    Shape,
    check_shape,
    count_parameters,
)

Posterior = Point | SparsePoint | Gaussian | SpikeAndSlab


@dataclass(frozen=True)
class Terms:
    """The loss by its terms, nats; the bound and what is added to it stay apart.

    Attributes:
        reconstruction: −log p(x|z) with z drawn, shape ``(B,)``.
        kl: KL(q(z|x) ‖ p(z)), shape ``(B,)``.
        penalty: what is optimised beside the bound, 0-d.
        kl_weight: the weight of ``kl`` in the objective (β).
        active: mean over images of every γ_j, shape ``(J,)``; None for a model without spikes.
    """

    reconstruction: Tensor
    kl: Tensor
    penalty: Tensor
    kl_weight: Progress = 1.0
    active: Tensor | None = None

    @property
    def objective(self) -> Tensor:
        """What is minimised: mean(reconstruction + β·kl) + penalty, 0-d, nats per image."""
        return (self.reconstruction + self.kl_weight * self.kl).mean() + self.penalty


class Model(nn.Module, ABC):
    """An autoencoder over a shared trunk; a subclass gives the posterior and the loss.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        outputs: numbers a latent dimension that the encoder's head gives.
        prior: p(z).
        channels: widths of the trunk.
        penalty: what is optimised beside the bound; none when left out.
        kl_weight: weight of the divergence in the objective, a function of progress.
        input_noise: the largest standard deviation of :meth:`shown`.
        likelihood: the family of p(x|z), see :func:`sparsevae.models.likelihoods.family`.

    Raises:
        ConfigurationError: ``shape`` is not one of the two forms, or an unknown likelihood.
    """

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        outputs: int,
        prior: Prior,
        channels: Sequence[int] = CHANNELS,
        penalty: ActivityPenalty | None = None,
        kl_weight: Schedule = Constant(1.0),
        input_noise: float = 0.0,
        likelihood: Named = "bernoulli",
    ) -> None:
        super().__init__()
        check_shape(shape)
        self.shape, self.latents = tuple(shape), latents
        self.prior, self.penalty = prior, penalty or ActivityPenalty()
        self.kl_weight, self.input_noise = kl_weight, input_noise
        self.encoder = Encoder(shape, outputs * latents, channels)
        self.family, self.family_settings = family(likelihood)
        self.decoder = Decoder(shape, latents, channels, self.family.outputs)

    @abstractmethod
    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Any:
        """q(z|x), a torch distribution of batch shape ``(B, J)``.

        Args:
            x: values where the likelihood is defined, shape ``(B, *shape)``.
            progress: how far training has come, in [0, 1]; 1 after training.
        """

    @abstractmethod
    def loss(self, x: Tensor, progress: Progress = 1.0) -> Terms:
        """The terms of the loss for a batch, z drawn once an image."""

    def shown(self, x: Tensor) -> Tensor:
        """What the encoder sees in training: x + σε, each image's σ ~ U(0, ``input_noise``).

        The posterior averaged over the noise still is one, so that the loss stays a bound
        (Im et al. 2017, "Denoising criterion for variational auto-encoding framework").
        """
        if self.input_noise == 0.0:
            return x
        sigma = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device)
        return x + self.input_noise * sigma * torch.randn_like(x)

    @property
    def has_bound(self) -> bool:
        """Whether reconstruction + kl bounds −log p(x); not so without a prior."""
        return self.prior.bounds

    def update_duals(self, terms: Terms, progress: Progress = 1.0) -> None:
        """Move what holds the activity at its target; the loop calls it once a step."""
        if terms.active is not None:
            self.penalty.update(terms.active.sum(), progress)

    def likelihood(self, codes: Tensor) -> Likelihood:
        """p(x|z) for codes of shape ``(B, J)``."""
        return self.family(self.decoder(codes).float(), **self.family_settings)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """The deterministic code of every image, shape ``(B, J)``."""
        code: Tensor = self.posterior(x).code
        return code

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """The mean of p(x|z) for every code, scaled as the data were, shape ``(B, *shape)``."""
        mean: Tensor = self.likelihood(codes).mean
        return mean

    def reconstruct(self, x: Tensor) -> Tensor:
        """The mean image decoded from the deterministic code, shape ``(B, *shape)``."""
        return self.decode(self.encode(x))

    def parameter_counts(self) -> dict[str, int]:
        """Trainable numbers in the shared trunk, the encoder's head and the prior."""
        head, prior = count_parameters(self.encoder.head), count_parameters(self.prior)
        return {"trunk": count_parameters(self) - head - prior, "head": head, "prior": prior}
