"""Tables with gaps, or with more than numbers, in the estimator.

Shape legend: N rows of D columns.
"""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from sparsevae.estimators.reading import read
from sparsevae.runs.trained import TrainedModel


class Imputing:
    """What an estimator with a trained model does about gaps."""

    trained_: TrainedModel

    def impute(self, X: Any) -> Any:
        """Rows with their gaps filled by what the model expects there.

        Parameters
        ----------
        X : data frame or array-like of shape (N, D)
            Rows like those of ``fit``, NaN or None at gaps.

        Returns:
        -------
        rows : like X
            All that was there is as it was.

        Raises:
        ------
        DatasetError
            The rows of ``fit`` had no gaps, and nothing but numbers.
        """
        check_is_fitted(self)
        return self.trained_.impute(read(self, X, reset=False))

    @property
    def _is_table(self) -> bool:
        """Whether rows were a table with gaps, or with more than numbers."""
        return self.trained_.data.table is not None
