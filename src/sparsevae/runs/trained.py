"""A trained model in the units of its data: raw rows in, codes out; codes in, raw rows out.

Shape legend: N rows of shape (D,) or (C, H, W), J latent dimensions.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sparsevae.data import Split
from sparsevae.data.readers.columns import is_frame
from sparsevae.data.readers.labels import labels_of
from sparsevae.errors import DatasetError, DeviceError
from sparsevae.evaluation import ALL_GROUPS, Evaluation, evaluate
from sparsevae.evaluation.bound import SAMPLES
from sparsevae.evaluation.denoising import Denoiser, rows_needed
from sparsevae.evaluation.imputation import DRAWS, Imputer
from sparsevae.evaluation.passes import batched, encode, fixed_noise
from sparsevae.models import Model
from sparsevae.models.likelihoods import check_domain
from sparsevae.runs import bundled, densities, gaps, noise
from sparsevae.runs.decoding import codes_of, in_type
from sparsevae.runs.folder import RunFolder, identity
from sparsevae.runs.given import (
    checked_frame,
    count_of,
    in_order,
    in_shape,
    named_array,
    table_values,
)
from sparsevae.runs.weights import build_model
from sparsevae.storage.arrays import BLOCK_VALUES, Array, Floats, Row, place_of, placed_blocks
from sparsevae.training import loop
from sparsevae.training.config import DataConfig, RunConfig


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model with everything that its data's units need.

    Rows may be an array, a pandas data frame or a tensor of raw rows, in the units that the model
    was trained on, of shape ``(N, D)``, ``(N, C, H, W)``, ``(N, H, W)`` for one channel, or
    ``(N, H, W, C)``. Columns of a data frame are taken by name. Only results are held whole: rows
    of a mapped file are read block by block.

    Attributes:
        model: the network with its likelihood, in evaluation mode; takes scaled rows.
        config: everything that decided its numbers.
        data: type, scaling, range and names of columns of its data.
        history: one row an epoch.
        data_sha256: checksum of its data.
        path: its run folder; None for a model in memory.
        clean: raw training rows for :meth:`denoise` and :meth:`impute`; they are never saved.
        refine: gradient steps on each row's posterior, see :mod:`sparsevae.evaluation.refinement`.
        learned: what codes leave over, in a pickled copy in place of ``clean``.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> trained, rows = TrainedModel.load("mnist-vsc-64"), np.zeros((2, 28, 28), np.uint8)
        >>> codes = trained.encode(rows)
        >>> codes.shape, trained.decode(codes).shape, trained.sample(3).shape
        ((2, 64), (2, 1, 28, 28), (3, 1, 28, 28))
        >>> trained.reconstruct(rows).dtype, trained.log_likelihood(rows, samples=10).shape
        (dtype('uint8'), (2,))
        >>> trained.evaluate(rows, groups=("sparsity",)).metrics["active_per_image"] < 64
        True
        >>> with TemporaryDirectory() as folder:
        ...     _ = trained.save(f"{folder}/copy")
        ...     files = trained.export(f"{folder}/programs", "torch")
        >>> [path.name for path in files][-1]
        'export.json'
    """

    model: Model
    config: RunConfig
    data: DataConfig
    history: list[Row] = field(default_factory=list)
    data_sha256: str = ""
    path: Path | None = None
    clean: Array | None = field(default=None, repr=False)
    refine: int = 0
    learned: tuple[Denoiser | Imputer, ...] = field(default=(), repr=False)

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu") -> "TrainedModel":
        """A model from a run folder: of a study, of :func:`sparsevae.fit`, saved, or pulled.

        Args:
            folder: a run folder, or the name of a model that comes with the package, such as
                "mnist-vsc-64".
            device: see :func:`sparsevae.training.loop.device`.

        Raises:
            RunFolderError: there is no trained model here, or it is damaged.
            DeviceError: the device is not on this machine.
        """
        run = RunFolder(bundled.place(folder))
        model = run.load(loop.device(device))
        return cls(model, run.config, run.data, run.history, run.data_sha256, run.path)

    def __getstate__(self) -> Row:
        """For pickles and copies: the weights, from which the network is made again."""
        weights = {name: tensor.cpu() for name, tensor in self.model.state_dict().items()}
        where = str(next(self.model.parameters()).device)
        rest: Row = {"clean": None, "learned": tuple(noise.residuals(self))}
        return {**vars(self), **rest, "model": (self.model.shape, weights, where)}

    def __setstate__(self, state: Row) -> None:
        shape, weights, where = state["model"]
        with torch.random.fork_rng():
            model = build_model(state["config"], shape)
        model.load_state_dict(weights)
        with suppress(DeviceError):  # it was trained on another machine's device
            model = model.to(loop.device(where))
        vars(self).update(state, model=model.eval())

    @property
    def name(self) -> str:
        """What sentences call it: its folder, or the model."""
        return "The model" if self.path is None else str(self.path)

    def values(self, rows: Any) -> Any:
        """Raw rows as an array of shape ``(N, *shape)``, not copied where that can be.

        Raises:
            DatasetError: another shape, a column that is missing, or no numbers.
        """
        if self.data.table is not None:
            return table_values(rows, self.data.table, self.name)
        if is_frame(rows) and self.data.columns:
            named, own = checked_frame(rows), list(self.data.columns)
            rows = named[own] if set(own) <= set(named.columns) else rows
        values = in_order(*named_array(rows), self.data.columns, self.name)
        return in_shape(values, self.model.shape, self.name)

    def scaled(self, block: Array, start: int = 0, *, clip: bool = True) -> Floats:
        """Raw rows as the network takes them; ``start`` is the place of the first of them.

        Raises:
            DatasetError: a number is not finite.
        """
        x = self.data.scaling.apply(block, clip=clip)
        bad = ~np.isfinite(x)
        if bad.any() and self.data.table is None:
            raise DatasetError(
                f"Rows hold a number that is missing or infinite: {block[bad][0]} in "
                f"{place_of(bad, start, self.data.columns)}; correct it, or leave the row out."
            )
        return x

    def inside(self, block: Array, start: int = 0) -> Floats:
        """As :meth:`scaled`, where the likelihood is defined.

        Raises:
            DatasetError: a number is not finite, or lies elsewhere.
        """
        x = self.scaled(block, start)
        check_domain(self.likelihood, x, start, self.data.columns)
        return x

    def split(self, rows: Any) -> Split:
        """Raw rows as what a model is trained on, where its likelihood is defined.

        Raises:
            DatasetError: rows of another kind, or where the likelihood is not defined.
        """
        values = self.values(rows)
        for start, block in placed_blocks(values):
            self.inside(block, start)
        return Split(values, None, self.data.scaling)

    def encode(self, rows: Any) -> Floats:
        """Deterministic codes with exact zeros, shape ``(N, J)``; images may be noisy ones."""
        values, model, refine = self.values(rows), self.model, self.refine
        images = len(model.shape) == 3 and model.family.domain == "unit"
        take = self.scaled if images else self.inside  # noise takes grey levels beyond their ends
        parts = [encode(model, take(block, at), refine) for at, block in placed_blocks(values)]
        return np.concatenate(parts) if parts else np.empty((0, self.model.latents), np.float32)

    def decode(self, codes: Any, *, own_type: bool = True) -> Any:
        """The mean row of every code in the data's units, shape ``(N, *shape)``.

        A model of a table with text, dates or gaps gives a data frame: of a category the likeliest
        level.

        Args:
            codes: shape ``(N, J)``; an array, a tensor, a data frame or a sparse matrix.
            own_type: in the data's type, where whole numbers are rounded and cut off at the
                ends of the type; otherwise float32, of such a table the elements of its schema,
                probabilities for levels.

        Raises:
            DatasetError: codes of another length, other names, or a number that is not finite.
        """
        dense = codes_of(codes, self.model.latents, "The codes")
        step = max(1, BLOCK_VALUES // int(np.prod(self.model.shape)))
        parts = [
            self._raw(batched(self.model.decode, dense[at : at + step], self.model), own_type)
            for at in range(0, len(dense), step)
        ]
        parts = parts or [self._raw(np.empty((0, *self.model.shape), np.float32), own_type)]
        return self._own(np.concatenate(parts), own_type)

    def reconstruct(self, rows: Any, *, own_type: bool = True) -> Any:
        """What is left of every row after its code, in the data's units, ``(N, *shape)``."""
        return self.decode(self.encode(rows), own_type=own_type)

    def impute(self, rows: Any, *, draws: int = DRAWS, seed: int = 0) -> Any:
        """Rows with their gaps filled by what the model expects there, all else as it is.

        See :mod:`sparsevae.evaluation.imputation`; of a category it is the likeliest level, whole
        numbers are rounded. Columns that the model does not know stay as they are. What a code
        leaves over is regressed on, where :attr:`imputer` knows how.

        Args:
            rows: a data frame with the columns of the training, or an array.
            draws: codes drawn a row.
            seed: of the draws.

        Raises:
            DatasetError: the model was trained on rows without gaps.
        """
        return gaps.filled_rows(self, rows, draws, seed)

    def sample(
        self, count: int, seed: int = 0, *, noise: bool = True, own_type: bool = True
    ) -> Any:
        """New rows: codes from the prior, then rows from p(x|z), shape ``(count, *shape)``.

        Args:
            count: how many.
            seed: of the draws.
            noise: draw rows from p(x|z); otherwise take its mean.
            own_type: see :meth:`decode`.

        Raises:
            ConfigurationError: no rows are asked for, or the model has no prior.
        """
        count = count_of(count, "The number of rows to draw")
        with fixed_noise(seed), torch.no_grad():
            observed = self.model.likelihood(self.model.draw_codes(count))
            x = observed.sample() if noise else observed.mean
        return self._own(self._raw(x.cpu().numpy(), own_type), own_type)

    @cached_property
    def denoiser(self) -> Denoiser:
        """What is known of the residuals of noisy rows, from the run folder or from clean rows.

        Raises:
            ConfigurationError: neither is there, or rows are counts.
        """
        return noise.denoiser_of(self)

    @cached_property
    def imputer(self) -> Imputer | None:
        """What is known of the residuals of hidden elements; None where nothing is."""
        return gaps.imputer_of(self)

    def with_clean(self, rows: Any) -> "TrainedModel":
        """The same model, which learns from these rows what its codes leave over.

        Args:
            rows: training rows, see the class; the first 4,000 are kept, fewer of large ones.
        """
        return replace(self, clean=np.array(self.values(rows)[: rows_needed(self.model)]))

    def denoise(
        self, rows: Any, sigma: Any = None, *, own_type: bool = True, **damage: Any
    ) -> Array:
        """Noisy rows without their noise, in the data's range and units, ``(N, *shape)``.

        Args:
            rows: rows with independent normal noise on every element, see the class. Grey levels
                of which none lies outside of their range are taken to have been cut off there.
            sigma: of the noise in the data's units, one number, one a column or channel, or one
                an element; None estimates one for all rows, in proportion to elements' scales.
            own_type: see :meth:`decode`.
            **damage: in place of it, ``salt_and_pepper`` or ``hidden`` or both, see
                :func:`sparsevae.runs.noise.repaired`.

        Raises:
            ConfigurationError: a setting is out of its range, or the model cannot denoise.
            DatasetError: rows of another kind.
        """
        clean = noise.repaired if damage else noise.denoised
        return self._raw(clean(self, rows, sigma, **damage), own_type)

    def elbo(self, rows: Any, *, draws: int = 5) -> Floats:
        """The evidence lower bound of every row: nats in the data's own units, shape ``(N,)``.

        A likelihood on [0, 1] sees rows beyond the training range at its ends, as the encoder
        does. A model without a prior has no bound: it gives log p(x | code).

        Args:
            rows: see the class.
            draws: codes drawn a row, with fixed seeds.

        Raises:
            DatasetError: rows of another kind, or where the likelihood is not defined.
        """
        return densities.elbo(self, rows, draws)

    def log_likelihood(self, rows: Any, *, samples: int = SAMPLES) -> Floats:
        """The importance-weighted bound on log p(x) of every row (Burda et al. 2016).

        No less than :meth:`elbo` on average; nats in the data's own units, shape ``(N,)``.

        Args:
            rows: see the class.
            samples: codes drawn for each row, with a fixed seed.

        Raises:
            ConfigurationError: the model's prior has no density.
            DatasetError: rows of another kind, or where the likelihood is not defined.
        """
        return densities.log_likelihood(self, rows, samples)

    def evaluate(
        self,
        rows: Any,
        labels: Any = None,
        *,
        groups: Iterable[str] = ALL_GROUPS,
        progress: Callable[[float], None] | None = None,
    ) -> Evaluation:
        """Measure the model on rows, as much as is asked for.

        Args:
            rows: see the class; their mean row is what a collapsed decoder would print.
            labels: one a row, where what needs classes is wanted.
            groups: of :data:`sparsevae.evaluation.ALL_GROUPS`.
            progress: called with the share of the work that is done, from 0 to 1.

        Raises:
            DatasetError: rows of another kind, or where the likelihood is not defined.
        """
        own, marks = self.split(rows), getattr(rows, "labels", None)
        if labels is not None:
            marks, _ = labels_of(np.asarray(labels), "labels")
        settings: Row = {"train": own, "groups": groups, "scaling": self.data.scaling}
        settings |= {"progress": progress, "refine": self.refine}
        return evaluate(self.model, self.values(rows), marks, **settings)

    def save(self, folder: Path | str) -> Path:
        """Write a run folder that every command and :meth:`load` take.

        What was measured and pictured goes along where this model came from a folder.

        Returns:
            The folder.

        Raises:
            RunFolderError: the folder holds another run.
            OutputError: the folder cannot be written to.
        """
        target = RunFolder(folder)
        if self.path is not None:
            target = RunFolder(self.path).copy_to(folder)
            for learned in noise.residuals(self) if self.learned or self.clean is not None else ():
                target.keep_learned(learned)
            return target.path
        target.start(self.config, self.data_sha256, self.model.shape, self.data)
        target.save_weights(self.model, self.history)
        for learned in noise.residuals(self):
            target.keep_learned(learned)
        target.finish(identity(self.config, self.model, self.history))
        return target.path

    def export(self, folder: Path | str, format: str = "onnx") -> list[Path]:
        """Write the model as programs: see :func:`sparsevae.runs.export.write_programs`."""
        from sparsevae.runs.export import write_programs

        return write_programs(self, folder, format)

    def _own(self, values: Array, own_type: bool) -> Any:
        """Decoded values in the form of the data: columns of a table are what they were."""
        table = self.data.table
        if table is None or not own_type:
            return values
        frame = table.decode(values)
        return frame if table.named else frame.to_numpy(np.float64)

    def _raw(self, x: Floats, own_type: bool) -> Array:
        """What the network gives, in the data's units and perhaps type."""
        if self.data.table is not None:
            return self.data.scaling.undo(x, np.float64 if own_type else np.float32)
        values = self.data.scaling.undo(x)
        return in_type(values, np.dtype(self.data.dtype)) if own_type else values

    @property
    def likelihood(self) -> Any:
        """The family of p(x|z) by its name in the table, with its settings if it has some."""
        return self.config.arguments.get("likelihood", "bernoulli")
