"""Rows that somebody holds in memory: arrays, pandas data frames and tensors, as arrays.

Shape legend: N rows of shape (D,), (H, W), (C, H, W) or (H, W, C).
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
from torch import Tensor, bfloat16

from sparsevae.data import Raw
from sparsevae.data.readers.columns import is_frame, is_plain
from sparsevae.data.readers.labels import labels_of
from sparsevae.data.readers.memory import allowance
from sparsevae.data.readers.mixed import parsed_frame
from sparsevae.data.readers.raw import Channels, Parsed, checked
from sparsevae.data.readers.sparse import from_annotated, is_annotated, is_matrix, sparse_rows
from sparsevae.data.schema import LISTED, Schema, lacking, listed, missing, numbers_of
from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.storage.arrays import Array, blocks
from sparsevae.storage.sparse import SparseRows, is_sparse

SOURCE = "given rows"
WIDEST = 8  # bytes of a number that a run keeps
DAY, SECOND = "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"


def nameless(count: int) -> tuple[str, ...]:
    """What columns without names are called: x0, x1, …"""
    return tuple(f"x{place}" for place in range(count))


def named_array(rows: Any) -> tuple[Any, tuple[str, ...]]:
    """Rows as an array of numbers that is not copied where that can be, and names of columns.

    Args:
        rows: an array, a data frame, a tensor, a sparse matrix, an AnnData object or what a
            reader of files gives. What is sparse becomes dense block by block.

    Returns:
        Shape ``(N, ...)``, and the names where the columns have some.

    Raises:
        DatasetError: these are no rows of numbers.
    """
    if isinstance(rows, Raw):
        named = rows.columns != nameless(len(rows.columns))
        return rows.values, rows.columns if named else ()
    if is_annotated(rows):
        parsed = from_annotated(rows, None)
        return parsed.values, parsed.columns
    if is_matrix(rows) and len(rows.shape) == 2:
        return sparse_rows(rows, "The sparse matrix"), ()
    given = getattr(rows, "columns", ())
    columns = tuple(given) if all(isinstance(name, str) for name in given) else ()
    values = _frame_numbers(checked_frame(rows)) if is_frame(rows) else plain_array(rows)
    if values.dtype.kind not in "biuf" or len(values.shape) < 2:
        raise _no_rows(f"{values.dtype} of shape {values.shape}")
    if values.dtype.kind == "f" and values.dtype.itemsize > WIDEST:
        values = np.asarray(values, np.float64)
    return values, columns


def _no_rows(what: str) -> DatasetError:
    return DatasetError(
        "Rows are an array of numbers of shape (rows, columns) or of images, a data frame, or "
        f"a matrix of scipy.sparse; got {what}."
    )


def plain_array(rows: Any) -> Any:
    """Lists, tensors, matrices and masked arrays as arrays, NaN where masked; arrays as they are.

    Args:
        rows: of shape ``(N, ...)``.

    Raises:
        DatasetError: the name of a file, something else that has no rows, rows of unequal
            length, or a tensor that is not dense.
    """
    if isinstance(rows, str | PathLike):
        raise DatasetError(
            f"Rows are an array or a data frame, not the name of a file; read it first: "
            f"sparsevae.data.read({str(rows)!r})."
        )
    if isinstance(rows, Tensor):
        return _of_tensor(rows)
    if isinstance(rows, np.ma.MaskedArray):
        if not np.ma.is_masked(rows) or rows.dtype.kind not in "biuf":
            return rows.data
        masked: Any = rows.astype(np.result_type(rows.dtype, np.float16))
        return masked.filled(np.nan)
    if hasattr(rows, "dtype") and hasattr(rows, "shape") and not isinstance(rows, np.matrix):
        return rows
    try:
        values = np.asarray(rows)
    except ValueError:
        raise DatasetError(
            "Rows are all of the same length; the ones given are not, so fill the shorter ones."
        ) from None
    if not values.shape:
        raise _no_rows(f"a value of type {type(rows).__name__}")
    return values


def _of_tensor(tensor: Tensor) -> Array:
    plain = tensor.detach().cpu()
    if plain.dtype == bfloat16:
        plain = plain.float()
    try:
        return plain.numpy()
    except (TypeError, RuntimeError):
        raise DatasetError(
            f"Rows in a tensor are dense numbers; got {tensor.dtype} of layout {tensor.layout}: "
            "give rows.to_dense(), or a matrix of scipy.sparse."
        ) from None


def checked_frame(frame: Any) -> Any:
    """A data frame whose columns are called by texts, all of them different.

    Args:
        frame: N rows; names of any kind become text.

    Raises:
        DatasetError: columns have the same name.
    """
    names = [str(name) for name in frame.columns]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise DatasetError(
            f"The table has several columns called {listed(doubled)}; give every column a "
            "name of its own, or keep one of them."
        )
    return frame if names == list(frame.columns) else frame.set_axis(names, axis=1)


def _frame_numbers(frame: Any) -> Array:
    """Columns of numbers of any type, text too, as a matrix with NaN at gaps.

    Raises:
        DatasetError: columns hold something else.
    """
    values = np.asarray(frame)
    if values.dtype.kind in "biuf" or not values.shape[1]:
        return values
    columns, odd = [], []
    for name in frame.columns:
        numbers, wrong = numbers_of(frame[name])
        columns.append(numbers)
        if wrong.any():
            row = int(wrong.argmax())
            odd.append(f"{name[:40]!r} ({str(frame[name].iloc[row])[:40]!r} in row {row + 1})")
    if odd:
        more = f" and {len(odd) - LISTED} more" if len(odd) > LISTED else ""
        raise DatasetError(
            f"Columns hold other things than finite numbers: {', '.join(odd[:LISTED])}{more} "
            "(counted from 1); correct them, or leave the columns out."
        )
    return np.stack(columns, 1)


def count_of(value: Any, what: str) -> int:
    """A whole number from 1 on.

    Args:
        value: what was given.
        what: its name, for errors.

    Raises:
        ConfigurationError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ConfigurationError(f"{what} is a whole number from 1 on; got {value!r}.")
    return int(value)


