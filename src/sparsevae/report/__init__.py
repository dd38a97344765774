"""One self-contained page from the run folders of studies: verdicts, tables, pictures.

Nothing is trained or measured here and no data set is read, so a page can be made again from
the folders alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparsevae.report.comparing import compare
from sparsevae.report.contents import Study, of_study, read
from sparsevae.report.pages import write_page
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.files import make_folder

__all__ = ["Study", "build", "compare", "read"]


def build(
    folder: Path,
    runs: Iterable[RunFolder],
    references: Mapping[str, Any],
    *,
    classes: Sequence[str] = (),
    stability: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write ``report.html`` and ``figures/*.png, *.svg`` of a study.

    Args:
        folder: of the study; its ``study.yaml`` is printed where there is one.
        runs: finished runs of one data set.
        references: what any model must beat, see :mod:`sparsevae.evaluation.baselines`; tables and
            pictures do without where it is empty.
        classes: names of the classes in the order of the labels; those of the references, or
            numbers, when left out.
        stability: rows of :mod:`sparsevae.studies.stability`.

    Returns:
        The path of the page.

    Raises:
        RunFolderError: a run is not finished or cannot be read, or the runs are of different
            data.
        OutputError: the folder cannot be written to.
    """
    study = read(folder, runs, references, classes=classes, stability=stability)
    contents = of_study(study, make_folder(folder / "figures"))
    return write_page(folder / "report.html", "report.html", it=contents)
