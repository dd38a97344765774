"""What the estimators share: scikit-learn's interface around a model and its training loop.

Shape legend: N rows of shape (D,) or (C, H, W), J latent dimensions.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from sparsevae.data.scaling import values_of
from sparsevae.errors import DatasetError
from sparsevae.estimators.plan import make_plan, new_model
from sparsevae.estimators.reading import Array, read
from sparsevae.evaluation.passes import batched, measure
from sparsevae.models.likelihoods import check_domain
from sparsevae.models.schedules import Constant, OneCycle, Schedule, from_json
from sparsevae.storage.arrays import Floats
from sparsevae.training import loop, step

ONE_CYCLE = OneCycle(peak=0.005)  # where the number of passes is known
STEADY = Constant(1e-3)  # where it is not
LARGEST_SEED = 2**31 - 1
SCORE_DRAWS = 5  # codes drawn a row to score it


class Coder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """Fit, transform, undo and score; a subclass names the model and describes parameters."""

    def __init__(
        self,
        n_components: int = 16,
        *,
        likelihood: str | Mapping[str, Any] = "auto",
        scaling: str = "auto",
        widths: Sequence[int] | None = None,
        max_iter: int | None = None,
        batch_size: int = 64,
        learning_rate: float | Mapping[str, Any] | None = None,
        model_arguments: Mapping[str, Any] | None = None,
        sparse_output: bool = False,
        device: str = "cpu",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.n_components = n_components
        self.likelihood = likelihood
        self.scaling = scaling
        self.widths = widths
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.model_arguments = model_arguments
        self.sparse_output = sparse_output
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _model(self) -> tuple[str, dict[str, Any]]:
        """Which row of the table of models is fitted, and arguments of its class."""

    def fit(self, X: Any, y: Any = None) -> "Coder":
        """Choose what the parameters leave open, then train a new model.

        Parameters
        ----------
        X : array-like of shape (N, D), (N, H, W) or (N, C, H, W)
            Finite numbers.
        y : ignored
            For scikit-learn's pipelines.

        Returns:
        -------
        self : Coder
            The fitted estimator.

        Raises:
        ------
        ConfigurationError
            A parameter is unknown or out of its range.
        DatasetError
            The likelihood is not defined for the scaled data.
        """
        rows = read(self, X, reset=True)
        self._begin(rows)
        self._train(rows, self._epochs, ONE_CYCLE)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> "Coder":
        """Take one pass over rows, of a new model at first.

        The first call settles likelihood, scaling and widths from its rows. Schedules take
        ``max_iter`` passes for the whole training and stay at their end afterwards: with a
        learning rate that is named, that many calls with the same rows are one ``fit``.

        Parameters
        ----------
        X : array-like of shape (N, D), (N, H, W) or (N, C, H, W)
            Finite numbers, as many columns in every call.
        y : ignored
            For scikit-learn's pipelines.

        Returns:
        -------
        self : Coder
            The estimator, one pass further.
        """
        first = not hasattr(self, "model_")
        rows = read(self, X, reset=first)
        if first:
            self._begin(rows)
        self._train(rows, self.n_iter_ + 1, STEADY)
        return self

    def transform(self, X: Any) -> "Floats | sparse.csr_array":
        """The deterministic code of every row: one definition for all of them, no noise.

        Parameters
        ----------
        X : array-like of shape (N, D), (N, H, W) or (N, C, H, W)
            Rows like those of ``fit``.

        Returns:
        -------
        codes : float32 array or scipy.sparse.csr_array of shape (N, n_components)
            Networks compute in single precision, so codes do too, whatever the type of X.
        """
        check_is_fitted(self)
        x = self.scaling_.apply(read(self, X, reset=False))
        codes = batched(self.model_.encode, x, self.model_)
        return sparse.csr_array(codes) if self.sparse_output else codes

    def inverse_transform(self, X: Any) -> Floats:
        """The mean row of every code, in the units and the layout of the data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (N, n_components)
            Codes.

        Returns:
        -------
        rows : float32 array of shape (N, D), (N, H, W) or (N, C, H, W)
            Expected values under p(x|z).
        """
        check_is_fitted(self)
        codes = check_array(X, accept_sparse="csr", dtype=np.float32, estimator=self)
        dense = codes.toarray() if sparse.issparse(codes) else codes
        if dense.shape[1] != self.model_.latents:
            raise DatasetError(
                f"{type(self).__name__} has codes of {self.model_.latents} numbers; got rows of "
                f"{dense.shape[1]}."
            )
        dense = np.require(dense, requirements=["C", "W"])  # torch shares its memory
        return self._raw(batched(self.model_.decode, dense, self.model_))

    def score(self, X: Any, y: Any = None) -> float:
        """How well rows are explained: the mean evidence lower bound, larger is better.

        Parameters
        ----------
        X : array-like of shape (N, D), (N, H, W) or (N, C, H, W)
            Rows like those of ``fit``.
        y : ignored
            For scikit-learn's searches.

        Returns:
        -------
        score : float
            Nats a row, averaged over rows and a few draws of the code with a fixed seed.
            Densities are those of the data in their own units, so scalings can be compared;
            likelihoods cannot, where one is a density and another a score of grey levels.
            A deterministic autoencoder has no bound: its score is log p(x | code).
        """
        check_is_fitted(self)
        x = self.scaling_.apply(read(self, X, reset=False))
        self._check_domain(x)
        draws = [measure(self.model_, x, seed) for seed in range(SCORE_DRAWS)]
        nats = float(np.mean([found.reconstruction + found.kl for found in draws]))
        if self.model_.family.continuous:
            nats += self.scaling_.log_volume(self.model_.shape)
        return -nats

    @property
    def _n_features_out(self) -> int:
        return int(self.model_.latents)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _begin(self, rows: Array) -> None:
        """Settle what the parameters leave open; a new model with weights of the seed."""
        plan = make_plan(self.get_params(deep=False), rows)
        self.likelihood_, self.likelihood_reason_ = plan.likelihood, plan.reason
        self.scaling_, self.trunk_, self.widths_ = plan.scaling, plan.trunk, plan.widths
        self.recipe_, self._epochs = plan.recipe, plan.epochs
        self._seed = int(check_random_state(self.random_state).randint(LARGEST_SEED))
        name, arguments = self._model()
        arguments |= self.model_arguments or {}
        model = new_model(name, int(self.n_components), arguments, plan, rows, self._seed)
        self.model_ = model.to(loop.device(self.device))
        self._optimiser = step.make_optimiser(self.model_)
        self.history_: list[dict[str, float]] = []
        self.n_iter_ = 0

    def _train(self, rows: Array, until: int, rate: Schedule) -> None:
        """Train up to that number of passes in all, at a rate that a parameter may overrule."""
        if self.learning_rate is not None:
            rate = from_json(self.learning_rate)
        scaled = self.scaling_.apply(rows)
        self._check_domain(scaled)
        with torch.random.fork_rng():
            for row in loop.train(
                self.model_,
                self._optimiser,
                torch.from_numpy(scaled).to(next(self.model_.parameters()).device),
                epochs=max(self._epochs, until),
                batch_size=self.batch_size,
                learning_rate=rate,
                seed=self._seed,
                start=self.n_iter_,
            ):
                self.history_.append(row)
                self.n_iter_ = len(self.history_)
                if self.verbose:
                    print(f"epoch {self.n_iter_}/{until}: {row['objective']:.4g} nats a row")
                if self.n_iter_ == until:
                    break

    def _check_domain(self, scaled: Floats) -> None:
        check_domain(self.likelihood_, values_of(scaled))

    def _raw(self, x: Floats) -> Floats:
        """Scaled rows in the units and the layout of the data."""
        return self.scaling_.undo(x).reshape(len(x), *self.shape_)
