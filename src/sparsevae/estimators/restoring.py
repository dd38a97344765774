"""Rows with gaps or noise in the estimator.

Shape legend: N rows of shape (D,), (H, W) or (C, H, W).
"""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from sparsevae.estimators.reading import read
from sparsevae.runs.trained import TrainedModel


class Restoring:
    """What an estimator with a trained model does about gaps and noise."""

    trained_: TrainedModel
    shape_: tuple[int, ...]

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

    def denoise(self, X: Any, sigma: Any = None, **damage: Any) -> Any:
        """Noisy rows without their noise, see :meth:`sparsevae.TrainedModel.denoise`.

        Parameters
        ----------
        X : array-like of shape (N, D), (N, H, W) or (N, C, H, W)
            Rows like those of ``fit``, with independent normal noise on every element.
        sigma : float or array-like of shape (D,) or (C,), default=None
            Standard deviation of the noise in the data's units; None estimates it.
        **damage : float or array-like
            In place of it, ``salt_and_pepper``, the share of elements that are the least or the
            largest value, or ``hidden``, which are unknown, of X's shape.

        Returns:
        -------
        rows : float32 array of shape (N, D), (N, H, W) or (N, C, H, W)
            In the units of the data.

        Raises:
        ------
        ConfigurationError
            The data are counts, or a setting is out of its range.
        """
        check_is_fitted(self)
        rows = self.trained_.denoise(read(self, X, reset=False), sigma, own_type=False, **damage)
        return self._own_layout(rows)

    def _own_layout(self, rows: Any) -> Any:
        """Rows in the layout of the data: images of one channel perhaps without its axis."""
        images = len(self.shape_) > 1
        return rows.reshape(len(rows), *self.shape_) if images else rows

    @property
    def _is_table(self) -> bool:
        """Whether rows were a table with gaps, or with more than numbers."""
        return self.trained_.data.table is not None
