"""The family of tables: Gaussian numbers, Bernoulli booleans, categories, and gaps in all of them.

Shape legend: B rows in a batch of D elements: numbers first, then booleans, then one element a
level of each category.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevae.errors import ConfigurationError
from sparsevae.models.likelihoods.base import Likelihood
from sparsevae.models.likelihoods.measured import Gaussian


def block_lengths(elements: int, levels: tuple[int, ...], booleans: int = 0) -> tuple[int, ...]:
    """How many elements each column of a table has: one, or as many as a category has levels.

    Raises:
        ConfigurationError: there are more booleans and levels than elements.

    Example:
        >>> block_lengths(6, (3, 2))
        (1, 3, 2)
    """
    if booleans + sum(levels) > elements:
        raise ConfigurationError(
            f"The likelihood 'mixed' has {booleans} booleans and {sum(levels)} levels, and rows "
            f"have {elements} elements."
        )
    return (*(1,) * (elements - sum(levels)), *levels)


class Mixed(Likelihood):
    """Numbers N(μ, σ²) with a trained σ of their own, booleans, and categories by a softmax.

    An element that is NaN is missing and scores 0: what is left is the density of the elements
    that are there, as p(x|z) is a product over columns (Nazábal et al. 2020, "Handling incomplete
    heterogeneous data using VAEs").

    Args:
        raw: of every element μ or a logit, then r, stacked along axis 1: ``(B, 2D)``; numbers
            have σ = floor + softplus(r).
        booleans: how many elements, those behind the numbers, are 0 or 1.
        levels: how many elements, the last ones, each category has.
        floor: the smallest σ > 0, in units of the scaled data.

    Raises:
        ConfigurationError: there are more booleans and levels than elements.
    """

    trained = "element"
    reading = "gaps"
    domain = "real"
    alike = False

    def __init__(
        self,
        raw: Tensor,
        booleans: int = 0,
        levels: tuple[int, ...] = (),
        floor: float = 0.01,
    ) -> None:
        located, free = raw.chunk(2, 1)
        numbers = len(block_lengths(located.shape[1], levels, booleans)) - booleans - len(levels)
        self.loc, self.truths, *self.logits = located.split([numbers, booleans, *levels], 1)
        self.scale = floor + F.softplus(free[:, :numbers])
        self.numbers = Gaussian(self.loc, self.scale)
        super().__init__(located.shape)

    @property
    def mean(self) -> Tensor:
        """μ of numbers and the probabilities of truths and levels, shape ``(B, D)``."""
        categories = [logits.softmax(1) for logits in self.logits]
        return torch.cat([self.loc, torch.sigmoid(self.truths), *categories], 1)

    def element_log_prob(self, value: Tensor) -> Tensor:
        """Nats an element, 0 where it is NaN; of a category at the element of its level."""
        gaps = value.isnan()
        x = value.masked_fill(gaps, 0.0)  # so that no gradient meets a NaN
        parts = x.split([p.shape[1] for p in (self.loc, self.truths, *self.logits)], 1)
        scores = [
            self.numbers.element_log_prob(parts[0]),
            -F.binary_cross_entropy_with_logits(self.truths, parts[1], reduction="none"),
        ]
        for logits, one_hot in zip(self.logits, parts[2:], strict=True):
            scores.append(one_hot * logits.log_softmax(1))
        return torch.cat(scores, 1).masked_fill(gaps, 0.0)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Numbers, 0 or 1, and one level a category, shape ``sample_shape + (B, D)``."""
        shape = torch.Size(sample_shape)
        truths = torch.sigmoid(self.truths).expand(*shape, *self.truths.shape)
        parts = [self.numbers.sample(shape), torch.bernoulli(truths)]
        for logits in self.logits:
            drawn = torch.distributions.Categorical(logits=logits).sample(shape)
            parts.append(F.one_hot(drawn, logits.shape[1]).to(truths.dtype))
        return torch.cat(parts, -1)
