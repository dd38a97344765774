"""What a search looks through: fields of a study, ranges for some of them, one or two numbers."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator

from sparsevae.errors import ConfigurationError
from sparsevae.metrics import keys
from sparsevae.metrics.table import metric
from sparsevae.training.config import Checked, RunConfig, StudyConfig
from sparsevae.training.grids import planned

SINGLE = {"model": "models", "latents": "latents"}  # what a trial has one of
Direction = Literal["minimize", "maximize"]
OWN = ("search", "objectives", "prune")


class Range(Checked):
    """Numbers between two ends, both in it.

    Attributes:
        low: the lower end.
        high: the upper end.
        log: whether factors count, not differences.
        whole: whether only whole numbers are taken; so it is when both ends are whole numbers.
    """

    low: int | float
    high: int | float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low must be below high, and above 0 where log is true")
        return self


class SearchConfig(Checked):
    """A search.

    Attributes:
        study: what every trial shares.
        search: a range or a list of values, by the name of a setting: a field of the study, an
            argument of the model (``vsc.target_active``), ``model`` or ``latents``.
        objectives: keys of one or two metrics.
        prune: whether trials are stopped before their end.
    """

    study: StudyConfig
    search: Annotated[
        dict[str, Range | Annotated[tuple[JsonValue, ...], Field(min_length=1)]],
        Field(min_length=1),
    ]
    objectives: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)] = (
        keys.NEGATIVE_ELBO,
    )
    prune: bool = True

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "SearchConfig":
        """The search of a file: a study's fields with ``search``, ``objectives`` and ``prune``.

        Raises:
            ConfigurationError: a field is not as it must be, or the search has nothing to vary.
        """
        own = {name: fields[name] for name in OWN if name in fields}
        if "search" not in own:
            raise ConfigurationError(
                "The file has no 'search': give a range or a list for each setting, such as "
                "'search: {learning_rate: {low: 1e-4, high: 1e-2, log: true}}'."
            )
        shared = {name: value for name, value in fields.items() if name not in OWN}
        config = cls.checked({**own, "study": StudyConfig.checked(shared)})
        config.check()
        return config

    def check(self) -> None:
        """Raise :class:`ConfigurationError` where a trial would not be one run."""
        for name, field in SINGLE.items():
            count = len(getattr(self.study, field))
            if name not in self.search and count > 1:
                raise ConfigurationError(
                    f"A trial has one {name}: give one in {field!r}, or several in the search."
                )
        if self.study.vary:
            raise ConfigurationError("A search varies what stands under 'search' alone.")
        for key in self.objectives:
            metric(key)

    @property
    def directions(self) -> list[Direction]:
        """Of every objective, ``minimize`` or ``maximize``; what is neither better is kept low."""
        return [
            "maximize" if metric(key).better == "higher" else "minimize" for key in self.objectives
        ]

    def fixed(self, chosen: Mapping[str, JsonValue], **fields: Any) -> StudyConfig:
        """The study of one trial.

        Args:
            chosen: a value for every name of the search.
            **fields: further fields of the study.
        """
        shared = self.study.model_dump()
        for name, field in SINGLE.items():
            if name in chosen:
                shared[field] = (chosen[name],)
        vary = {name: (value,) for name, value in chosen.items() if name not in SINGLE}
        return StudyConfig.checked({**shared, **fields, "vary": vary})

    def run(self, chosen: Mapping[str, JsonValue], dataset: str, images: int) -> RunConfig:
        """The run of one trial, measured on validation rows."""
        seeds = self.study.seeds[:1]
        (run,) = planned(
            self.fixed(chosen, split="validation", seeds=seeds), dataset, images
        ).values()
        return run
