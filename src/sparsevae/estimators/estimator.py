"""The estimator: scikit-learn's interface around a trained model.

Shape legend: N rows of shape (D,), (H, W) or (C, H, W), J latent dimensions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from sparsevae.data.scaling import Scaling
from sparsevae.errors import ConfigurationError
from sparsevae.estimators.reading import read
from sparsevae.estimators.restoring import Restoring
from sparsevae.estimators.settings import Settings
from sparsevae.models import Model, row
from sparsevae.models.schedules import Constant
from sparsevae.runs.given import raw_rows
from sparsevae.runs.prepare import prepare
from sparsevae.runs.train import trained_model
from sparsevae.runs.trained import TrainedModel
from sparsevae.runs.training import Training, rows_of
from sparsevae.storage.arrays import Array, Floats, Row
from sparsevae.training import loop, step

STEADY = Constant(1e-3)  # the rate where the number of passes is not known
LARGEST_SEED = 2**31 - 1


class SparseVAE(Restoring, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Sparse, dense or binary-gated codes of tables and images, by any model of the table.

    With the default model, Variational Sparse Coding, every row has its own few components on: a
    gate says which, a number how much, and entries that are off are exactly 0. What is left open
    is settled from the training rows as :func:`sparsevae.fit` and ``sparsevae fit`` do it: the
    same settings, seed and rows give the same weights.

    Parameters
    ----------
    model : str, default="vsc"
        A row of the table of models: "vsc", "vsc-wu", "vae", "ae", "beta-vae", "l1", "top-k".
    n_components : int, default=16
        Numbers a code.
    target_active : float, default=None
        How many components should be on for a row, for models that hold such a target. None
        leaves the model's own, 8; at most half of the components are.
    likelihood : str or dict, default="auto"
        Family of p(x|z), such as "gaussian"; or a dict with it as "kind" and settings, such as
        ``{"kind": "fixed-gaussian", "scale": 0.5}``. "auto" looks at the values.
    scaling : {"auto", "none", "grey", "minmax", "standard"}, default="auto"
        What is done to the data before the model and undone behind it; "auto" brings them to
        where the likelihood is defined. Columns that are constant are left at scale 1.
    widths : sequence of int, default=None
        Widths of the encoder's layers; the decoder mirrors them. None takes 64 below 1,000 rows,
        256 above, and convolutions of (16, 32, 256) for drawings in black and white.
    trunk : {"convolution", "mlp", "linear"}, default=None
        Layers between rows and codes; None chooses by the data, of wide vectors with as wide
        codes "linear", a dictionary.
    max_iter : int, default=None
        Passes over the rows. None takes about 1,500 steps or more, 10 to 500 passes.
    batch_size : int, default=None
        Rows a step. None takes 64 or more, for drawings 16 to 256.
    learning_rate : float or dict, default=None
        Of Adam, constant or a schedule such as ``{"kind": "one-cycle", "peak": 0.003}``. None
        takes the recipe's one cycle in `fit`, and 0.001 in `partial_fit`.
    model_arguments : dict, default=None
        Further arguments of the model's class, such as ``{"beta": 4.0}``, before the recipe's.
    sparse_output : bool, default=False
        Whether `transform` returns a scipy.sparse array.
    device : str, default="cpu"
        Where the model lives: "cpu", "cuda", "cuda:1" or "auto".
    random_state : int, RandomState instance or None, default=None
        Of weights, order of rows and noise. A whole number is the seed of the run.
    verbose : bool, default=False
        Whether a line is printed after every pass.

    Attributes:
    ----------
    trained_ : sparsevae.TrainedModel
        The trained model in the units of the data; ``trained_.save(folder)`` writes a run.
    n_features_in_ : int
        Numbers a row.
    feature_names_in_ : ndarray of str
        Names of the columns, where X had some.

    Notes:
    -----
    Networks compute in single precision, so codes are float32 whatever the type of X.
    A pickle is loaded on the CPU where the device of the training is not there.

    References:
    ----------
    Tonolini, Jensen and Murray-Smith, "Variational Sparse Coding", UAI 2019.

    Examples:
    --------
    >>> from sklearn.datasets import load_wine
    >>> X = load_wine().data
    >>> coder = SparseVAE(n_components=4, max_iter=2, random_state=0).fit(X)
    >>> coder.transform(X).shape, coder.likelihood_
    ((178, 4), 'diagonal-gaussian')
    """

    def __init__(
        self,
        model: str = "vsc",
        n_components: int = 16,
        *,
        target_active: float | None = None,
        likelihood: str | Mapping[str, Any] = "auto",
        scaling: str = "auto",
        widths: Sequence[int] | None = None,
        trunk: str | None = None,
        max_iter: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | Mapping[str, Any] | None = None,
        model_arguments: Mapping[str, Any] | None = None,
        sparse_output: bool = False,
        device: str = "cpu",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.model = model
        self.n_components = n_components
        self.target_active = target_active
        self.likelihood = likelihood
        self.scaling = scaling
        self.widths = widths
        self.trunk = trunk
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.model_arguments = model_arguments
        self.sparse_output = sparse_output
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> "SparseVAE":
        """Settle what the parameters leave open, then train a new model.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (N, D), (N, H, W) or (N, C, H, W)
            Numbers; of a table gaps too, and in a data frame text, dates and booleans.
        y : ignored
            For scikit-learn's pipelines.

        Returns:
        -------
        self : SparseVAE
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
        self._train(rows, self.trained_.config.epochs, None)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> "SparseVAE":
        """Take one pass over rows, of a new model at first.

        The first call settles what is open from its rows. Schedules take ``max_iter`` passes for
        the whole training and stay at their end afterwards: with a learning rate that is named,
        that many calls with the same rows are one ``fit``.

        Parameters
        ----------
        X : array-like of shape (N, D), (N, H, W) or (N, C, H, W)
            Finite numbers, as many columns in every call.
        y : ignored
            For scikit-learn's pipelines.

        Returns:
        -------
        self : SparseVAE
            The estimator, one pass further.
        """
        first = not hasattr(self, "trained_")
        rows = read(self, X, reset=first)
        if first:
            self._begin(rows)
        self._train(rows, self.n_iter_ + 1, STEADY if self.learning_rate is None else None)
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
        codes = self.trained_.encode(read(self, X, reset=False))
        return sparse.csr_array(codes) if self.sparse_output else codes

    def inverse_transform(self, X: Any) -> Any:
        """The mean row of every code, in the units and the layout of the data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (N, n_components)
            Codes.

        Returns:
        -------
        rows : float32 array of shape (N, D), (N, H, W) or (N, C, H, W)
            Expected values under p(x|z); columns that ``fit`` left out are not among them.
        """
        check_is_fitted(self)
        codes = check_array(X, accept_sparse="csr", dtype=np.float32, estimator=self)
        return self._own_layout(self.trained_.decode(codes, own_type=self._is_table))

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
            Nats a row: see :meth:`sparsevae.TrainedModel.elbo`.
        """
        check_is_fitted(self)
        return float(self.trained_.elbo(read(self, X, reset=False)).mean(dtype=np.float64))

    def sample(
        self, n_samples: int = 1, *, observation_noise: bool = True, random_state: Any = None
    ) -> Any:
        """New rows: codes from the prior, then rows from p(x|z).

        Parameters
        ----------
        n_samples : int, default=1
            How many rows.
        observation_noise : bool, default=True
            Whether a row is drawn from p(x|z), such as black and white pixels; otherwise it
            is the mean of p(x|z), such as a grey image.
        random_state : int, RandomState instance or None, default=None
            Of the draws.

        Returns:
        -------
        rows : float32 array of shape (n_samples, ...), or a data frame
            In the units of the data.

        Raises:
        ------
        ConfigurationError
            The model has no prior that can be drawn from.
        """
        check_is_fitted(self)
        own, seed, noise = self._is_table, _seed(random_state), observation_noise
        return self._own_layout(self.trained_.sample(n_samples, seed, noise=noise, own_type=own))

    @property
    def model_(self) -> Model:
        """The network, a torch module that takes scaled rows."""
        return self.trained_.model

    @property
    def likelihood_(self) -> Any:
        """The family of p(x|z)."""
        return self.trained_.likelihood

    @property
    def likelihood_reason_(self) -> str:
        """Why that family was taken."""
        return self.trained_.data.reason

    @property
    def scaling_(self) -> Scaling:
        """What is done to the data, with the statistics of the training rows."""
        return self.trained_.data.scaling

    @property
    def widths_(self) -> tuple[int, ...]:
        """Widths of the trunk."""
        return self.trained_.config.widths

    @property
    def history_(self) -> list[Row]:
        """Terms of the loss in nats a row, of every pass."""
        return self.trained_.history

    @property
    def n_iter_(self) -> int:
        """Passes so far."""
        return len(self.trained_.history)

    @property
    def _n_features_out(self) -> int:
        return self.trained_.model.latents

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __getstate__(self) -> Row:
        state: Row = super().__getstate__()
        if "_training" in state:
            state = {**state, "_training": step.optimiser_tensors(self._training.optimiser)}
        return state

    def __setstate__(self, state: Row) -> None:
        super().__setstate__(state)
        if "_training" in state:
            trained = self.trained_
            optimiser = step.make_optimiser(trained.model)
            step.restore_optimiser(optimiser, state["_training"])
            self._training = Training(trained.config, trained.model, optimiser, trained.history)

    def _begin(self, rows: Array) -> None:
        """Settle what the parameters leave open; a new model with weights of the seed."""
        given = Settings.checked({name: getattr(self, name) for name in Settings.model_fields})
        arguments = dict(self.model_arguments or {})
        if "likelihood" in arguments:
            raise ConfigurationError("The likelihood is a parameter of its own: likelihood=….")
        if given.target_active and "target_active" in row(given.model).accepts():
            arguments.setdefault("target_active", given.target_active)
        names = tuple(getattr(self, "feature_names_in_", ()))
        raw = raw_rows(rows, names=names, channels="first", fewest=1)
        prepared = prepare(
            raw,
            test_fraction=0,
            model=given.model,
            latents=given.n_components,
            likelihood=self.likelihood,
            scaling=given.scaling,
            widths=given.widths,
            trunk=given.trunk,
            epochs=given.max_iter,
            batch_size=given.batch_size,
            learning_rate=given.learning_rate,
            seed=_seed(self.random_state),
            arguments=arguments,
        )
        images, where = rows_of(prepared.dataset.train), loop.device(given.device)
        self._training = Training.begin(prepared.config, images, where)
        self.trained_: TrainedModel = trained_model(self._training, prepared)

    def _train(self, rows: Array, until: int, rate: Constant | None) -> None:
        images = rows_of(self.trained_.split(rows))

        def after_epoch() -> None:
            if self.verbose:
                print(f"epoch {self.n_iter_}/{until}: {self.history_[-1]['objective']:.4g} nats")

        self._training.go_on(images, until=until, learning_rate=rate, after_epoch=after_epoch)
        self.trained_ = replace(self.trained_, model=self._training.model.eval())
        if self.trained_.learned:  # in a pickled copy, of the weights before
            self.trained_ = replace(self.trained_.with_clean(rows), learned=())


def _seed(random_state: Any) -> int:
    """A whole number as it is; else drawn from a generator of NumPy."""
    if isinstance(random_state, int | np.integer) and 0 <= random_state <= LARGEST_SEED:
        return int(random_state)
    return int(check_random_state(random_state).randint(LARGEST_SEED))
