"""Reader of data sets on the Hugging Face Hub, by way of the optional package datasets."""

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from PIL import Image

from sparsevae.data.dataset import Labels
from sparsevae.data.readers import images
from sparsevae.data.readers.labels import classed
from sparsevae.data.readers.memory import BLOCK, gathered
from sparsevae.data.readers.raw import Parsed
from sparsevae.data.readers.tables import choose, collected
from sparsevae.errors import DatasetError, SparseVAEError
from sparsevae.storage.arrays import Array

PREFIX = "hf:"
NAME = re.compile(r"(?P<name>\w[\w.-]*(/\w[\w.-]*)?)(:(?P<split>[\w.-]+))?", re.ASCII)
AT_ONCE = 1024
"""Rows that are taken at a time, fewer where images are large."""


def read_hub(
    address: str, columns: Sequence[str] | None, label: str | None, memory: int
) -> Parsed:
    """Images (N, C, H, W) or a table (N, D) float64, and labels.

    A data set's own program is never run.

    Args:
        address: `hf:NAME` or `hf:NAME:SPLIT`; the split is `train` unless named.
        columns: Name of the column with images, or of those with numbers; by default the column
            with images if there is one, else all but the labels.
        label: Name of the labels; by default the only column of the type `ClassLabel`.
        memory: Bytes that values may take.

    Raises:
        DatasetError: If the package is not installed, the data set cannot be had, a column is
            not there, or images differ in size.
    """
    try:
        return _parsed(_loaded(address), address, columns, label, memory)
    except SparseVAEError:
        raise
    except Exception as error:  # network, disk, a missing name: that package has its own errors
        reason = str(error).split("\n")[0][:200] or type(error).__name__
        raise DatasetError(f"{address} cannot be read: {reason}.") from error


def _parsed(
    data: Any, address: str, columns: Sequence[str] | None, label: str | None, memory: int
) -> Parsed:
    if len(data) == 0:
        raise DatasetError(f"{address} has no rows; name another split as hf:NAME:SPLIT.")
    typed = _labels_of_type(data) if label is None else None
    pictured = [name for name, value in data[0].items() if isinstance(value, Image.Image)]
    columns = pictured if columns is None and len(pictured) == 1 else columns
    choice = choose(data.column_names, columns, label or typed, address)
    notes = (*([f"Labels are the column {typed!r}."] if typed else []), *choice.notes)
    if choice.columns == tuple(pictured[:1]):
        values, columns = gathered(_images(data, pictured[0], address), memory, address), ()
    else:
        import pandas

        batches = data.select_columns(list(choice.columns)).iter(AT_ONCE)
        numbers = replace(choice, label=None)
        frames = (pandas.DataFrame(batch) for batch in batches)
        values = collected(frames, numbers, memory, address, np.float64).values
        columns = choice.columns
    return Parsed(values, *_labels(data, choice.label, address), columns, notes, "first")


def _loaded(address: str) -> Any:
    parts = NAME.fullmatch(address.removeprefix(PREFIX))
    if parts is None:
        raise DatasetError(
            f"{address!r} names no data set; write hf:NAME or hf:OWNER/NAME, and :SPLIT behind it."
        )
    try:
        datasets = import_module("datasets")
    except ImportError:
        raise DatasetError(
            f"{address} needs the package datasets; install it with: pip install datasets."
        ) from None
    options: dict[str, Any] = {"split": parts["split"] or "train"}
    if "trust_remote_code" in inspect.signature(datasets.load_dataset).parameters:
        options["trust_remote_code"] = False  # before version 4 a data set could be a program
    return datasets.load_dataset(parts["name"], **options)


def _labels_of_type(data: Any) -> str | None:
    """The only column whose type is ClassLabel."""
    typed = [name for name, feature in data.features.items() if hasattr(feature, "names")]
    return typed[0] if len(typed) == 1 else None


def _labels(data: Any, label: str | None, address: str) -> tuple[Labels | None, tuple[str, ...]]:
    if label is None:
        return None, ()
    names = getattr(data.features[label], "names", None)
    batches = data.select_columns([label]).iter(AT_ONCE)
    labels, classes = classed((name for batch in batches for name in batch[label]), address)
    if names is None:
        return labels, classes
    numbers = np.array([int(name) for name in classes])
    if not 0 <= numbers.min() <= numbers.max() < len(names):
        raise DatasetError(
            f"{address}: labels run from {numbers.min()} to {numbers.max()}, and "
            f"{len(names)} classes are named; name another split."
        )
    return numbers[labels], tuple(names)


def _images(data: Any, column: str, address: str) -> Iterator[Array]:
    images.check_size(data[0][column], address)
    like = images.look(data[0][column])
    at_once = max(1, min(AT_ONCE, BLOCK // (3 * like.rows * like.columns)))
    done = 0
    for batch in data.select_columns([column]).iter(at_once):
        block = []
        for image in batch[column]:
            done += 1
            where = f"{address}, image {done}"
            if not isinstance(image, Image.Image) or images.look(image) != like:
                raise DatasetError(
                    f"{where} is not of the size and kind of the first one, "
                    f"{like.size} pixels ({like.kind}); make all images alike."
                )
            block.append(images.pixels(image, like, where))
        yield np.stack(block)
