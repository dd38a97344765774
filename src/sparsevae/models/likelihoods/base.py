"""What every likelihood is: a distribution over rows made from a decoder's raw output.

Shape legend: B rows in a batch; a row has shape (C, H, W) or (D,); a decoder gives k numbers
an element, stacked along axis 1: (B, k·C, H, W) or (B, k·D).
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from sparsevae.data.scaling import Domain
from sparsevae.networks import Reading, Trained


class Likelihood(Distribution):
    """Independent elements; a subclass takes a decoder's raw output and gives their density.

    Attributes:
        outputs: k, how many numbers an element it takes that the code decides.
        trained: whether it takes one more that is trained and the same for every code.
        domain: where the data must lie: "unit" for [0, 1], "real" or "counts".
        normalised: whether it is a probability, so that bits per dimension are defined.
        continuous: whether it is a density, which changes with the unit of the data.
        reading: how an encoder reads rows that it scores.
        draws: whether the data are probabilities of ones: every training step draws zeros and ones
            anew, and rows are measured on draws of one seed.
        alike: whether all elements are of one kind, so that bits per dimension are defined.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch's own hook)
    outputs: ClassVar[int] = 1
    trained: ClassVar[Trained] = "none"
    domain: ClassVar[Domain]
    normalised: ClassVar[bool] = True
    continuous: ClassVar[bool] = True
    reading: ClassVar[Reading] = "plain"
    alike: ClassVar[bool] = True
    draws: ClassVar[bool] = False

    def __init__(self, shape: torch.Size) -> None:
        super().__init__(shape[:1], shape[1:], validate_args=False)

    @abstractmethod
    def element_log_prob(self, value: Tensor) -> Tensor:
        """Nats an element, shape of ``value``: ``(B, C, H, W)`` or ``(B, D)``."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats a row, summed over its elements, shape ``(B,)``."""
        return self.element_log_prob(value).flatten(1).sum(1)

    def divergence_from_first(self) -> Tensor:
        """KL(p₀ ‖ p) of the first row's distribution p₀ from every row's p, nats, shape ``(B,)``.

        It is log p₀(m) − log p(m) at the mean m of p₀, exact where log p is linear in the row up
        to a term without parameters, as for grey levels and counts; other families add to it.
        """
        log_p = self.log_prob(self.mean[:1].expand_as(self.mean))
        return log_p[:1] - log_p
