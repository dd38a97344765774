"""The pictures of finished runs as files."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sparsevae.report import figures
from sparsevae.report.grids import check_dimensions, decoded_lines, moved
from sparsevae.report.pictures import run_sheets
from sparsevae.report.study import Run, baselines_of
from sparsevae.runs.folder import RunFolder


def draw(
    path: Path | str | RunFolder,
    dimensions: Sequence[int] | None = None,
    image: int | str | None = None,
) -> list[Path]:
    """Draw the pictures of a run into its folder ``figures``, as PNG and as SVG.

    Args:
        path: of the run's folder, of which nothing else changes.
        dimensions: which two the decoded plane moves, and what else is left open as in the
            first example; as the run was measured when None.
        image: the example whose other dimensions the plane has, or "mean".

    Returns:
        The files; none where the run keeps no pictures.

    Raises:
        RunFolderError: the run cannot be read; or a plane is asked for and it keeps no weights,
            or no pictures of images.
        ConfigurationError: there is no such dimension or example.
    """
    folder = RunFolder(Path(path))
    run = Run.read(folder)
    if dimensions is not None or image is not None:
        base = None if image == "mean" else int(image or 0)
        arrays = moved(run.arrays, folder.load(), folder.data, dimensions, base)
        run = replace(run, arrays=arrays)
    sheets = run_sheets(run, baselines_of(folder.path.absolute().parents[1]))
    return [
        figures.save(sheet, folder.path / "figures" / f"{name}.{ending}")
        for name, sheet in sheets.items()
        for ending in ("png", "svg")
    ]


def traverse(
    path: Path | str | RunFolder, dimensions: Sequence[int] | None = None
) -> figures.Sheet:
    """What each dimension of a run does to images, or to the columns of a table.

    Args:
        path: of the run's folder.
        dimensions: which; those that the decoder uses when None.

    Raises:
        RunFolderError: the run cannot be read, or keeps neither pictures nor weights.
        ConfigurationError: there is no such dimension, or there are too many for a picture.
    """
    folder = RunFolder(Path(path))
    run = Run.read(folder)
    check_dimensions(run.config.latents, dimensions or ())
    if "effects" in run.arrays:
        return figures.column_effects(run, dimensions)
    lines = decoded_lines(run.arrays, folder.load(), folder.data, dimensions)
    return figures.traversal(run, lines["dimensions"].tolist(), lines["values"], lines["images"])
