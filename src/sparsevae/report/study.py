"""Finished runs and studies as values: a folder is read once, tables and pictures read these."""

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

COST = "ablation_cost"  # among the arrays: nats that the reconstruction loses without a dimension
BASELINES, OLD_BASELINES = "baselines.json", "references.json"
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

    @classmethod
    def read(cls, path: Path | str | RunFolder, *, pictures: bool = True) -> "Run":
        """The run in a folder.

        Args:
            path: of the folder.
            pictures: False leaves the arrays where they are, which may be large.

        Raises:
            RunFolderError: the run is not finished or cannot be read.
        """
        folder = RunFolder(Path(path))
        history = (folder.path / "history.json").is_file()
        data = folder.data
        return cls(
            config=folder.config,
            metrics=folder.metrics,
            arrays=folder.pictures if pictures else {},
            history=folder.history if history else (),
            diagnosis=folder.diagnosis,
            classes=tuple(data.classes),
            columns=tuple(data.columns),
            data_sha256=folder.data_sha256,
            versions=dict(read_json(folder.path / "config.json").get("versions", {})),
            name=folder.path.name,
        )

    @property
    def title(self) -> str:
        """The title of its model."""
        return model_title(self.config.model)

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
        """Of every model at a size, the run with the first seed."""
        firsts: dict[str, Run] = {}
        for run in self.runs:
            if run.config.latents == size:
                firsts.setdefault(run.config.model, run)
        return list(firsts.values())


def baselines_of(folder: Path) -> Row:
    """What any model must beat, as it was measured beside a study; empty where it was not."""
    for name in (BASELINES, OLD_BASELINES):
        if (folder / name).is_file():
            return dict(read_json(folder / name))
    return {}


def _content(path: Path, kind: type) -> Any:
    return read_json(path, kind) if path.is_file() else kind()


def _read_runs(folder: Path) -> tuple[Run, ...]:
    """All finished runs in order, with the arrays of each first seed."""
    folders = {one: one.config for one in finished_runs(folder)}
    models = in_order(config.model for config in folders.values())
    ordered = sorted(
        folders,
        key=lambda one: (
            folders[one].latents,
            models.index(folders[one].model),
            folders[one].seed,
        ),
    )
    runs, seen = list[Run](), set[tuple[str, int]]()
    for one in ordered:
        kind = (folders[one].model, folders[one].latents)
        runs.append(Run.read(one, pictures=kind not in seen))
        seen.add(kind)
    names = {run.data_sha256: run.config.dataset for run in runs}
    if len(names) > 1:  # numbers of different data do not stand in one table
        raise RunFolderError(
            f"The runs in {folder} are of {len(names)} different data sets "
            f"({', '.join(sorted(names.values()))}): keep each in a folder of its own."
        )
    return tuple(runs)


# Runs of the same model and size belong together, whatever their seeds.


def model_title(name: str) -> str:
    """How a model is called in pictures and tables.

    Example:
        >>> model_title("vsc-wu"), model_title("mine")
        ('VSC-WU', 'mine')
    """
    return MODELS[name].title if name in MODELS else name


def in_order(models: Iterable[str]) -> list[str]:
    """Every model once, as in the table of models; those that it does not know come last.

    Example:
        >>> in_order(["vsc", "mine", "ae", "vsc"])
        ['ae', 'vsc', 'mine']
    """
    table = list(MODELS)
    return sorted(
        set(models), key=lambda name: (table.index(name) if name in table else len(table), name)
    )


def model_place(name: str, models: Iterable[str]) -> int:
    """Which colour and marker a model has: the same in every figure, whoever is beside it.

    Args:
        name: of the model.
        models: all that the figure shows.

    Example:
        >>> model_place("vsc", ["vsc"]), model_place("mine", ["mine", "vsc"]) == len(MODELS)
        (2, True)
    """
    return in_order({*MODELS, *models}).index(name)


def by_model_and_size(rows: Iterable[Row]) -> dict[tuple[str, int], list[Row]]:
    """Rows of metrics by model and latent size, the seeds of each in one list.

    The keys go through the sizes from the smallest, and at every size through the models.
    """
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["model"]), int(row["latents"])), []).append(row)
    models = in_order(model for model, _ in groups)
    return dict(sorted(groups.items(), key=lambda item: (item[0][1], models.index(item[0][0]))))
