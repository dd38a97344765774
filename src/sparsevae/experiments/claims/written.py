"""Verdicts as a file, for whoever compares studies or checks a table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sparsevae.experiments.claims.judging import DECIDING_SEEDS, ClaimVerdict, PartVerdict, judge
from sparsevae.metrics.intervals import LEVEL, Interval
from sparsevae.report.study import baselines_of
from sparsevae.runs.folder import finished_runs
from sparsevae.storage.files import write_json


def write(path: Path, verdicts: Iterable[ClaimVerdict]) -> None:
    """Write ``verdicts.json``.

    Args:
        path: of the file.
        verdicts: of :func:`sparsevae.experiments.claims.judge`.

    Raises:
        OutputError: the place cannot be written to.
    """
    claims = [
        {
            "claim": found.name,
            "statement": found.statement,
            "verdict": found.verdict,
            "parts": [_part(part) for part in found.parts],
        }
        for found in verdicts
    ]
    rule = {"interval": LEVEL, "seeds_needed": DECIDING_SEEDS}
    write_json(path, {"rule": rule, "claims": claims})


def write_verdicts(folder: Path) -> Path:
    """Assess every claim on the finished runs of a study, and write ``verdicts.json``.

    Raises:
        RunFolderError: there is no finished run.
    """
    rows = [run.metrics for run in finished_runs(folder)]
    path = folder / "verdicts.json"
    write(path, judge(rows, baselines_of(folder)))
    return path


def _part(part: PartVerdict) -> dict[str, Any]:
    return {
        "part": part.name,
        "number": part.number,
        "claimed": f"{part.side} {part.threshold:g}",
        "verdict": part.verdict,
        "latents": part.size,
        "value": _interval(part.interval),
        "models": {model: _interval(found) for model, found in part.models.items()},
        "note": part.note,
    }


def _interval(found: Interval | None) -> dict[str, float | int | None] | None:
    if found is None:
        return None
    return {"mean": found.mean, "low": found.low, "high": found.high, "seeds": found.seeds}