def raw_rows(
    rows: Any,
    labels: Any = None,
    *,
    names: tuple[str, ...] = (),
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    channels: Channels | None = None,
    fewest: int = 2,
) -> Raw:
    """Rows to fit to, looked through and with a checksum, as if they had been read from a file.

    A warning names the columns of a data frame that cannot be used.

    Args:
        rows: an array, a data frame, a tensor, a sparse matrix or an AnnData object.
        labels: one label a row, whole numbers or text, or the name of a data frame's column; None
            without.
        names: of columns, in place of those of a data frame.
        columns: names or patterns of a data frame's columns that are taken; None takes all.
        drop: names or patterns of those that are not.
        channels: where images have their channels, where that is not plain.
        fewest: rows that are needed.

    Raises:
        DatasetError: too few rows, nothing to learn from, a number that is not finite, or labels
            of another length.
    """
    if isinstance(rows, Raw):
        return rows
    chosen = columns is not None or bool(drop) or isinstance(labels, str)
    if is_annotated(rows):
        parsed = from_annotated(rows, labels if isinstance(labels, str) else None)
        return checked(parsed, SOURCE, None, fewest)
    if not (is_matrix(rows) or is_frame(rows)):
        rows = plain_array(rows)
    if len(rows.shape) and rows.shape[0] == 0:
        raise DatasetError("There are no images or rows to learn from; give at least two.")
    if is_frame(rows) and (chosen or not is_plain(rows)):
        options: dict[str, Any] = {"columns": columns, "drop": drop}
        return _from_frame(checked_frame(rows), labels, fewest, **options)
    if chosen:
        raise DatasetError(
            "Columns are taken, dropped or used as labels by name, and these rows have no names; "
            "give a data frame."
        )
    values, own = named_array(rows)
    if has_gaps(values):
        return _from_frame(as_frame(values, names or own), labels, fewest, named=False)
    classes: tuple[str, ...]
    marks, classes = (None, ()) if labels is None else labels_of(np.asarray(labels), "labels")
    return checked(Parsed(values, marks, classes, names or own), SOURCE, channels, fewest)


