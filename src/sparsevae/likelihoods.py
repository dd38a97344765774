"""What a decoder's output says about the pixels: p(x|z).

Shape legend: B images in a batch; an image has shape (C, H, W).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints


class GreyBernoulli(Distribution):
    """Bernoulli with logits, scored on grey values in [0, 1].

    The score x log p + (1−x) log(1−p) is the field's reference for MNIST. On grey values
    it is not normalised, so it is a score and not a density.

    Args:
        logits: shape ``(B, C, H, W)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch's own hook)

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits.shape[:1], logits.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Expected image, values in [0, 1], shape ``(B, C, H, W)``."""
        return torch.sigmoid(self.logits)

    def log_prob(self, value: Tensor) -> Tensor:
        """Score in nats per image, summed over pixels, shape ``(B,)``."""
        score = F.binary_cross_entropy_with_logits(self.logits, value, reduction="none")
        return -score.flatten(1).sum(1)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Black-and-white images of shape ``sample_shape + (B, C, H, W)``."""
        return torch.bernoulli(self.mean.expand(self._extended_shape(sample_shape)))
