"""The estimators: sparse variational, variational and deterministic codes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sparsevae.estimators.base import LARGEST_SEED, Coder
from sparsevae.evaluation.passes import fixed_noise
from sparsevae.storage.arrays import Floats
from sparsevae.training.recipes import recipe


class Generator(Coder):
    """A coder with a prior, so that new rows can be drawn."""

    def sample(
        self, n_samples: int = 1, *, observation_noise: bool = True, random_state: Any = None
    ) -> Floats:
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
        rows : float32 array of shape (n_samples, D), (n_samples, H, W) or \
                (n_samples, C, H, W)
            In the units of the data.
        """
        check_is_fitted(self)
        seed = int(check_random_state(random_state).randint(LARGEST_SEED))
        with fixed_noise(seed), torch.no_grad():
            observed = self.model_.likelihood(self.model_.draw_codes(n_samples))
            x = observed.sample() if observation_noise else observed.mean
        return self._raw(x.cpu().numpy())


class VariationalSparseCoder(Generator):
    """Codes with exact zeros by Variational Sparse Coding.

    Every row has its own few components on: a gate says which, a number how much. A network
    trains both as a spike-and-slab posterior by the evidence lower bound.

    Parameters
    ----------
    n_components : int, default=16
        Numbers a code.
    target_active : float, default=8
        How many components should be on for a row; at most half of them are.
    warm_up : bool, default=False
        Whether training begins with binary codes ("which") and lets their values in
        afterwards ("how much"), which makes components differ more between groups of rows.
    likelihood : str or dict, default="auto"
        Family of p(x|z): "bernoulli", "continuous-bernoulli", "gaussian", "fixed-gaussian" or
        "poisson"; or a dict with it as "kind" and settings, such as
        ``{"kind": "fixed-gaussian", "scale": 0.5}``. "auto" looks at the values.
    scaling : {"auto", "none", "grey", "minmax", "standard"}, default="auto"
        What is done to the data before the model and undone behind it; "auto" brings them to
        where the likelihood is defined. Columns that are constant are left at scale 1.
    widths : sequence of int, default=None
        Widths of the encoder's trunk; the decoder mirrors it. None takes (64,) for vectors
        and (16, 32, 256) for images.
    max_iter : int, default=None
        Passes over the rows. None takes about 1,000 steps: 25 to 500 passes.
    batch_size : int, default=64
        Rows a step.
    learning_rate : float or dict, default=None
        Of Adam, constant or a schedule such as ``{"kind": "one-cycle", "peak": 0.003}``. None
        takes one cycle up to 0.005 in `fit`, and 0.001 in `partial_fit`.
    model_arguments : dict, default=None
        Arguments of :class:`sparsevae.models.VSC` to use instead of what the estimator takes:
        those of the recipe "default" for images with values in [0, 1], else of "any-values".
    sparse_output : bool, default=False
        Whether `transform` returns a scipy.sparse array.
    device : str, default="cpu"
        Where the model lives: "cpu", "cuda", "cuda:1" or "auto".
    random_state : int, RandomState instance or None, default=None
        Of weights, order of rows and noise.
    verbose : bool, default=False
        Whether a line is printed after every pass.

    Attributes:
    ----------
    model_ : sparsevae.models.Model
        The trained model, a torch module that takes scaled rows.
    likelihood_, likelihood_reason_ : str or dict, str
        The family of p(x|z) and why it was taken.
    scaling_ : sparsevae.data.scaling.Scaling
        What is done to the data, with the statistics of the training rows.
    trunk_, widths_ : {"mlp", "convolution"}, tuple of int
        The kind of network and its widths.
    recipe_ : str
        Where the model's further arguments come from.
    history_ : list of dict
        Terms of the loss in nats a row, of every pass.
    n_iter_ : int
        Passes so far.
    n_features_in_ : int
        Numbers a row.
    feature_names_in_ : ndarray of str
        Names of the columns, where X had some.

    Notes:
    -----
    Networks compute in single precision, so codes are float32 whatever the type of X.
    After training on a device, move the model with ``model_.to("cpu")`` before pickling for a
    machine without that device.

    References:
    ----------
    Tonolini, Jensen and Murray-Smith, "Variational Sparse Coding", UAI 2019.

    Examples:
    --------
    >>> from sklearn.datasets import load_wine
    >>> X = load_wine().data
    >>> coder = VariationalSparseCoder(n_components=4, max_iter=2, random_state=0).fit(X)
    >>> coder.transform(X).shape, coder.likelihood_
    ((178, 4), 'gaussian')
    """

    def __init__(
        self,
        n_components: int = 16,
        *,
        target_active: float = 8.0,
        warm_up: bool = False,
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
        super().__init__(
            n_components,
            likelihood=likelihood,
            scaling=scaling,
            widths=widths,
            max_iter=max_iter,
            batch_size=batch_size,
            learning_rate=learning_rate,
            model_arguments=model_arguments,
            sparse_output=sparse_output,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.target_active = target_active
        self.warm_up = warm_up

    def _model(self) -> tuple[str, dict[str, Any]]:
        name = "vsc-wu" if self.warm_up else "vsc"
        arguments = recipe(self.recipe_).arguments[name]
        return name, {**arguments, "target_active": float(self.target_active)}


class VariationalCoder(Generator):
    """Codes by a variational autoencoder: every component is used for every row.

    The parameters and attributes are those of :class:`VariationalSparseCoder` but
    ``target_active`` and ``warm_up``; ``model_arguments`` are those of
    :class:`sparsevae.models.VAE`, such as ``{"beta": 4.0}``.

    References:
    ----------
    Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014.

    Examples:
    --------
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> coder = VariationalCoder(n_components=2, max_iter=2, random_state=0).fit(X)
    >>> coder.sample(3, random_state=0).shape
    (3, 4)
    """

    def _model(self) -> tuple[str, dict[str, Any]]:
        return "vae", {}


class DeterministicCoder(Coder):
    """Codes by an autoencoder without noise and without a prior.

    The parameters and attributes are those of :class:`VariationalSparseCoder` but
    ``target_active`` and ``warm_up``; ``model_arguments`` are those of
    :class:`sparsevae.models.AutoEncoder`. There is nothing to sample from.

    Examples:
    --------
    >>> from sklearn.datasets import load_iris
    >>> X = load_iris().data
    >>> coder = DeterministicCoder(n_components=2, max_iter=2, random_state=0).fit(X)
    >>> coder.inverse_transform(coder.transform(X)).shape
    (150, 4)
    """

    def _model(self) -> tuple[str, dict[str, Any]]:
        return "ae", {}
