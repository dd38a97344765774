"""A trained model and data in, numbers out: metrics, baselines, diagnostics."""

from sparsevae.evaluation.diagnostics import Diagnosis, Finding
from sparsevae.evaluation.evaluate import (
    ALL_GROUPS,
    Evaluation,
    evaluate,
    evaluate_dataset,
    evaluate_pass,
    register,
)
from sparsevae.evaluation.one_pass import Pass

__all__ = [
    "ALL_GROUPS",
    "Diagnosis",
    "Evaluation",
    "Finding",
    "Pass",
    "evaluate",
    "evaluate_dataset",
    "evaluate_pass",
    "register",
]
