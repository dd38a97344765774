"""The variational autoencoder, with β."""

from typing import Literal, Unpack

from torch import Tensor

from sparsevae.models.base import Common, Model, domain_of
from sparsevae.models.distributions import Gaussian, held
from sparsevae.models.priors import (
    Prior,
    PseudoInputMixture,
    StandardNormal,
    start_images,
)
from sparsevae.models.schedules import Progress, Scheduled, between
from sparsevae.networks.trunks import Shape

LOG_VARIANCE = 20.0  # the largest, of rows unlike all others


class VAE(Model):
    """q(z|x) = N(μ(x), s(x)²) and p(z) = N(0, I) (Kingma and Welling 2014):

        loss = −log p(x|z) + β·KL(q(z|x) ‖ p(z)),  z = μ + s ε.

    With ``prior="mixture"`` p(z) = Σ_u π_u q(z|x_u) over trained pseudo-inputs x_u (Tomczak and
    Welling 2018, "VAE with a VampPrior"), the divergence bounded as in
    :class:`sparsevae.models.priors.PseudoInputMixture`: the prior that VSC has, without spikes.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        beta: β, the weight of the divergence (Higgins et al. 2017); 1 is the bound.
        prior: "normal" or "mixture".
        pseudo_inputs: U, for a mixture.
        examples: inputs to start the pseudo-inputs from; fewer than U are used again.
        **common: see :class:`Model`.
    """

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        beta: Scheduled = 1.0,
        prior: Literal["normal", "mixture"] = "normal",
        pseudo_inputs: int = 50,
        examples: Tensor | None = None,
        **common: Unpack[Common],
    ) -> None:
        weight = between("beta", beta, 0.0)
        density: Prior = StandardNormal(latents)
        if prior == "mixture":
            domain = domain_of(common)
            starts = start_images(examples, pseudo_inputs, shape, domain)
            density = PseudoInputMixture(starts, domain=domain)
        super().__init__(shape, latents, outputs=2, prior=density, kl_weight=weight, **common)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Gaussian:
        """N(μ(x), s(x)²), batch shape ``(B, J)``."""
        loc, log_variance = self.encoder(x).chunk(2, dim=-1)
        return Gaussian(loc, (0.5 * held(log_variance, LOG_VARIANCE)).exp())
