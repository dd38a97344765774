"""What is exported: raw rows to codes, and codes to rows, the scaling inside.

Shape legend: B rows of shape (D,) or (C, H, W), J latent dimensions.
"""

import numpy as np
import torch
from torch import Tensor, nn

from sparsevae.data.scaling import GREY, GREY_LEVELS, Scaling
from sparsevae.models import Model
from sparsevae.storage.arrays import Array

EXACT = ("uint8", "int32", "int64", "float32", "float64")


def input_type(dtype: str) -> str:
    """The type of an exported encoder's rows: the data's own, or float64 for the rarer ones.

    Example:
        >>> input_type("uint8"), input_type("uint16")
        ('uint8', 'float64')
    """
    return dtype if dtype in EXACT else "float64"


class RowsToCodes(nn.Module):
    """The deterministic code, hard gate included, of raw rows: (B, *shape) → (B, J) float32.

    Args:
        model: in evaluation mode.
        scaling: of its data.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, model: Model, scaling: Scaling) -> None:
        super().__init__()
        self.model, self.scaling = model, scaling
        columns = scaling.columns(1 + len(model.shape))
        for name, numbers in zip(("shift", "scale"), columns, strict=True):
            self.register_buffer(name, torch.from_numpy(numbers))

    def forward(self, rows: Tensor) -> Tensor:
        """Scale as :meth:`Scaling.apply` does, then encode."""
        code: Tensor = self.model.posterior(self.scaled(rows)).code
        return code

    def scaled(self, rows: Tensor) -> Tensor:
        """Rows as :meth:`Scaling.apply` makes them, float32."""
        if self.scaling == GREY:
            return rows.float() / GREY_LEVELS
        if self.scaling.kind == "none":
            return rows.float()
        scaled = (rows.double() - self.shift) / self.scale
        return (scaled.clamp(0, 1) if self.scaling.kind == "minmax" else scaled).float()


class RowsToGatesAndSlabs(nn.Module):
    """γ and μ of raw rows, of which the code is 1[γ > ½]·μ: (B, *shape) → (B, 2, J) float32.

    Args:
        model: in evaluation mode.
        scaling: of its data.
    """

    def __init__(self, model: Model, scaling: Scaling) -> None:
        super().__init__()
        self.encoder = RowsToCodes(model, scaling)

    def forward(self, rows: Tensor) -> Tensor:
        """Scale as :meth:`Scaling.apply` does, then encode."""
        return gates_and_slabs(self.encoder.model, self.encoder.scaled(rows))


def gates_and_slabs(model: Model, x: Tensor) -> Tensor:
    """γ and μ of scaled rows, ``(B, 2, J)``; γ is 1 for a model without gates."""
    posterior = model.posterior(x)
    return torch.stack([posterior.spike_probability, posterior.loc], 1)


class CodesToRows(nn.Module):
    """The mean row of codes in the data's units: (B, J) → (B, *shape) float32.

    Args:
        model: in evaluation mode.
        scaling: of its data.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, model: Model, scaling: Scaling) -> None:
        super().__init__()
        self.model = model
        columns = scaling.columns(1 + len(model.shape))
        for name, numbers in zip(("shift", "scale"), columns, strict=True):
            self.register_buffer(name, torch.from_numpy(numbers.astype(np.float32)))

    def forward(self, codes: Tensor) -> Tensor:
        """Decode, then undo the scaling."""
        mean: Tensor = self.model.likelihood(codes).mean
        return mean * self.scale + self.shift


def example_rows(rows: Array, dtype: str) -> Tensor:
    """Rows as an exported encoder takes them."""
    return torch.from_numpy(np.require(rows, input_type(dtype), ["C", "W"]))
