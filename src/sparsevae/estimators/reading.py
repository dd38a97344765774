"""What an estimator is given: rows of numbers or images, checked, in one layout.

Shape legend: N rows, of shape (D,) or (C, H, W).
"""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from sparsevae.data.readers.columns import is_frame, is_plain
from sparsevae.errors import DatasetError
from sparsevae.runs.given import checked_frame, plain_array

IMAGE_DIMENSIONS = (3, 4)  # (N, H, W) and (N, C, H, W)


def read(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Rows as an array of shape ``(N, D)`` or ``(N, C, H, W)``; the data are not copied.

    A data frame with more than numbers stays a data frame.

    Args:
        estimator: takes ``n_features_in_``, ``feature_names_in_`` and ``shape_``.
        X: a table or images of shape ``(N, D)``, ``(N, H, W)`` or ``(N, C, H, W)``.
        reset: whether to set the attributes, otherwise the rows must agree with them.

    Raises:
        ValueError: no numbers, not finite, no rows, other columns (raised by scikit-learn).
        DatasetError: rows of another shape than in ``fit``, or two columns of one name.
    """
    if is_frame(X):
        checked_frame(X)
    elif isinstance(X, np.ma.MaskedArray):
        X = plain_array(X)
    if is_frame(X) and not is_plain(X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        if reset:
            estimator.shape_ = X.shape[1:]
        return X
    if sparse.issparse(X):
        rows = validate_data(estimator, X, reset=reset, accept_sparse="csr")
        if reset:
            estimator.shape_ = rows.shape[1:]
        return rows
    dimensions = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
    if dimensions in IMAGE_DIMENSIONS:
        rows = check_array(X, allow_nd=True, estimator=estimator)
        if reset:
            estimator.__dict__.pop("feature_names_in_", None)
            estimator.n_features_in_ = rows[0].size
    else:
        rows = validate_data(estimator, X, reset=reset, ensure_all_finite="allow-nan")
    given = rows.shape[1:]
    if reset:
        estimator.shape_ = given
    elif given != estimator.shape_:
        raise DatasetError(
            f"{type(estimator).__name__} was fitted on rows of shape {estimator.shape_}; it "
            f"cannot take rows of shape {given}."
        )
    return rows[:, None] if rows.ndim == 3 else np.asarray(rows)
