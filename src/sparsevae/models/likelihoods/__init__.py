"""What a decoder's output says about the data: p(x|z), one class a family, one table of them."""

from sparsevae.models.likelihoods.base import Likelihood
from sparsevae.models.likelihoods.choice import check_domain, choose
from sparsevae.models.likelihoods.constant import constant_score
from sparsevae.models.likelihoods.counts import LibraryPoisson, NegativeBinomial
from sparsevae.models.likelihoods.measured import (
    DiagonalGaussian,
    FixedGaussian,
    LearnedGaussian,
    Poisson,
    SharedGaussian,
)
from sparsevae.models.likelihoods.mixed import Mixed
from sparsevae.models.likelihoods.table import LIKELIHOODS, Named, family, name_of, register
from sparsevae.models.likelihoods.totals import with_total
from sparsevae.models.likelihoods.unit import ContinuousBernoulli, GreyBernoulli

__all__ = [
    "LIKELIHOODS",
    "ContinuousBernoulli",
    "DiagonalGaussian",
    "FixedGaussian",
    "GreyBernoulli",
    "LearnedGaussian",
    "LibraryPoisson",
    "Likelihood",
    "Mixed",
    "Named",
    "NegativeBinomial",
    "Poisson",
    "SharedGaussian",
    "check_domain",
    "choose",
    "constant_score",
    "family",
    "name_of",
    "register",
    "with_total",
]
