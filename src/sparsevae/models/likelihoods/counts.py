"""Counts given how many there are in a row: each column has a share of the row's total.

    μ_d = t · softmax(r)_d,  t the total of the row

A score is of the row given its total, log p(x | z, t); the total itself, such as how deep a cell
was sequenced or how long a document is, is no part of the model. Source: Lopez et al. 2018, "Deep
generative modelling for single-cell transcriptomics" (scVI), with the observed total.

Shape legend: B rows of D columns in a batch.
"""

from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Gamma

from sparsevae.models.likelihoods.base import Likelihood

LEAST_TOTAL = 1e-6  # of an empty row, whose score is then 0
LARGEST_LOG = 15.0  # of a dispersion
LARGE = 50.0  # a dispersion from which on three terms of a series leave 1e-8 over


class Shares(Likelihood):
    """Counts around a share of the row's total.

    Args:
        raw: r, shape ``(B, D)``.
        total: t of a row that is decoded without being seen.
    """

    domain = "counts"
    continuous = False
    reading = "logs"

    def __init__(self, raw: Tensor, total: float) -> None:
        self.log_share, self.total = raw.flatten(1).log_softmax(1).view_as(raw), total
        super().__init__(raw.shape)

    @property
    def mean(self) -> Tensor:
        """Counts expected in a row with the total of the setting, shape ``(B, D)``."""
        return self.total * self.log_share.exp()

    def element_log_prob(self, value: Tensor) -> Tensor:
        """Nats an element given the total of its row, shape ``(B, D)``."""
        total = value.flatten(1).sum(1).clamp_min(LEAST_TOTAL)
        each = total.view(-1, *[1] * (value.ndim - 1))
        return self.count_log_prob(value, self.log_share + each.log())

    @abstractmethod
    def count_log_prob(self, value: Tensor, log_rate: Tensor) -> Tensor:
        """Nats of counts with the rates e^log_rate, shape ``(B, D)``."""


class LibraryPoisson(Shares):
    """Poisson counts with rate μ.

    Args:
        raw: r, shape ``(B, D)``.
        total: t of a row that is decoded without being seen.
    """

    def __init__(self, raw: Tensor, total: float = 1000.0) -> None:
        super().__init__(raw, total)

    def count_log_prob(self, value: Tensor, log_rate: Tensor) -> Tensor:
        """Count x: x log μ − μ − log x!."""
        return value * log_rate - log_rate.exp() - torch.lgamma(value + 1)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Counts of rows with the total of the setting, ``sample_shape + (B, D)``."""
        return torch.poisson(self.mean.expand(self._extended_shape(sample_shape)))


class NegativeBinomial(Shares):
    """Counts with mean μ and variance μ + μ²/θ, θ = e^s trained, one a column.

        log p(x) = log Γ(x+θ) − log Γ(θ) − log x! + θ log θ/(θ+μ) + x log μ/(θ+μ)

    Args:
        raw: r, then s, stacked along axis 1: ``(B, 2D)``.
        total: t of a row that is decoded without being seen.
    """

    trained = "element"

    def __init__(self, raw: Tensor, total: float = 1000.0) -> None:
        rate, dispersion = raw.chunk(2, 1)
        self.log_dispersion = dispersion.clamp(-LARGEST_LOG, LARGEST_LOG)
        super().__init__(rate, total)

    def count_log_prob(self, value: Tensor, log_rate: Tensor) -> Tensor:
        """The formula of the class: x s − (x + θ) log(1 + e^s) + c(x, θ), s = log μ − log θ."""
        theta, ratio = self.log_dispersion.exp(), log_rate - self.log_dispersion
        body = value * ratio - (value + theta) * F.softplus(ratio)
        if value.is_cuda:  # where a choice of elements would make the host wait
            return body + _constant(value, theta)
        stored = value != 0  # c(0, θ) = 0, and most counts are 0
        return body.masked_scatter(
            stored, body[stored] + _constant(value[stored], theta.expand_as(value)[stored])
        )

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Counts of rows with the total of the setting, ``sample_shape + (B, D)``."""
        theta = self.log_dispersion.exp().expand(self._extended_shape(sample_shape))
        return torch.poisson(Gamma(theta, theta / self.mean.clamp_min(1e-30)).sample())


def _constant(value: Tensor, theta: Tensor) -> Tensor:
    """c(x, θ) = log Γ(x+θ) − log Γ(θ) − log x!, of a large θ by Stirling's series.

    There the two are so large and alike that in single precision their difference is rounding.
    """
    t = theta.clamp(max=LARGE)
    exact = torch.lgamma(value + t) - torch.lgamma(t)
    t = theta.clamp(min=LARGE)
    series = (t - 0.5) * torch.log1p(value / t) + value * (torch.log(value + t) - 1)
    series = series + (1 / (value + t) - 1 / t) / 12
    return torch.where(theta > LARGE, series, exact) - torch.lgamma(value + 1)
