"""Gaps of raw rows, filled in the data's own units.

Shape legend: N raw rows of D columns.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from sparsevae.errors import DatasetError
from sparsevae.evaluation.imputation import Imputer, can_impute, imputed
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.given import count_of, filled

if TYPE_CHECKING:
    from sparsevae.runs.trained import TrainedModel


def imputer_of(trained: "TrainedModel") -> Imputer | None:
    """What is known of the residuals of hidden elements, from training rows or the run folder.

    None where neither is there, or where rows have no gaps or are too long.
    """
    if not can_impute(trained.model):
        return None
    if trained.clean is not None:
        return Imputer.learned(trained.model, trained.scaled(trained.clean))
    kept = next((each for each in trained.learned if isinstance(each, Imputer)), None)
    return kept if kept or trained.path is None else RunFolder(trained.path).imputer


def filled_rows(trained: "TrainedModel", rows: Any, draws: int, seed: int) -> Any:
    """See :meth:`sparsevae.TrainedModel.impute`.

    Raises:
        DatasetError: the model was trained on rows without gaps.
    """
    count_of(draws, "draws")
    table = trained.data.table
    if table is None:
        raise DatasetError(
            f"{trained.name} was trained on numbers without gaps; train it on rows with gaps."
        )
    x = trained.scaled(trained.values(rows))
    whole = imputed(trained.model, x, trained.imputer, draws=draws, seed=seed)
    return filled(rows, table, trained.data.scaling.undo(whole, np.float64))
