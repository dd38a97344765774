"""Estimators for scikit-learn: codes of tables and images, with its interface and its rules."""

from sparsevae.estimators.base import Coder
from sparsevae.estimators.coders import (
    DeterministicCoder,
    VariationalCoder,
    VariationalSparseCoder,
)

__all__ = ["Coder", "DeterministicCoder", "VariationalCoder", "VariationalSparseCoder"]
