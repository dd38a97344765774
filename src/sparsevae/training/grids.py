"""Grids: every run of a study with its name, and in what runs of one model differ.

A study's ``vary`` gives values to settings by name. A name is one of

    a field of the study            learning_rate, batch_size, epochs, widths, recipe, …
    an argument of models           target_active: of every model that takes it
    an argument of one model        vsc.target_active

and the grid has every combination of values, at every size, model and seed. A model that a
setting does not concern is run once.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from pydantic import JsonValue

from sparsevae.errors import ConfigurationError
from sparsevae.models import row
from sparsevae.training.config import VARIABLE, RunConfig, StudyConfig
from sparsevae.training.recipes import runs

Settings = Mapping[str, JsonValue]
MOST_RUNS = 10_000
LONGEST = 80  # letters of a run's name that say what varies
SAFE = re.compile(r"[a-z0-9_.+-]+")


def planned(study: StudyConfig, dataset: str, images: int | None = None) -> dict[str, RunConfig]:
    """Every run of a study by its name, everything that decides its numbers filled in.

    Args:
        study: the grid.
        dataset: the name of the data set that the study has settled on.
        images: see :func:`sparsevae.training.recipes.runs`.

    Raises:
        ConfigurationError: an unknown setting, model or argument, a run asked for twice, or
            more than 10,000 runs.
    """
    _check_number(study)
    named: dict[str, RunConfig] = {}
    known = set[str]()
    for values in product(*study.vary.values()):
        chosen = dict(zip(study.vary, values, strict=True))
        for config in runs(_plain(study, chosen), dataset, images):
            same = config.model_dump_json()
            if same in known:  # what varies does not concern this model
                continue
            known.add(same)
            name = run_name(config, _own(study, chosen, config.model))
            named[name] = config
    if len({name.casefold() for name in named}) < len(known):
        raise ConfigurationError("Two runs of the grid would have one name; vary fewer settings.")
    places = {size: place for place, size in enumerate(study.latents)}
    models = {model: place for place, model in enumerate(study.models)}
    order = sorted(named, key=lambda n: (places[named[n].latents], models[named[n].model]))
    return {name: named[name] for name in order}


def grown(kept: StudyConfig, study: StudyConfig) -> StudyConfig:
    """The smallest grid that holds two: the models, sizes, seeds and varied values of both.

    Args:
        kept: the grid that grows.
        study: what is asked for now, which varies the same settings; what is no list is as here.

    Example:
        >>> one, two = StudyConfig(seeds=(0, 1), models=("ae",)), StudyConfig(seeds=(1, 2))
        >>> grown(one, two).seeds, grown(one, two).models
        ((0, 1, 2), ('ae', 'vae', 'vsc', 'vsc-wu'))
    """
    lists = {
        name: _both(getattr(kept, name), getattr(study, name))
        for name in ("models", "latents", "seeds")
    }
    vary = {name: _both(kept.vary[name], values) for name, values in study.vary.items()}
    gone = {name: own for name, own in kept.arguments.items() if name not in study.models}
    further = {"vary": vary, "arguments": {**gone, **study.arguments}}
    return study.model_copy(update={**lists, **further})


def _both(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*first, *(value for value in second if value not in first))


def _check_number(study: StudyConfig) -> None:
    count = len(study.latents) * len(study.models) * len(study.seeds)
    for name, values in study.vary.items():
        count *= len(values)
        written = [json.dumps(value, sort_keys=True) for value in values]
        if len({*written}) < len(written):
            raise ConfigurationError(f"A value of {name} is asked for twice; name each once.")
    if count > MOST_RUNS:
        raise ConfigurationError(f"The grid has {count:,} runs; {MOST_RUNS:,} are the most.")


def _plain(study: StudyConfig, chosen: Settings) -> StudyConfig:
    """The study with one value for everything that varies."""
    fields: dict[str, Any] = study.model_dump(exclude={"vary"}) | {"vary": {}}
    arguments = {model: dict(own) for model, own in study.arguments.items()}
    for name, value in chosen.items():
        models = _models_of(study, name)
        if not models:
            fields[name] = value
        for model in models:
            arguments.setdefault(model, {})[name.rpartition(".")[2]] = value
    return StudyConfig.checked({**fields, "arguments": arguments})


def _models_of(study: StudyConfig, name: str) -> list[str]:
    """The models whose argument a name is; none for a field of the study.

    Raises:
        ConfigurationError: it is neither.
    """
    model, _, argument = name.rpartition(".")
    if name in VARIABLE:
        return []
    models = [model] if model else list(study.models)
    takers = [one for one in models if one in study.models and argument in row(one).accepts()]
    if not takers:
        raise ConfigurationError(
            f"Nothing varies with {name!r}: it is no argument of the study's models "
            f"({', '.join(study.models)}) and none of {', '.join(VARIABLE)}."
        )
    return takers


def _own(study: StudyConfig, chosen: Settings, model: str) -> Settings:
    """Of what varies, what concerns a model, by the argument's name."""
    concerning = {}
    for name, value in chosen.items():
        models = _models_of(study, name)
        if not models or model in models:
            concerning[name.rpartition(".")[2]] = value
    return concerning


