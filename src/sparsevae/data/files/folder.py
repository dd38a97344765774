"""Reader of a folder of images; where it has subfolders, each is a class."""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sparsevae.data.files import images
from sparsevae.data.files.gathering import BLOCK, Gathered
from sparsevae.data.files.images import DEEP, Look
from sparsevae.data.files.labels import Labelling
from sparsevae.data.files.raw import Found
from sparsevae.errors import DatasetError


def read(root: Path, memory: int) -> Found:
    """(N, C, H, W) levels: uint8, one channel or three; or one channel of deep grey levels.

    Images lie in the folder itself, or all of them in its subfolders, whose names are the
    classes; they come in the order of their names. Colour wins where grey and colour are mixed.
    Names that start with a dot are passed over.

    Args:
        root: The folder.
        memory: Bytes of pixels to keep in memory; more go to a file.

    Raises:
        DatasetError: If there are no images, they differ in size, one cannot be read, folders
            lie deeper, or a link leads out of the folder.
    """
    groups, others = _listed(root)
    paths = [path for _, group in groups for path in group]
    if not paths:
        raise DatasetError(
            f"{root} holds no images; they end in {', '.join(images.ENDINGS)} and lie in "
            "it, or in one subfolder for each class."
        )
    like, grey = _common(paths)
    values, notes = _gathered(paths, like, memory, str(root)), (*_about(others, grey, paths),)
    found = Found(values, notes=notes, channels="first")
    if groups[0][0] == "":
        return found
    labelling = Labelling(str(root))
    for name, group in groups:
        labelling.add([name] * len(group))
    return found.labelled(labelling)


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
    return path.suffix.lower() in images.ENDINGS and os.path.isfile(path)


def _common(paths: Sequence[Path]) -> tuple[Look, int]:
    """What all images are, and how many grey ones are among those in colour."""
    kinds: dict[Look, tuple[Path, int]] = {}
    for path in paths:
        with images.opened(str(path), str(path)) as image:
            seen = images.look(image)
        first, count = kinds.get(seen, (path, 0))
        kinds[seen] = first, count + 1
    like = max(kinds, key=lambda seen: seen.kind == "colour")
    for seen, (path, _) in kinds.items():
        if seen.size != like.size or ("deep" in (seen.kind, like.kind) and seen != like):
            raise DatasetError(
                f"{path} has {seen.size} pixels ({seen.kind}) and {kinds[like][0]} {like.size} "
                f"({like.kind}); make all images alike."
            )
    grey = sum(count for seen, (_, count) in kinds.items() if seen.kind == "grey")
    return like, grey if like.kind == "colour" else 0


def _gathered(paths: Sequence[Path], like: Look, memory: int, where: str) -> np.ndarray:
    dtype = np.dtype(DEEP[like.deep] if like.kind == "deep" else np.uint8)
    shape = (3 if like.kind == "colour" else 1, like.rows, like.columns)
    size = math.prod(shape)
    at_once = max(1, BLOCK // size)
    with Gathered(memory, where) as gathered:
        gathered.expect(len(paths) * size * dtype.itemsize)
        for start in range(0, len(paths), at_once):
            some = paths[start : start + at_once]
            block = np.empty((len(some), *shape), dtype)
            for place, path in enumerate(some):
                with images.opened(str(path), str(path)) as image:
                    block[place] = images.pixels(image, like, str(path))
            gathered.add(block)
        return gathered.array()


def _about(others: Sequence[Path], grey: int, paths: Sequence[Path]) -> Iterator[str]:
    if others:
        what = "file that is no image was" if len(others) == 1 else "files that are no images were"
        yield f"{len(others)} {what} left out, such as {others[0].name}."
    if grey:
        yield f"{grey} of {len(paths)} images are grey and were given three equal channels."
