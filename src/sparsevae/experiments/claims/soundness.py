"""Claim 7: is there a setting whose gates neither stay open nor sink, in every seed?"""

from collections.abc import Mapping
from dataclasses import dataclass

from sparsevae.experiments.claims.parts import CHANCE_TIMES
from sparsevae.experiments.claims.seeds import Row, Settings
from sparsevae.metrics.intervals import Interval, share_interval
from sparsevae.models import MODELS

GATED = ("vsc", "vsc-wu")
SOUND = "share of sound seeds, best setting"
DEAD_SHARE, OPEN_SHARE = 0.05, 0.5  # of J
NEEDED = (
    *("collapsed_decoder", "always_on", "dead", "sum_gamma"),
    *("selectivity", "selectivity_permuted"),
)


@dataclass(frozen=True)
class Soundness:
    """How many seeds of a setting are sound.

    Attributes:
        model: its name.
        size: J.
        share: of sound seeds.
    """

    model: str
    size: int
    share: Interval

    @property
    def words(self) -> str:
        """The setting and its count."""
        count = self.share.seeds
        hits = f"{round(self.share.mean * count)} of {count} seeds are sound"
        return f"{MODELS[self.model].title}, J = {self.size}: {hits}"


def sound(row: Row) -> bool:
    """Whether a run has neither collapsed nor gates that tell nothing.

    Args:
        row: metrics of a model with gates, none of those needed missing.
    """
    size = row["latents"]
    return bool(
        not row["collapsed_decoder"]
        and row["always_on"] == 0
        and row["dead"] <= DEAD_SHARE * size
        and row["sum_gamma"] < OPEN_SHARE * size
        and row["selectivity"] >= CHANCE_TIMES * row["selectivity_permuted"]
    )


def best_setting(settings: Settings, enough: int) -> Soundness | None:
    """The setting with the largest share of sound seeds, one with enough seeds before all others.

    Args:
        settings: metrics by model and size, then by seed.
        enough: seeds that decide.

    Returns:
        None where no run has all the metrics that are needed.
    """
    found = [
        Soundness(model, size, _share(rows))
        for (model, size), rows in settings.items()
        if model in GATED and _complete(rows)
    ]
    return max(
        found,
        key=lambda s: (s.share.seeds >= enough, s.share.mean, s.share.seeds),
        default=None,
    )


def _complete(rows: Mapping[int, Row]) -> list[Row]:
    return [row for row in rows.values() if all(row.get(name) is not None for name in NEEDED)]


def _share(rows: Mapping[int, Row]) -> Interval:
    complete = _complete(rows)
    return share_interval(sum(map(sound, complete)), len(complete))
