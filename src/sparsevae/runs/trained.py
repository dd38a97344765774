"""A run opened for use: raw rows in, codes out; codes in, rows in the data's own units out.

Shape legend: N rows of shape (D,) or (C, H, W), J latent dimensions.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sparsevae.data import Dataset, Raw, Split
from sparsevae.data.scaling import values_of
from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.evaluation.passes import batched, fixed_noise
from sparsevae.models import Model
from sparsevae.models.likelihoods import check_domain
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import nameless
from sparsevae.storage.arrays import Array, Floats, blocks
from sparsevae.training import loop
from sparsevae.training.config import DataConfig


@dataclass(frozen=True)
class OpenRun:
    """A trained model with the units of its data.

    Attributes:
        path: the run folder.
        model: in evaluation mode.
        data: what the run keeps of its data.
    """

    path: Path
    model: Model
    data: DataConfig

    @classmethod
    def open(cls, path: Path | str, device: str = "cpu") -> "OpenRun":
        """Load a run folder.

        Raises:
            RunFolderError: there is no trained model here, or it is damaged.
            DeviceError: the device is not on this machine.
        """
        run = RunFolder(path)
        return cls(run.path, run.load(loop.device(device)), run.data)

    def check(self, raw: Raw) -> Array:
        """The rows, if they are of the kind that the run was trained on.

        Raises:
            DatasetError: another shape, or other columns; where either side has no names, the
                order counts.
        """
        expected, given = self.model.shape, tuple(raw.values.shape[1:])
        if given != expected:
            raise DatasetError(
                f"{self.path} was trained on {_form(expected)}; {raw.source} holds {_form(given)}."
            )
        named = self.data.columns and raw.columns != nameless(len(raw.columns))
        if named and raw.columns != self.data.columns:
            place = next(i for i in range(given[0]) if raw.columns[i] != self.data.columns[i])
            raise DatasetError(
                f"{self.path} was trained on a table whose column {place + 1} is "
                f"{self.data.columns[place]!r}; in {raw.source} it is {raw.columns[place]!r}."
            )
        return raw.values

    def encode(self, rows: Array) -> Floats:
        """Deterministic codes of raw rows, a block at a time, shape ``(N, J)``."""
        scaling = self.data.scaling
        parts = [batched(self.model.encode, scaling.apply(b), self.model) for b in blocks(rows)]
        return np.concatenate(parts)

    def decode(self, codes: Array, *, own_type: bool = True) -> Array:
        """The mean row of every code in the data's units, shape ``(N, *shape)``.

        Args:
            codes: shape ``(N, J)``.
            own_type: in the data's type, where whole numbers are rounded and cut off at the
                ends of the type; otherwise float32.

        Raises:
            DatasetError: codes of another length.
        """
        if codes.ndim != 2 or codes.shape[1] != self.model.latents:
            raise DatasetError(
                f"Codes of {self.path} have {self.model.latents} numbers a row; got an array of "
                f"shape {codes.shape}."
            )
        dense = np.require(codes, np.float32, ["C", "W"])
        return self.raw(batched(self.model.decode, dense, self.model), own_type=own_type)

    def raw(self, x: Floats, *, own_type: bool = True) -> Array:
        """What a model gives, in the data's units and perhaps type."""
        values, dtype = self.data.scaling.undo(x), np.dtype(self.data.dtype)
        if not own_type:
            return values
        if dtype.kind == "f":
            return values.astype(dtype)
        ends = np.iinfo(dtype)
        return np.rint(values.astype(np.float64)).clip(ends.min, ends.max).astype(dtype)

    def sample(
        self, count: int, seed: int = 0, *, noise: bool = True, own_type: bool = True
    ) -> Array:
        """New rows: codes from the prior, then rows from p(x|z), shape ``(count, *shape)``.

        Args:
            count: how many.
            seed: of the draws.
            noise: draw rows from p(x|z); otherwise take its mean.
            own_type: see :meth:`decode`.

        Raises:
            ConfigurationError: no rows are asked for, or the model has no prior.
        """
        if count < 1:
            raise ConfigurationError(f"Ask for at least 1 row, not {count}.")
        with fixed_noise(seed), torch.no_grad():
            observed = self.model.likelihood(self.model.draw_codes(count))
            x = observed.sample() if noise else observed.mean
        return self.raw(x.cpu().numpy(), own_type=own_type)

    def measurable(self, raw: Raw) -> Dataset:
        """Rows to be measured on: they are the test split, and without labels the other one.

        The mean row, which a collapsed decoder would print, is then that of these rows.

        Raises:
            DatasetError: rows of another kind, or outside of where the likelihood is defined.
        """
        rows, scaling = self.check(raw), self.data.scaling
        test = Split(rows, raw.labels, scaling)
        check_domain(self.likelihood, values_of(scaling.apply(rows)))
        return Dataset(raw.source, Split(rows, None, scaling), test, raw.classes, raw.sha256)

    @property
    def likelihood(self) -> str:
        """The name of the family of p(x|z)."""
        named = RunFolder(self.path).config.arguments.get("likelihood", "bernoulli")
        return str(named["kind"] if isinstance(named, dict) else named)


def _form(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"rows of {shape[0]} columns"
    return f"images of shape {shape} (channels, rows, columns)"