def table_values(rows: Any, schema: Schema, name: str) -> Array:
    """Rows of a table as the elements of a schema, float64, NaN at gaps, shape ``(N, E)``.

    A warning names the columns with levels that the model has not seen.

    Args:
        rows: a data frame, what a reader gives, or an array with the schema's columns.
        schema: of the table that a model was trained on.
        name: of the model, for errors.

    Raises:
        DatasetError: a column is missing, or holds something of another kind.
    """
    if isinstance(rows, Raw) and rows.schema == schema:
        return rows.values
    if isinstance(rows, Raw):
        own = rows.schema
        rows = as_frame(rows.values, rows.columns) if own is None else own.decode(rows.values)
    if not is_frame(rows):
        values, names = named_array(rows)
        if values.ndim != 2 or values.shape[1] != len(schema.columns):
            raise DatasetError(
                f"{name} was trained on rows of {len(schema.columns)} columns; these are of shape "
                f"{values.shape}."
            )
        rows = as_frame(values, names or schema.names)
    named = checked_frame(rows)
    values = schema.encode(named)
    for note in schema.unseen(named):
        warnings.warn(note, stacklevel=4)
    return values


def filled(rows: Any, schema: Schema, values: Array) -> Any:
    """Rows with their gaps taken from elements of a schema, all else as it is.

    Args:
        rows: a data frame or an array, as :func:`table_values` takes it.
        schema: of the table that a model was trained on.
        values: elements without gaps, shape ``(N, E)``.
    """
    frame = schema.decode(values)
    if not is_frame(rows):
        own, _ = named_array(rows)
        return np.where(np.isnan(own), frame.to_numpy(np.float64), own)
    named = checked_frame(rows)
    whole = named.copy()
    for name in schema.names:
        gaps = missing(named[name])
        if gaps.any():
            new = frame[name]
            if new.dtype.kind == "M" and named[name].dtype.kind != "M":  # dates as text
                new = new.dt.strftime(DAY if new.dt.normalize().eq(new).all() else SECOND)
            own = named[name].astype(object)
            whole[name] = own.where(~gaps, new.to_numpy(object)).infer_objects()
    return whole.set_axis(rows.columns, axis=1)


def in_order(values: Any, names: tuple[str, ...], wanted: tuple[str, ...], model: str) -> Any:
    """Rows with the columns that a model wants, in its order, where both have names.

    Raises:
        DatasetError: columns are missing.
    """
    if not (wanted and names) or wanted == names:
        return values
    missed = [name for name in wanted if name not in names]
    if missed:
        raise lacking(missed, model)
    order = [names.index(name) for name in wanted]
    if isinstance(values, SparseRows):
        return SparseRows(values.matrix[:, order])
    return values[:, order]


def in_shape(values: Any, shape: tuple[int, ...], model: str) -> Any:
    """Rows in the shape that a model wants, the axis of channels put where it belongs.

    Raises:
        DatasetError: rows of another shape.
    """
    own = values.shape[1:]
    if own != shape and len(shape) == 3:
        if own == shape[1:] and shape[0] == 1:
            return values[:, None]
        if own == (*shape[1:], shape[0]):
            return np.moveaxis(values, 3, 1)
    if own != shape:
        raise DatasetError(f"{model} was trained on {form(shape)}; these are {form(own)}.")
    return values


def form(shape: Sequence[int]) -> str:
    """What rows of a shape are, in words."""
    if len(shape) == 1:
        return f"rows of {shape[0]} columns"
    if len(shape) == 3:
        return f"images of shape {tuple(shape)} (channels, rows, columns)"
    return f"arrays of shape {tuple(shape)}"


def has_gaps(values: Array) -> bool:
    """Whether a matrix has places without a number."""
    floats = values.ndim == 2 and values.dtype.kind == "f" and not is_sparse(values)
    return floats and any(bool(np.isnan(block).any()) for block in blocks(values))


def as_frame(values: Array, names: Sequence[str] = ()) -> Any:
    """A matrix as a data frame, its columns called x0, x1, … where they have no names."""
    import pandas

    return pandas.DataFrame(np.asarray(values), columns=list(names or nameless(values.shape[1])))


def _from_frame(
    frame: Any, labels: Any, fewest: int, *, named: bool = True, **options: Any
) -> Raw:
    """Rows of a data frame of any columns."""
    label = labels if isinstance(labels, str) else None
    parsed = parsed_frame(frame, SOURCE, allowance(None), label=label, named=named, **options)
    if labels is not None and label is None:
        marks, classes = labels_of(np.asarray(labels), "labels")
        parsed = replace(parsed, labels=marks, classes=classes)
    for note in parsed.notes:
        warnings.warn(note, stacklevel=4)
    return checked(parsed, SOURCE, None, fewest)
