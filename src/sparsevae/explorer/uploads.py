"""Files that a person drops on the page, read by the library's own readers with their limits.

Shape legend: rows of shape (D,) or (C, H, W).
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sparsevae import data as library
from sparsevae.data.readers import images
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Array
from sparsevae.training.config import DataConfig

KINDS = ("image", "csv", "tsv", "npy")
MOST_ROWS = 64
WHERE = "The file"


@dataclass(frozen=True, eq=False)
class Upload:
    """What a file holds.

    Attributes:
        rows: in the data's units, float32, shape ``(N, *shape)``, NaN at gaps of a table.
        notes: sentences of the reader.
    """

    rows: Array
    notes: tuple[str, ...] = ()


def read_upload(content: bytes, kind: str, shape: tuple[int, ...], data: DataConfig) -> Upload:
    """The rows of a file, 64 at most.

    Args:
        content: of the file; its name never comes here.
        kind: one of :data:`KINDS`; an image is scaled to the shape of the data.
        shape: of a row.
        data: what a run keeps of its data.

    Raises:
        DatasetError: it cannot be read, or holds rows of another kind.
    """
    if kind == "image":
        try:
            return Upload(_image(content, shape, data))
        except DatasetError as error:  # Pillow names the object in memory that it read from
            raise DatasetError(re.sub(r" \([^()]*<_io[^()]*\)", "", str(error))) from None
    with TemporaryDirectory(prefix="sparsevae-upload-") as folder:
        path = Path(folder) / f"rows.{kind}"
        path.write_bytes(content)
        try:
            raw = _rows(path, shape, data)
        except DatasetError as error:
            raise DatasetError(str(error).replace(str(path), WHERE)) from None
    notes = tuple(note.replace(str(path), WHERE) for note in raw.notes)
    return Upload(np.asarray(raw.values[:MOST_ROWS], np.float32), notes)


def _rows(path: Path, shape: tuple[int, ...], data: DataConfig) -> library.Raw:
    if data.table is not None and path.suffix != ".npy":
        return library.read(path, schema=data.table, fewest=1)
    wanted = data.columns if path.suffix != ".npy" and _names_columns(path, data) else None
    raw = library.read(path, columns=wanted, fewest=1)
    if raw.values.shape[1:] != shape:
        raise DatasetError(
            f"{WHERE} holds rows of shape {raw.values.shape[1:]}; here they are {shape}."
        )
    return raw


def _names_columns(path: Path, data: DataConfig) -> bool:
    """Whether the first line has the name of every column, perhaps among others."""
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline(2**20)
    return bool(data.columns) and all(name in first for name in data.columns)


def _image(content: bytes, shape: tuple[int, ...], data: DataConfig) -> Array:
    from PIL import Image

    if len(shape) != 3 or shape[0] not in (1, 3):
        raise DatasetError("Rows here are no grey or colour images; drop a table instead.")
    with images.opened(io.BytesIO(content), WHERE) as image:
        kind = images.Look(image.height, image.width, "grey" if shape[0] == 1 else "colour")
        if images.look(image).kind == "deep":
            raise DatasetError(f"{WHERE} has more than 8 bits a pixel; save it with 8.")
        levels = images.pixels(image, kind, WHERE)
    picture = Image.fromarray(np.moveaxis(levels, 0, 2).squeeze())
    small = picture.resize((shape[2], shape[1]), Image.Resampling.LANCZOS)
    grey = np.asarray(small, np.float32).reshape(shape[1], shape[2], shape[0]) / 255
    row = data.low + np.moveaxis(grey, 2, 0) * (data.high - data.low)
    return np.asarray(row[None], np.float32)
