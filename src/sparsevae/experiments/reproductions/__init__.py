"""Published results run again: each a named list of runs and a table of ours beside theirs.

OUT/STUDY/runs/NAME/      one run folder a run
OUT/table.md, table.json  ours and theirs in the same unit, with what is known to be wrong
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparsevae.errors import ConfigurationError
from sparsevae.experiments import published
from sparsevae.experiments.reproductions import (
    poisson_512,
    poisson_knn,
    smiley,
    student_report,
    synth_sae,
    union_of_manifolds,
    vsc_2019,
)
from sparsevae.experiments.reproductions.reproduction import (
    Reproduction,
    Value,
    compare,
    write_table,
)
from sparsevae.storage.files import make_folder
from sparsevae.studies.study import Listener, do_tasks
from sparsevae.studies.tasks import RunTask, data_of
from sparsevae.training.config import StudyConfig
from sparsevae.training.grids import planned

__all__ = ["REPRODUCTIONS", "Reproduction", "Value", "compare", "reproduce", "reproduction"]

REPRODUCTIONS: dict[str, Reproduction] = {
    found.name: found
    for found in (
        vsc_2019.REPRODUCTION,
        smiley.REPRODUCTION,
        poisson_knn.REPRODUCTION,
        poisson_512.REPRODUCTION,
        student_report.REPRODUCTION,
        union_of_manifolds.REPRODUCTION,
        synth_sae.REPRODUCTION,
        synth_sae.WHOLE,
    )
}


def reproduction(
    name: str, dataset: str | None = None, settings: Mapping[str, Any] | None = None
) -> Reproduction:
    """A reproduction, perhaps a part of it or a small one.

    Args:
        name: a key of :data:`REPRODUCTIONS`.
        dataset: keep only what runs on this data set.
        settings: fields of every study that are set otherwise, such as ``epochs``.

    Raises:
        ConfigurationError: an unknown name or setting, or nothing runs on that data set.
    """
    if name not in REPRODUCTIONS:
        known = ", ".join(REPRODUCTIONS)
        raise ConfigurationError(f"There is no reproduction {name!r}; choose from {known}.")
    whole = REPRODUCTIONS[name]
    studies = {
        key: StudyConfig.checked({**study.model_dump(), **(settings or {})})
        for key, study in whole.studies.items()
        if dataset in (None, study.dataset)
    }
    if not studies:
        raise ConfigurationError(f"Nothing of {name!r} runs on the data set {dataset!r}.")
    values = tuple(value for value in whole.values if value.study in studies)
    return replace(whole, studies=studies, values=values)


def reproduce(
    chosen: Reproduction,
    out: Path,
    *,
    device: str = "auto",
    jobs: int | None = None,
    listener: Listener,
) -> Path:
    """Do every run of a reproduction that is not done yet, all in one pool, and write its table.

    Args:
        chosen: of :func:`reproduction`.
        out: its folder; one with finished runs of the same settings goes on.
        device: see :func:`sparsevae.training.loop.device`.
        jobs: runs at a time; as many as there are cores when None.
        listener: told what happens.

    Returns:
        The path of table.md.

    Raises:
        SparseVAEError: a setting, the data, the device or a folder is not as it must be;
            nothing has been trained then.
    """
    from sparsevae.training import loop

    where = str(loop.device(device))
    tasks = list[RunTask]()
    for key, study in chosen.studies.items():
        name = str(study.dataset)
        dataset = data_of(name, study.split, study.limit)
        for run_name, run in planned(study, name, len(dataset.train)).items():
            folder = out / key / "runs" / run_name
            tasks.append(RunTask.of(run, folder, where, dataset, (published.__name__, __name__)))
    make_folder(out)
    do_tasks(tasks, jobs, listener)
    chosen.draw(out)
    return write_table(chosen, out)
