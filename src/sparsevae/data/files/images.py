"""One image file at a time: what it is by its header, and its pixels, by way of Pillow.

Only formats without programs in them are opened, an image is measured before it is unpacked, and
its colours are grey levels, three channels, or deep grey levels of 16 or 32 bits.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from sparsevae.errors import DatasetError

Array = npt.NDArray[Any]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
ENDINGS = (
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".pbm",
    ".pgm",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
MOST_PIXELS = 2**24
"""4,096 x 4,096; Pillow's own limit is five times that."""
GREY = ("1", "L", "LA")
DEEP: dict[str, type[np.generic]] = {
    "I;16": np.uint16,
    "I;16L": np.uint16,
    "I;16B": np.uint16,
    "I": np.int32,
    "F": np.float32,
}


@dataclass(frozen=True)
class Look:
    """Rows, columns and kind of an image; `deep` is Pillow's mode where `kind` is "deep"."""

    rows: int
    columns: int
    kind: Literal["grey", "colour", "deep"]
    deep: str = ""

    @property
    def size(self) -> str:
        """As an error says it."""
        return f"{self.rows} x {self.columns}"


@contextmanager
def opened(file: str | IO[bytes], where: str) -> Iterator[Image.Image]:
    """An image whose header alone was read; what goes wrong inside the block is one sentence.

    Args:
        file: Path, or the bytes as a file.
        where: What an error calls it.

    Raises:
        DatasetError: If it is no image in one of :data:`FORMATS`, is damaged, too large, or has
            several frames.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                check_size(image, where)
                yield image
    except DatasetError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DatasetError(
            f"{where} is larger than {MOST_PIXELS} pixels; make it smaller."
        ) from None
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads to
        raise DatasetError(
            f"{where} cannot be read as an image ({_reason(error)}); replace it or take it away."
        ) from error


def look(image: Image.Image) -> Look:
    """What an image is, from its header."""
    columns, rows = image.size
    if image.mode in DEEP:
        return Look(rows, columns, "deep", image.mode)
    return Look(rows, columns, "grey" if image.mode in GREY else "colour")


def pixels(image: Image.Image, like: Look, where: str) -> Array:
    """(C, H, W) levels of an image, in the kind of `like`: grey becomes colour where that is one.

    Raises:
        DatasetError: If parts of it are transparent.
    """
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            raise DatasetError(
                f"{where} has transparent parts, whose colour is not known; save it without "
                "transparency."
            )
    if like.kind == "deep":
        return np.array(image, DEEP[like.deep])[None]
    if like.kind == "grey":
        return np.array(image.convert("L"))[None]
    return np.moveaxis(np.array(image.convert("RGB")), 2, 0)


def check_size(image: Image.Image, where: str) -> None:
    """Looks at the header alone.

    Raises:
        DatasetError: If the image is too large, or one of several in its file.
    """
    if image.width * image.height > MOST_PIXELS:
        raise DatasetError(
            f"{where} has {image.width * image.height} pixels; at most {MOST_PIXELS} are read."
        )
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise DatasetError(f"{where} holds {frames} images; save each as a file of its own.")


def _reason(error: Exception) -> str:
    return str(error).split("\n")[0][:100] or type(error).__name__
