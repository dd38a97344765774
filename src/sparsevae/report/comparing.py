"""Several studies on one page: what they have in common side by side, then each for itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sparsevae.errors import RunFolderError
from sparsevae.experiments import claims
from sparsevae.report import tables
from sparsevae.report.contents import Study, of_study
from sparsevae.report.figures.grouping import Row, by_model_and_size, model_title
from sparsevae.report.groups import HEADLINE
from sparsevae.report.pages import write_page
from sparsevae.report.tables import Block, Table
from sparsevae.storage.files import make_folder


def compare(out: Path, studies: Sequence[Study]) -> Path:
    """Write one page of several studies: ``report.html`` and ``figures/STUDY/*.png, *.svg``.

    Args:
        out: folder of the page.
        studies: at least two, such as two data sets, or before and after a change.

    Returns:
        The path of the page.

    Raises:
        RunFolderError: two studies are the same folder.
        OutputError: the folder cannot be written to.
    """
    named = names([study.folder for study in studies])
    make_folder(out)
    parts = []
    for place, (name, study) in enumerate(zip(named, studies, strict=True)):
        pictures = make_folder(out / "figures" / name.replace("/", "-"))
        contents = of_study(study, pictures)
        parts.append({"name": name, "prefix": f"study-{place + 1}-", "contents": contents})
    rows = dict(zip(named, (study.rows for study in studies), strict=True))
    same = len({study.runs[0].data_sha256 for study in studies}) == 1
    return write_page(
        out / "report.html",
        "comparison.html",
        studies=parts,
        same=same,
        common=common(rows, judged=same),
        claimed=claimed(dict(zip(named, studies, strict=True))),
    )


def names(folders: Sequence[Path]) -> list[str]:
    """What studies are called: their folders' names, with as many parents as tell them apart.

    Raises:
        RunFolderError: two are the same folder.

    Example:
        >>> names([Path("a/mnist"), Path("b/mnist")]), names([Path("a/mnist"), Path("b/fashion")])
        (['a/mnist', 'b/mnist'], ['mnist', 'fashion'])
    """
    parts = [folder.resolve().parts[1:] for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        found = ["/".join(path[-depth:]) for path in parts]
        if len(set(found)) == len(found):
            return found
    raise RunFolderError("A study cannot be compared with itself: name each folder once.")


def common(rows: dict[str, list[dict[str, Any]]], *, judged: bool) -> Table:
    """The first numbers of every model and size that several studies have, a line a study.

    Args:
        rows: metrics by the name of the study.
        judged: whether the best is marked: numbers of different data do not compare.
    """
    groups = {name: by_model_and_size(found) for name, found in rows.items()}
    settings = dict.fromkeys(key for found in groups.values() for key in found)
    shared = [key for key in settings if sum(key in found for found in groups.values()) > 1]
    blocks = {
        key: {name: found[key] for name, found in groups.items() if key in found} for key in shared
    }
    shown = [column for column in HEADLINE if _given(blocks, column.key)]
    return Table(
        tuple(shown),
        tuple(
            Block(
                f"{model_title(model)}, J = {size}", tables.compared(lines, shown, judged=judged)
            )
            for (model, size), lines in blocks.items()
        ),
    )


def _given(blocks: dict[tuple[str, int], dict[str, list[Row]]], key: str) -> bool:
    """Whether any run has a metric."""
    return any(
        row.get(key) is not None
        for lines in blocks.values()
        for rows in lines.values()
        for row in rows
    )


def claimed(studies: dict[str, Study]) -> list[tuple[str, str, list[str]]]:
    """Every claim with its verdict in every study."""
    found = [claims.judge(study.rows, study.references) for study in studies.values()]
    return [
        (verdicts[0].name, verdicts[0].statement, [claim.verdict for claim in verdicts])
        for verdicts in zip(*found, strict=True)
    ]
