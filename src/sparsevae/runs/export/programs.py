"""Encoder, posterior and decoder as programs: traced, written for PyTorch or as ONNX, checked.

Shape legend: B rows of shape (D,) or (C, H, W), J latent dimensions.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsevae.errors import RunFolderError
from sparsevae.evaluation.passes import batched
from sparsevae.networks import kernels
from sparsevae.runs.export.modules import (
    CodesToRows,
    RowsToCodes,
    RowsToGatesAndSlabs,
    example_rows,
    gates_and_slabs,
)
from sparsevae.storage.arrays import Array

if TYPE_CHECKING:
    from sparsevae.runs.trained import TrainedModel

TOLERANCE = 1e-5  # of the largest output
EXAMPLES = 16  # rows that a program is checked on
SEED = 0


@dataclass(frozen=True)
class Program:
    """One traced function with what it was checked against.

    Attributes:
        name: "encoder", "posterior" or "decoder".
        takes: the name of its input.
        gives: the name of its output.
        traced: a :class:`torch.export.ExportedProgram` with a free number of rows.
        example: an input, :data:`EXAMPLES` rows.
        expected: what the model gives for it.
    """

    name: str
    takes: str
    gives: str
    traced: Any
    example: Tensor
    expected: Array

    def check(self, compute: Callable[[Array], Array], path: Path) -> float:
        """Compare a written program with the model, on all examples and on one alone.

        Returns:
            The largest difference, as a share of the largest number expected (1 at least).

        Raises:
            RunFolderError: they differ by more than :data:`TOLERANCE`.
        """
        rows, scale = self.example.numpy(), max(1.0, float(np.abs(self.expected).max()))
        computed = np.concatenate([compute(rows), compute(rows[:1])])
        wanted = np.concatenate([self.expected, self.expected[:1]])
        difference = float(np.abs(computed - wanted).max()) / scale
        if not difference <= TOLERANCE:
            raise RunFolderError(
                f"{path} differs from its model by {difference:.1e} of the largest number, more "
                f"than {TOLERANCE:g}; it was not kept."
            )
        return difference


def programs(trained: "TrainedModel") -> list[Program]:
    """Encoder, posterior and decoder of a run, traced with PyTorch's own operations."""
    scaling, dtype = trained.data.scaling, trained.data.dtype
    for parameter in trained.model.parameters():
        parameter.data = parameter.data.contiguous()  # only plain memory order can be packed
    with kernels.use("plain"):
        rows = _rows_like_the_data(trained)
        codes = batched(trained.model.encode, trained.scaled(rows), trained.model)
        encoder, decoder = RowsToCodes(trained.model, scaling), CodesToRows(trained.model, scaling)
        posterior = RowsToGatesAndSlabs(trained.model, scaling)
        images = example_rows(rows, dtype)
        with torch.no_grad():
            both = gates_and_slabs(trained.model, torch.from_numpy(scaling.apply(rows))).numpy()
        decoded = trained.decode(codes, own_type=False)
        return [
            Program("encoder", "rows", "codes", traced(encoder, images), images, codes),
            Program(
                "posterior", "rows", "gates_and_slabs", traced(posterior, images), images, both
            ),
            Program(
                "decoder",
                "codes",
                "rows",
                traced(decoder, torch.from_numpy(codes)),
                torch.from_numpy(codes),
                decoded,
            ),
        ]


def _rows_like_the_data(trained: "TrainedModel") -> Any:
    """Rows in the data's type: noise over their range, half of it added to a decoded code."""
    data, shape = trained.data, (EXAMPLES, *trained.model.shape)
    rng = np.random.default_rng(SEED)
    codes = rng.standard_normal((EXAMPLES, trained.model.latents), dtype=np.float32)
    decoded = trained.decode(codes, own_type=False).clip(data.low, data.high)
    noise = rng.uniform(data.low, data.high, shape)
    mixed = np.clip((decoded + noise) / 2, data.low, data.high)
    whole = np.dtype(data.dtype).kind != "f"
    return (np.rint(mixed) if whole else mixed).astype(data.dtype)


def traced(module: nn.Module, example: Tensor) -> Any:
    """A :class:`torch.export.ExportedProgram` of a module for any number of rows."""
    rows = torch.export.Dim("rows")
    with torch.no_grad(), quiet():
        return torch.export.export(module.eval(), (example,), dynamic_shapes=({0: rows},))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep PyTorch's warnings about its own inner parts from the user."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def write_torch(program: Program, path: Path) -> None:
    """Write a program for :func:`torch.export.load`."""
    with quiet(), path.open("wb") as file:
        torch.export.save(program.traced, file)


def run_torch(program: Program, path: Path) -> Callable[[Array], Array]:
    """The written program as a function of arrays."""
    with quiet(), path.open("rb") as file:
        module = torch.export.load(file).module()

    def compute(rows: Array) -> Array:
        with torch.no_grad():
            return np.asarray(module(torch.from_numpy(rows)).numpy())

    return compute


def write_onnx(program: Program, path: Path) -> None:
    """Write a program as ONNX, its weights inside."""
    with quiet():
        graph = torch.onnx.export(
            program.traced,
            dynamo=True,
            input_names=[program.takes],
            output_names=[program.gives],
            verbose=False,
        )
        assert graph is not None  # it is None only for the older exporter
        graph.save(path, external_data=False)


def run_onnx(program: Program, path: Path) -> Callable[[Array], Array]:
    """The written program as a function of arrays, by ONNX Runtime on the CPU."""
    import onnxruntime  # type: ignore[import-untyped] # it brings no annotations

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def compute(rows: Array) -> Array:
        (output,) = session.run([program.gives], {program.takes: rows})
        return np.asarray(output)

    return compute
