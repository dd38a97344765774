"""Verdicts as a file, for whoever compares studies or checks a table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sparsevae.experiments.claims.judging import DECIDING_SEEDS, ClaimVerdict, PartVerdict
from sparsevae.metrics.intervals import LEVEL, Interval
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
