"""A run as two small ONNX programs for the browser: rows to gates and slabs, codes to rows.

Weights are kept as float16 and cast when the program is loaded; all sums are float32, and so are
weights that float16 has no numbers for.

Shape legend: B rows of shape (D,) or (C, H, W), J latent dimensions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsevae.data.scaling import Scaling
from sparsevae.errors import RunFolderError
from sparsevae.explorer.backend import Explored
from sparsevae.models import Model
from sparsevae.networks import kernels
from sparsevae.runs.export.modules import CodesToRows, RowsToGatesAndSlabs
from sparsevae.runs.export.programs import quiet, traced
from sparsevae.storage.arrays import Array

SMALL = 64  # weights of fewer numbers stay float32
UNITS = ("shift", "scale")  # of the data, which stay float32 too: they may be large, and differ
TOLERANCE = 0.01  # of the largest output, in its column's units: what float16 weights may cost
ROUNDING = 4 * float(np.finfo(np.float32).eps)
EXAMPLES = 8
Units = tuple[Array | float, Array | float]  # shift and scale
Known = tuple[Array, Units]  # an output of the model
AS_IT_IS: Units = (0.0, 1.0)


class CodesToRowsAndCosts(nn.Module):
    """Mean rows in the data's units, and nats from the first code to each.

    Args:
        model: in evaluation mode.
        scaling: of its data.
    """

    def __init__(self, model: Model, scaling: Scaling) -> None:
        super().__init__()
        self.rows = CodesToRows(model, scaling)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """(B, J) → (B, *shape) and (B,), see :meth:`sparsevae.explorer.backend.Explored.costs`."""
        observed = self.rows.model.likelihood(codes)
        return (
            observed.mean * self.rows.scale + self.rows.shift,
            observed.divergence_from_first(),
        )


def browser_programs(run: Explored, rows: Array) -> dict[str, bytes]:
    """The programs "posterior" and "decoder" of a run as ONNX files.

    Args:
        run: what is exported.
        rows: some raw rows to check the programs on.

    Raises:
        RunFolderError: a program does not compute what the model does.
    """
    for parameter in run.model.parameters():
        parameter.data = parameter.data.contiguous()  # only plain memory order can be packed
    model, scaling = run.model, run.data.scaling
    examples = torch.from_numpy(np.require(rows[:EXAMPLES], np.float32, ["C", "W"]))
    gates, slabs = run.posterior(examples.numpy())
    codes = torch.from_numpy(np.where(gates > 0.5, slabs, 0))
    parts: dict[str, tuple[nn.Module, Tensor, list[str]]] = {
        "posterior": (RowsToGatesAndSlabs(model, scaling), examples, ["both"]),
        "decoder": (CodesToRowsAndCosts(model, scaling), codes, ["rows", "nats"]),
    }
    rows_again, costs = run.decode(codes.numpy()), run.costs(codes.numpy())
    expected: dict[str, list[Known]] = {
        "posterior": [(np.stack([gates, slabs], 1), AS_IT_IS)],
        "decoder": [(rows_again, scaling.columns(rows_again.ndim)), (costs, AS_IT_IS)],
    }
    written = {}
    with kernels.use("plain"):
        for name, (module, example, outputs) in parts.items():
            content = _halved(_onnx(traced(module, example), outputs))
            _check(content, example.numpy(), expected[name], f"The {name} of {run.run.path}")
            written[name] = content
    return written


def _onnx(program: Any, outputs: Sequence[str]) -> Any:
    with quiet():
        graph = torch.onnx.export(
            program,
            dynamo=True,
            input_names=["input"],
            output_names=outputs,
            verbose=False,
            custom_translation_table={
                torch.ops.aten.lgamma.default: _cancelled,
                torch.ops.aten.log_sigmoid.default: _log_sigmoid,
            },
        )
    assert graph is not None  # it is None only for the older exporter
    return graph.model_proto


def _cancelled(x: Any) -> Any:
    """Log x! of a count, which ONNX lacks: it is in both terms of a cost, so 0 does as well."""
    from onnxscript import opset18

    return opset18.Sub(x, x)


def _log_sigmoid(x: Any) -> Any:
    """−softplus(−x); the exporter's own log(sigmoid(x)) is −∞ from x = −104 on."""
    from onnxscript import opset18

    return opset18.Neg(opset18.Softplus(opset18.Neg(x)))


def _halved(model: Any) -> bytes:
    """The model with float16 weights that are cast back where it starts."""
    import onnx
    from onnx import helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        name = tensor.name
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALL:
            continue
        with np.errstate(over="ignore"):
            weights = numpy_helper.to_array(tensor).astype(np.float16)
        if name.rpartition(".")[2] in UNITS or not np.isfinite(weights).all():
            continue
        tensor.CopyFrom(numpy_helper.from_array(weights, f"{name}.half"))
        cast = helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
        casts.append(cast)
    for place, cast in enumerate(casts):
        model.graph.node.insert(place, cast)
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:]
    return bytes(model.SerializeToString())


def _check(content: bytes, example: Array, expected: Sequence[Known], what: str) -> None:
    """Run a program again and hold it against the model."""
    import onnxruntime  # type: ignore[import-untyped] # it brings no annotations

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for given, known in zip(session.run(None, {"input": example}), expected, strict=True):
        wanted, (shift, scale) = known
        largest = max(1.0, float(np.abs((wanted - shift) / scale).max()))
        room = TOLERANCE * largest * scale + ROUNDING * np.abs(wanted)
        difference = TOLERANCE * float((np.abs(given - wanted) / room).max())
        if not difference <= TOLERANCE:
            raise RunFolderError(
                f"{what} differs in the browser's form by {difference:.1e} of the largest "
                f"number, more than {TOLERANCE:g}: its weights are too large or too far apart "
                "for half precision. Open the run with `sparsevae explore` in place of one file."
            )
