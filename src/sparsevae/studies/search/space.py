"""What a search looks through: fields of a study, ranges for some of them, one or two numbers."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
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
LARGEST = 1e300  # that an end may be; Optuna takes differences of ends
DIGITS = 3  # of a number that is drawn


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
    def _has_numbers(self) -> "Range":
        given = f"got {self.low} and {self.high}"
        if not (abs(self.low) <= LARGEST and abs(self.high) <= LARGEST):  # NaN is not either
            raise ConfigurationError(f"low and high must be finite, at most {LARGEST:g}; {given}.")
        low, high = self.ends
        if not self.low < self.high or (self.log and low <= 0):
            raise ConfigurationError(
                f"low must be below high, and above 0 where log is true; {given}."
            )
        if low > high:
            raise ConfigurationError(
                f"there must be a whole number between low and high; {given}."
            )
        return self

    @property
    def ends(self) -> tuple[int, int] | tuple[float, float]:
        """The least and the largest number that may be drawn, both whole where only such are."""
        if self.whole or (isinstance(self.low, int) and isinstance(self.high, int)):
            return math.ceil(self.low), math.floor(self.high)
        return float(self.low), float(self.high)

    def rounded(self, drawn: float) -> float:
        """A whole number as it is, another one to a few digits, but between the ends."""
        low, high = self.ends
        if isinstance(drawn, int):
            return drawn
        return min(max(float(f"{drawn:.{DIGITS}g}"), low), high)


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
        _check_ranges(own["search"])
        shared = {name: value for name, value in fields.items() if name not in OWN}
        config = cls.checked({**own, "study": StudyConfig.checked(shared)})
        config.check()
        return config

    def check(self) -> None:
        """Raise :class:`ConfigurationError` with all that keeps a trial from being one run."""
        wrong = [
            f"A trial has one {name}: give one in {field!r}, or several in the search."
            for name, field in SINGLE.items()
            if name not in self.search and len(getattr(self.study, field)) > 1
        ]
        if self.study.vary:
            wrong.append("A search varies what stands under 'search' alone.")
        wrong += [said for key in self.objectives if (said := _mistake(metric, key))]
        if wrong := [*dict.fromkeys([*wrong, *self._wrong_values()])]:
            raise ConfigurationError(" ".join(wrong))

    def _wrong_values(self) -> Iterator[str]:
        """What is wrong with a value of a list, or an end of a range, whatever else is drawn."""
        dataset = self.study.dataset or "any"  # no mistake depends on its name
        models = _values(self.search["model"]) if "model" in self.search else ()
        for name, one in self.search.items():
            for value in _values(one):
                for other in [{"model": model} for model in models] or [{}]:
                    study = {**other, name: value}
                    if said := _mistake(self._plan, study, dataset):
                        yield said

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
        (run,) = self._plan(chosen, dataset, images).values()
        return run

    def _plan(
        self, chosen: Mapping[str, JsonValue], dataset: str, images: int | None = None
    ) -> dict[str, RunConfig]:
        one = self.fixed(chosen, split="validation", seeds=self.study.seeds[:1])
        return planned(one, dataset, images)

    def distributions(self) -> dict[str, Any]:
        """Optuna's, by name; a listed value stands as JSON, since Optuna takes no nested ones."""
        from optuna import distributions

        found: dict[str, Any] = {}
        for name, one in self.search.items():
            if not isinstance(one, Range):
                texts = [json.dumps(value) for value in one]
                found[name] = distributions.CategoricalDistribution(texts)
                continue
            low, high = one.ends
            if isinstance(low, int):
                found[name] = distributions.IntDistribution(low, int(high), log=one.log)
            else:
                found[name] = distributions.FloatDistribution(low, high, log=one.log)
        return found

    def chosen(self, drawn: Mapping[str, Any]) -> dict[str, JsonValue]:
        """The settings that stand for what Optuna drew from :meth:`distributions`."""
        return {
            name: one.rounded(drawn[name]) if isinstance(one, Range) else json.loads(drawn[name])
            for name, one in self.search.items()
        }


def _values(one: Range | Sequence[JsonValue]) -> Sequence[JsonValue]:
    return one.ends if isinstance(one, Range) else one


def _mistake(check: Callable[..., Any], *given: Any) -> str:
    """What a function finds wrong with what it is given; empty where nothing is."""
    try:
        check(*given)
    except ConfigurationError as error:
        return str(error)
    return ""


def _check_ranges(search: Any) -> None:
    """Raise :class:`ConfigurationError` with all that is neither a range nor a list of values."""
    wrong = []
    for name, one in search.items() if isinstance(search, Mapping) else ():
        if isinstance(one, Mapping):
            if said := _mistake(Range.checked, one):
                wrong.append(f"The range of {name!r} is wrong: {said}")
        elif not (one and isinstance(one, Range | list | tuple)):
            wrong.append(
                f"{name!r} under 'search' takes a range or a list of values, such as [1, 2], "
                f"not {one!r}."
            )
    if wrong:
        raise ConfigurationError(" ".join(wrong))
