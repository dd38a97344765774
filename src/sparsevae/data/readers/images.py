"""Readers of images by way of Pillow: one file at a time, and a folder of them.

Only formats without programs in them are opened, an image is measured before it is unpacked, and
its colours are grey levels, three channels, or deep grey levels of 16 or 32 bits.
"""

import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageOps

from sparsevae.data.readers import memory as allowed
from sparsevae.data.readers.labels import classed
from sparsevae.data.readers.raw import Parsed
from sparsevae.data.schema import listed
from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.storage.arrays import Array

Taken = TypeVar("Taken")
SIDES = (4, 4096)
"""The smallest and the largest side that images are brought to."""
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
ENDINGS = (
    *(".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
MOST_PIXELS = 2**24
"""4,096 x 4,096; Pillow's own limit is five times that."""
GREY = ("1", "L", "LA")
TURNED = ExifTags.Base.Orientation
"""How a camera was held; Pillow itself sees to it in TIFF."""
ON_THEIR_SIDE = (5, 6, 7, 8)
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
        reason = str(error).split("\n")[0][:100] or type(error).__name__
        raise DatasetError(
            f"{where} cannot be read as an image ({reason}); replace it or take it away."
        ) from error


def look(image: Image.Image) -> Look:
    """What an image is once it is upright, from its header."""
    columns, rows = image.size
    square = rows == columns  # to know how it was held, Pillow unpacks a PNG
    if not square and image.format != "TIFF" and image.getexif().get(TURNED) in ON_THEIR_SIDE:
        columns, rows = rows, columns
    if image.mode in DEEP:
        return Look(rows, columns, "deep", image.mode)
    return Look(rows, columns, "grey" if image.mode in GREY else "colour")


def pixels(image: Image.Image, like: Look, where: str) -> Array:
    """(C, H, W) levels of an upright image, in the kind of `like`: grey becomes colour.

    An image of another size is scaled until it covers that of `like`, and its middle cut out.

    Raises:
        DatasetError: If parts of it are transparent.
    """
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if np.asarray(image.getchannel("A")).min() < 255:
            raise DatasetError(
                f"{where} has transparent parts, whose colour is not known; save it without "
                "transparency."
            )
    if like.kind == "deep":
        return np.array(image, DEEP[like.deep])[None]
    image = image.convert("L" if like.kind == "grey" else "RGB")
    if (image.height, image.width) != (like.rows, like.columns):
        size = (like.columns, like.rows)
        image = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    levels = np.array(image)
    return levels[None] if like.kind == "grey" else np.moveaxis(levels, 2, 0)


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


# ------------------------------------------------------------------ a folder


def read_folder(root: Path, memory: int, size: int | None = None, colour: bool = False) -> Parsed:
    """(N, C, H, W) levels: uint8, one channel or three; or one channel of deep grey levels.

    Images lie in the folder itself, or all of them in its subfolders, whose names are the
    classes; they come in the order of their names. Colour wins where grey and colour are mixed.
    Names that start with a dot are passed over.

    Args:
        root: The folder.
        memory: Bytes that pixels may take.
        size: Rows and columns that every image is brought to: it is scaled until its shorter side
            has so many pixels, and its middle is cut out. Without, all must be alike.
        colour: Whether grey images get three channels even where none is in colour.

    Raises:
        ConfigurationError: If `size` is not between 4 and 4,096.
        DatasetError: If there are no images, they differ in size and none is given, one cannot be
            read, folders lie deeper, or a link leads out of the folder.
    """
    if size is not None and not SIDES[0] <= size <= SIDES[1]:
        raise ConfigurationError(
            f"size is {size}; images are brought to {SIDES[0]} to {SIDES[1]} rows and columns."
        )
    groups, others = _listed(root)
    paths = [path for _, group in groups for path in group]
    if not paths:
        raise DatasetError(
            f"{root} holds no images; they end in {', '.join(ENDINGS)} and lie in "
            "it, or in one subfolder for each class."
        )
    like, grey, other_sizes = _common(paths, size, colour)
    notes = (*_about(others, grey, paths),)
    if other_sizes:
        were = "was" if other_sizes == 1 else "were"
        notes += (f"{other_sizes} of {len(paths)} images {were} brought to {like.size} pixels.",)
    values = _pixels_of(paths, like, memory, str(root))
    if groups[0][0] == "":
        return Parsed(values, notes=notes, channels="first")
    names = [name for name, group in groups for _ in group]
    return Parsed(values, *classed(names, str(root)), notes=notes, channels="first")


def first_in(root: Path) -> Path | None:
    """The first image in a folder or in its subfolders, None where there is none."""
    paths = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    deeper = (inside for path in paths if os.path.isdir(path) for inside in sorted(path.iterdir()))
    return next((path for path in (*paths, *deeper) if _is_image(path)), None)


def _listed(root: Path) -> tuple[list[tuple[str, list[Path]]], list[Path]]:
    """Images by class ("" without classes), and the files that are none."""
    inside = Path(os.path.realpath(root))
    files, folders = _entries(root, inside)
    groups, others = [("", [f for f in files if _is_image(f)])], []
    others += [file for file in files if not _is_image(file)]
    for folder in folders:
        files, deeper = _entries(folder, inside)
        if deeper:
            raise DatasetError(
                f"{deeper[0]} is a folder inside the class {folder.name!r}; put images directly "
                f"into {folder}, or give that folder if its subfolders are the classes."
            )
        groups.append((folder.name, [file for file in files if _is_image(file)]))
        others += [file for file in files if not _is_image(file)]
    groups = [(name, group) for name, group in groups if group]
    if len(groups) > 1 and groups[0][0] == "":
        raise DatasetError(
            f"{root} has images beside subfolders with images ({groups[0][1][0].name}); put every "
            "image into a subfolder, or none."
        )
    return groups, others


def _entries(folder: Path, inside: Path) -> tuple[list[Path], list[Path]]:
    """Files and folders in a folder, by name, without the hidden; a way out is refused."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in entries:
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
            raise DatasetError(
                f"{path} is a link that leads out of {inside}; copy what it points to."
            )
    files = [path for path in entries if not os.path.isdir(path)]
    return files, [path for path in entries if os.path.isdir(path)]


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and os.path.isfile(path)


def _common(paths: Sequence[Path], size: int | None, colour: bool) -> tuple[Look, int, int]:
    """What all images are, how many in colour are grey, and how many have another size."""
    kinds: dict[Look, tuple[Path, int]] = {}
    for path, seen in _each(paths, lambda image, _: look(image)):
        first, count = kinds.get(seen, (path, 0))
        kinds[seen] = first, count + 1
    like = max(kinds, key=lambda seen: seen.kind == "colour")
    deep = next((path for seen, (path, _) in kinds.items() if seen.kind == "deep"), None)
    if size is not None and deep is not None:
        raise DatasetError(
            f"{deep} has grey levels of more than 8 bits, which are not brought to another size; "
            "leave size out."
        )
    for seen, (path, _) in kinds.items():
        alike = seen.size == like.size and (deep is None or seen == like)
        if size is None and not alike:
            raise DatasetError(
                f"{path} has {seen.size} pixels ({seen.kind}) and {kinds[like][0]} {like.size} "
                f"({like.kind}); make all images alike, or bring photographs to one size with "
                "size (--size 64): each is scaled and its middle cut out."
            )
    like = like if size is None else Look(size, size, like.kind)
    if colour and like.kind == "grey":
        like = Look(like.rows, like.columns, "colour")
    grey = sum(count for seen, (_, count) in kinds.items() if seen.kind == "grey")
    others = sum(count for seen, (_, count) in kinds.items() if seen.size != like.size)
    return like, grey if like.kind == "colour" else 0, others


def _pixels_of(paths: Sequence[Path], like: Look, memory: int, where: str) -> Array:
    dtype = np.dtype(DEEP[like.deep] if like.kind == "deep" else np.uint8)
    shape = (len(paths), 3 if like.kind == "colour" else 1, like.rows, like.columns)
    allowed.check_size(math.prod(shape) * dtype.itemsize, memory, where)
    values = np.empty(shape, dtype)
    taken = _each(paths, lambda image, path: pixels(image, like, str(path)))
    for place, (_, levels) in enumerate(taken):
        values[place] = levels
    return values


def _each(
    paths: Sequence[Path], take: Callable[[Image.Image, Path], Taken]
) -> Iterator[tuple[Path, Taken]]:
    """What is taken from every image; all that cannot be used are named, after the last one."""
    wrong: dict[Path, DatasetError] = {}
    for path in paths:
        try:
            with opened(str(path), str(path)) as image:
                taken = take(image, path)
        except DatasetError as error:
            wrong[path] = error
        else:
            yield path, taken
    if wrong:
        first, *others = wrong
        names = [f"{path.parent.name}/{path.name}" for path in others]
        more = f" Nor can these be used: {listed(names)}." if names else ""
        raise DatasetError(f"{wrong[first]}{more}") from wrong[first]


def _about(others: Sequence[Path], grey: int, paths: Sequence[Path]) -> Iterator[str]:
    if others:
        what = "file that is no image was" if len(others) == 1 else "files that are no images were"
        yield f"{len(others)} {what} left out, such as {others[0].name}."
    if grey:
        are = "is grey and was" if grey == 1 else "are grey and were"
        yield f"{grey} of {len(paths)} images {are} given three equal channels."
