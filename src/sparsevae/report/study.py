"""Finished runs and studies as values: a folder is read once, tables and pictures read these."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sparsevae.errors import RunFolderError
from sparsevae.models import MODELS
from sparsevae.runs.folder import RunFolder, finished_runs
from sparsevae.storage.arrays import Array, Row
from sparsevae.storage.files import read_json
from sparsevae.training.config import RunConfig
from sparsevae.training.grids import differences, in_words

COST = "ablation_cost"  # among the arrays: nats that the reconstruction loses without a dimension
BASELINES = "baselines.json"
SEPARATOR = " · "  # between a model and what varies
READABLE = 64  # dimensions: the most that one heat map shows


@dataclass(frozen=True)
class Run:
    """What a finished run leaves for tables and pictures.

    Attributes:
        config: of the run.
        metrics: its row of the table.
        arrays: of any shapes, behind its pictures, see :mod:`sparsevae.evaluation.pictures`.
        history: one row an epoch; empty where none was kept.
        diagnosis: findings and statistics of every dimension; empty where none were kept.
        classes: names in the order of the labels; may be empty.
        columns: names of the columns of a table; may be empty.
        data_sha256: checksum of its data.
        versions: of what decides the numbers.
        name: of its folder.
        varied: in what it differs from other runs of its model and size; empty where in nothing
            but the seed.
    """

    config: RunConfig
    metrics: Row = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)
    history: Sequence[Row] = ()
    diagnosis: Row = field(default_factory=dict)
    classes: Sequence[str] = ()
    columns: Sequence[str] = ()
    data_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    name: str = "run"
    varied: str = ""

    @classmethod
    def read(
        cls, path: Path | str | RunFolder, *, pictures: bool = True, varied: str = ""
    ) -> "Run":
        """The run in a folder.

        Args:
            path: of the folder.
            pictures: False leaves the arrays where they are, which may be large.
            varied: in what it differs from other runs of its model and size.

        Raises:
            RunFolderError: the run is not finished or cannot be read.
        """
        folder = RunFolder(Path(path))
        history = (folder.path / "history.json").is_file()
        data = folder.data
        return cls(
            config=folder.config,
            metrics=folder.metrics | ({"varied": varied} if varied else {}),
            arrays=folder.pictures if pictures else {},
            history=folder.history if history else (),
            diagnosis=folder.diagnosis,
            classes=tuple(data.classes),
            columns=tuple(data.columns),
            data_sha256=folder.data_sha256,
            versions=dict(read_json(folder.path / "config.json").get("versions", {})),
            name=folder.path.name,
            varied=varied,
        )

    @property
    def kind(self) -> str:
        """Its model, with what varies."""
        return kind_name(self.config.model, self.varied)

    @property
    def title(self) -> str:
        """The title of its model, with what varies."""
        return model_title(self.kind)

    @property
    def heading(self) -> str:
        """Model, size, data set and seed."""
        config = self.config
        return f"{self.title} · {config.latents} latents · {config.dataset} · seed {config.seed}"


@dataclass(frozen=True)
class Study:
    """Finished runs of one data set, and what stands beside them.

    Attributes:
        folder: where they lie.
        runs: by latent size, then as the table of models, then by seed; the arrays behind
            pictures only of the first seed.
        baselines: what any model must beat; empty where it was not measured.
        classes: names of the classes in the order of the labels; may be empty.
        stability: whether seeds find the same gates, one row a kind of run; may be empty.
        verdicts: what ``verdicts.json`` holds; empty where no claims were assessed.
        configuration: text of ``study.yaml``; empty where there is none.
    """

    folder: Path
    runs: tuple[Run, ...]
    baselines: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()
    stability: Sequence[Row] = ()
    verdicts: Mapping[str, Any] = field(default_factory=dict)
    configuration: str = ""

    @classmethod
    def read(cls, path: Path | str) -> "Study":
        """The study in a folder; of a run folder, a study of that run.

        Raises:
            RunFolderError: no run is finished, one cannot be read, or they are of different
                data.
        """
        folder = Path(path)
        baselines = baselines_of(folder)
        runs = _read_runs(folder)
        verdicts = _content(folder / "verdicts.json", dict)
        if verdicts and not {"rule", "claims"} <= set(verdicts):
            raise RunFolderError(f"{folder / 'verdicts.json'} is damaged; remove it.")
        yaml = folder / "study.yaml"
        return cls(
            folder,
            runs,
            baselines,
            tuple(runs[0].classes or baselines.get("classes", ())),
            _content(folder / "stability.json", list),
            verdicts,
            yaml.read_text(encoding="utf-8") if yaml.is_file() else "",
        )

    @cached_property
    def rows(self) -> list[Row]:
        """The metrics of every run."""
        return [run.metrics for run in self.runs]

    @cached_property
    def sizes(self) -> list[int]:
        """The latent sizes, ascending."""
        return list(dict.fromkeys(run.config.latents for run in self.runs))

    @property
    def featured(self) -> int:
        """The size that a page opens with: the largest that one heat map shows whole."""
        return max((size for size in self.sizes if size <= READABLE), default=self.sizes[0])

    def first_seeds(self, size: int) -> list[Run]:
        """Of every model at a size, with all that varies, the run with the first seed."""
        firsts: dict[str, Run] = {}
        for run in self.runs:
            if run.config.latents == size:
                firsts.setdefault(run.kind, run)
        return list(firsts.values())


def baselines_of(folder: Path) -> Row:
    """What any model must beat, as it was measured beside a study; empty where it was not.

    A run's folder has errors of its own under that name, which are not these.
    """
    return {} if (folder / "config.json").is_file() else dict(_content(folder / BASELINES, dict))


def _content(path: Path, kind: type) -> Any:
    return read_json(path, kind) if path.is_file() else kind()


def _read_runs(folder: Path) -> tuple[Run, ...]:
    """All finished runs in order, with the arrays of each first seed."""
    folders = finished_runs(folder)
    varied = map(in_words, differences([one.config for one in folders]))
    said = dict(zip(folders, varied, strict=True))
    kinds = {one: kind_name(one.config.model, said[one]) for one in folders}
    models = in_order(kinds.values())
    ordered = sorted(
        folders,
        key=lambda one: (one.config.latents, models.index(kinds[one]), one.config.seed),
    )
    runs, seen = list[Run](), set[tuple[str, int]]()
    for one in ordered:
        kind = (kinds[one], one.config.latents)
        runs.append(Run.read(one, pictures=kind not in seen, varied=said[one]))
        seen.add(kind)
    check_one_data_set(folder, {run.data_sha256: run.config.dataset for run in runs})
    return tuple(runs)


def check_one_data_set(folder: Path, names: Mapping[str, str]) -> None:
    """Check that runs are of one data set: numbers of several do not stand in one table.

    Args:
        folder: of the study.
        names: of the runs' data sets, by checksum.

    Raises:
        RunFolderError: there are several.
    """
    if len(names) > 1:
        raise RunFolderError(
            f"The runs in {folder} are of {len(names)} different data sets "
            f"({', '.join(sorted(names.values()))}): keep each in a folder of its own."
        )


# Runs of the same model and size belong together, whatever their seeds; where a grid varies
# further settings, what varies is part of the kind's name.


def kind_name(model: str, varied: str = "") -> str:
    """How runs are told apart that differ in more than their seed.

    Example:
        >>> kind_name("vsc"), kind_name("vsc", "target_active = 8")
        ('vsc', 'vsc · target_active = 8')
    """
    return f"{model}{SEPARATOR}{varied}" if varied else model


def model_title(kind: str) -> str:
    """How a kind of run is called in pictures and tables.

    Example:
        >>> model_title("vsc-wu"), model_title("mine"), model_title("vsc · alpha = 0.1")
        ('VSC-WU', 'mine', 'VSC · alpha = 0.1')
    """
    name, separator, varied = kind.partition(SEPARATOR)
    title = MODELS[name].title if name in MODELS else name
    return f"{title}{separator}{varied}"


def in_order(kinds: Iterable[str]) -> list[str]:
    """Every kind once, as in the table of models; those that it does not know come last.

    Example:
        >>> in_order(["vsc", "mine", "ae", "vsc"])
        ['ae', 'vsc', 'mine']
        >>> in_order(["vsc · epochs = 16", "vsc · epochs = 4"])
        ['vsc · epochs = 4', 'vsc · epochs = 16']
    """
    table = list(MODELS)

    def place(kind: str) -> tuple[int, str, list[tuple[float, str]]]:
        name, _, varied = kind.partition(SEPARATOR)
        words = re.split(r"(\d+(?:\.\d+)?(?:e-?\d+)?)", varied)
        numbers = [(float(word), "") if at % 2 else (0.0, word) for at, word in enumerate(words)]
        return table.index(name) if name in table else len(table), name, numbers

    return sorted(set(kinds), key=place)


def model_place(kind: str, kinds: Iterable[str]) -> int:
    """Which colour and marker a kind has: a model's is the same in every figure.

    Args:
        kind: of run.
        kinds: all that the figure shows.

    Example:
        >>> model_place("vsc", ["vsc"]), model_place("mine", ["mine", "vsc"]) == len(MODELS)
        (2, True)
    """
    return in_order({*MODELS, *kinds}).index(kind)


def by_model_and_size(rows: Iterable[Row]) -> dict[tuple[str, int], list[Row]]:
    """Rows of metrics by kind and latent size, the seeds of each in one list.

    The keys go through the sizes from the smallest, and at every size through the kinds.
    """
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        kind = kind_name(str(row["model"]), str(row.get("varied", "")))
        groups.setdefault((kind, int(row["latents"])), []).append(row)
    kinds = in_order(kind for kind, _ in groups)
    return dict(sorted(groups.items(), key=lambda item: (item[0][1], kinds.index(item[0][0]))))