def run_name(config: RunConfig, varied: Settings) -> str:
    """The name of a run's folder: what it is, what varies, and its seed.

    Example:
        >>> run = RunConfig(dataset="mnist", model="vsc", latents=64)
        >>> run_name(run, {}), run_name(run, {"target_active": 8})
        ('mnist-vsc-64-seed0', 'mnist-vsc-64-target_active=8-seed0')
    """
    if not varied:
        return config.name
    words = "-".join(f"{name}={_slug(value)}" for name, value in varied.items())
    if len(words) > LONGEST:
        words = f"{words[:LONGEST]}~{_digest(dict(varied))}"
    return config.name.removesuffix(f"-seed{config.seed}") + f"-{words}-seed{config.seed}"


def _slug(value: JsonValue) -> str:
    """A value in letters that every file system takes; different for different values."""
    text = value if isinstance(value, str) else json.dumps(value)
    if SAFE.fullmatch(text) and (isinstance(value, str) or not isinstance(value, list | dict)):
        return text
    return f"{re.sub('[^a-z0-9_.+-]+', '_', text.lower()).strip('_')}~{_digest(value)}"


def _digest(value: JsonValue | Settings) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:6]


def differences(configs: Sequence[RunConfig]) -> list[dict[str, Any]]:
    """For every run the settings in which runs of its model and size differ, the seed apart.

    Args:
        configs: of runs of one data set.

    Returns:
        Arguments of the model stand under their own names; empty for a run whose kind is the
        only one of its model and size.

    Example:
        >>> one = RunConfig(dataset="mnist", model="vsc", latents=64)
        >>> two = one.model_copy(update={"epochs": 3})
        >>> differences([one, two, one.model_copy(update={"model": "ae"})])
        [{'epochs': 25}, {'epochs': 3}, {}]
    """
    flat = [_flat(config) for config in configs]
    alike: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for config, settings in zip(configs, flat, strict=True):
        alike[config.model, config.latents].append(settings)
    varied = {kind: _varied(group) for kind, group in alike.items()}
    return [
        {name: settings.get(name) for name in varied[config.model, config.latents]}
        for config, settings in zip(configs, flat, strict=True)
    ]


def _flat(config: RunConfig) -> dict[str, Any]:
    fields = config.model_dump(mode="json", exclude={"arguments", "seed", "model", "latents"})
    return {**fields, **config.arguments}


def _varied(group: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of settings with several values; α is left out where it follows the target."""
    values: dict[str, set[str]] = defaultdict(set)
    group = list(group)
    for name in dict.fromkeys(name for settings in group for name in settings):
        values[name] = {json.dumps(settings.get(name), sort_keys=True) for settings in group}
    several = [name for name, own in values.items() if len(own) > 1]
    follows = "target_active" in several and "alpha" in several
    return [name for name in several if not (follows and name == "alpha")]


def in_words(varied: Mapping[str, Any]) -> str:
    """What varies, for a table's line; empty where nothing does.

    Example:
        >>> in_words({"target_active": 8, "learning_rate": {"kind": "one-cycle", "peak": 0.004}})
        'target_active = 8, learning_rate = one-cycle 0.004'
    """
    return ", ".join(f"{name} = {_word(value)}" for name, value in varied.items())


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(str(entry) for entry in value.values())
    if isinstance(value, list):
        return "-".join(str(entry) for entry in value)
    return "default" if value is None else str(value)
