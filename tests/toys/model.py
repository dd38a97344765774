"""A variational autoencoder with the peaked posterior."""

from sparsevae.models import Model, Row, priors, register
from toys.posterior import Peaked


class PeakedVAE(Model):
    """q(z|x) = Π_j Laplace(μ_j, b_j) and p(z) = N(0, I)."""

    def __init__(self, shape, latents, *, floor: float = 0.01, **common):
        super().__init__(shape, latents, outputs=2, prior=priors.StandardNormal(latents), **common)
        self.floor = floor

    def posterior(self, x, progress=1.0):
        loc, log_scale = self.encoder(x).chunk(2, dim=-1)
        return Peaked(loc, self.floor + log_scale.exp())


register("toy-model", Row("Peaked", PeakedVAE))
