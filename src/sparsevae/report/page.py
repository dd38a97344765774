"""One self-contained page from the folders of studies: scores and pictures, then details."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from sparsevae.errors import RunFolderError
from sparsevae.report import diagnostics, pictures, settings, tables, verdicts
from sparsevae.report.study import Study, by_model_and_size, kind_name, model_title
from sparsevae.report.tables import Block, Table
from sparsevae.storage.arrays import Row
from sparsevae.storage.files import make_folder, write_text


def write_report(folder: Path) -> Path:
    """Write ``report.html`` and ``figures/*.png, *.svg`` of a study.

    Args:
        folder: of a study, or of a run. What lies beside the runs is read where it is there:
            baselines, ``stability.json``, ``verdicts.json``, ``study.yaml``.

    Returns:
        The path of the page.

    Raises:
        RunFolderError: no run is finished, one cannot be read, or they are of different data.
        OutputError: the folder cannot be written to.
    """
    study = Study.read(folder)
    contents = contents_of(study, make_folder(make_folder(folder) / "figures"))
    return write_page(folder / "report.html", "report.html", it=contents)


def write_comparison(folders: Sequence[Path], out: Path) -> Path:
    """Write one page of several studies: ``report.html`` and ``figures/STUDY/*.png, *.svg``.

    Args:
        folders: of two studies or more, such as two data sets, or before and after a change.
        out: folder of the page, which is no study's.

    Returns:
        The path of the page.

    Raises:
        RunFolderError: a folder holds no finished run or runs of different data, is named
            twice, or is where the page would go.
        OutputError: the folder cannot be written to.
    """
    if out.resolve() in [folder.resolve() for folder in folders]:
        raise RunFolderError(f"{out} holds the report of a study: name another folder with --out.")
    names = told_apart(folders)
    studies = {name: Study.read(folder) for name, folder in zip(names, folders, strict=True)}
    make_folder(out)
    parts = []
    for place, (name, study) in enumerate(studies.items()):
        figures = make_folder(out / "figures" / name.replace("/", "-"))
        contents = contents_of(study, figures)
        parts.append({"name": name, "prefix": f"study-{place + 1}-", "contents": contents})
    same = len({study.runs[0].data_sha256 for study in studies.values()}) == 1
    return write_page(
        out / "report.html",
        "comparison.html",
        studies=parts,
        same=same,
        common=common({name: study.rows for name, study in studies.items()}, comparable=same),
        claims=claims_of_all(studies),
    )


def contents_of(study: Study, figures: Path) -> dict[str, Any]:
    """Everything that the page says of a study, under the names that the template has.

    Args:
        study: whose runs.
        figures: an existing folder, where PNG and SVG files go.
    """
    rows, baselines = study.rows, study.baselines
    sections = {
        size: pictures.three_pictures(study, size, figures)
        for size in sorted(study.sizes, key=lambda size: size != study.featured)
    }
    headline = tables.headline(rows, baselines, study.featured)
    return {
        "models": settings.in_a_row(dict.fromkeys(run.title for run in study.runs)),
        "dataset": study.runs[0].config.dataset,
        "summary": settings.summary(study),
        "notices": settings.notices(study),
        "headline": headline,
        "in_short": {column.title: tables.FIRST[column.key] for column in headline.columns},
        "featured": study.featured,
        "seeds": len({run.config.seed for run in study.runs}),
        "sections": [
            (size, tables.dimensions(size), galleries) for size, galleries in sections.items()
        ],
        "comparisons": pictures.comparisons(study, figures),
        "groups": tables.groups(rows, baselines),
        "stability": _stability(study.stability),
        "panels": diagnostics.panels(study.runs),
        "claims": verdicts.claims_of(study.verdicts),
        "arguments": settings.arguments(study),
        "facts": settings.settings(study),
        "configuration": study.configuration,
    }


def _stability(rows: Sequence[Row]) -> list[list[str]]:
    """A small table: how alike the gates of different seeds are; empty without several seeds."""
    lines = [
        [
            f"{model_title(kind_name(row['model'], row.get('varied', '')))}, J = {row['latents']}",
            str(row["pairs"]),
            f"{row['stability']:.2f}",
            f"{row['stability_chance']:.2f}",
        ]
        for row in rows
    ]
    return [["model", "pairs of seeds", "agreement", "by chance"], *lines] if lines else []


def told_apart(folders: Sequence[Path]) -> list[str]:
    """What studies are called: their folders' names, with as many parents as tell them apart.

    Raises:
        RunFolderError: two are the same folder.

    Example:
        >>> told_apart([Path("a/mnist"), Path("b/mnist")])
        ['a/mnist', 'b/mnist']
        >>> told_apart([Path("a/mnist"), Path("b/fashion")])
        ['mnist', 'fashion']
    """
    parts = [folder.resolve().parts[1:] for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(path[-depth:]) for path in parts]
        if len(set(names)) == len(names):
            return names
    raise RunFolderError("A study cannot be compared with itself: name each folder once.")


def common(rows: Mapping[str, Sequence[Row]], *, comparable: bool) -> Table:
    """The first numbers of every model and size that several studies have, a line a study.

    Args:
        rows: metrics by the name of the study.
        comparable: whether the best is marked: numbers of different data do not compare.
    """
    groups = {name: by_model_and_size(own) for name, own in rows.items()}
    kinds = dict.fromkeys(kind for own in groups.values() for kind in own)
    blocks = {
        kind: {name: own[kind] for name, own in groups.items() if kind in own} for kind in kinds
    }
    shared = {kind: lines for kind, lines in blocks.items() if len(lines) > 1}
    seeds = [row for lines in shared.values() for own in lines.values() for row in own]
    columns = tables.known(tables.headline_columns(), seeds)
    return Table(
        columns,
        tuple(
            Block(
                f"{model_title(model)}, J = {size}",
                tables.compared(lines, columns, comparable=comparable),
            )
            for (model, size), lines in shared.items()
        ),
    )


def claims_of_all(studies: Mapping[str, Study]) -> list[tuple[str, str, list[str]]]:
    """Every claim that some study decides, with its verdict in every study."""
    words: dict[tuple[str, str], dict[str, str]] = {}
    for name, study in studies.items():
        for claim in study.verdicts.get("claims", ()):
            words.setdefault((claim["claim"], claim["statement"]), {})[name] = claim["verdict"]
    return [
        (*claim, [own.get(name, verdicts.UNDECIDED) for name in studies])
        for claim, own in words.items()
        if set(own.values()) != {verdicts.UNDECIDED}
    ]


def write_page(path: Path, template: str, **contents: Any) -> Path:
    """Fill a template; the style and the definitions are given to all."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_text),
    )
    page = environment.get_template(template)
    write_text(path, page.render(style=_text("style.css"), glossary=tables.glossary(), **contents))
    return path


def _text(name: str) -> str:
    return files(__package__ or __name__).joinpath(name).read_text(encoding="utf-8")
