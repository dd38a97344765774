"""What an estimator is given: rows of numbers or images, checked, in one layout.

Shape legend: N rows, of shape (D,) or (C, H, W).
"""

from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Array

IMAGE_DIMENSIONS = (3, 4)  # (N, H, W) and (N, C, H, W)


def read(estimator: Any, X: Any, *, reset: bool) -> Array:
    """Rows as an array of shape ``(N, D)`` or ``(N, C, H, W)``; the data are not copied.

    Args:
        estimator: takes ``n_features_in_``, ``feature_names_in_`` and ``shape_``.
        X: a table or images of shape ``(N, D)``, ``(N, H, W)`` or ``(N, C, H, W)``.
        reset: whether to set the attributes, otherwise the rows must agree with them.

    Raises:
        ValueError: no numbers, not finite, no rows, other columns (raised by scikit-learn).
        DatasetError: rows of another shape than in ``fit``.
    """
    dimensions = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
    if dimensions in IMAGE_DIMENSIONS:
        rows = check_array(X, allow_nd=True, estimator=estimator)
        if reset:
            estimator.__dict__.pop("feature_names_in_", None)
            estimator.n_features_in_ = rows[0].size
    else:
        rows = validate_data(estimator, X, reset=reset)
    given = rows.shape[1:]
    if reset:
        estimator.shape_ = given
    elif given != estimator.shape_:
        raise DatasetError(
            f"{type(estimator).__name__} was fitted on rows of shape {estimator.shape_}; it "
            f"cannot take rows of shape {given}."
        )
    return rows[:, None] if rows.ndim == 3 else np.asarray(rows)
