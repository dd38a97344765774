"""Estimators for scikit-learn: codes of tables and images, with its interface and its rules."""

from sparsevae.estimators.aliases import (
    DeterministicCoder,
    VariationalCoder,
    VariationalSparseCoder,
)
from sparsevae.estimators.estimator import SparseVAE

__all__ = ["DeterministicCoder", "SparseVAE", "VariationalCoder", "VariationalSparseCoder"]
