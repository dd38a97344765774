"""What a run is and what a study is, checked on the way in and kept as JSON or YAML.

Model, data-set and recipe names are strings here; the study checks them against the tables.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from sparsevae.data.scaling import Scaling
from sparsevae.data.schema import Schema
from sparsevae.errors import ConfigurationError
from sparsevae.networks import Trunk

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Split = Literal["test", "validation"]
Precision = Literal["float32", "tf32", "bf16"]
Widths = Annotated[tuple[Count, ...], Field(min_length=1)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^/\\\x00-\x1f]*$")]
VARIABLE = (  # fields of a study that a grid may vary; those that are lists are a grid already
    *("epochs", "batch_size", "learning_rate", "recipe", "precision", "widths", "trunk"),
)
C = TypeVar("C", bound="Checked")


class Checked(BaseModel):
    """A frozen configuration whose every mistake is one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def checked(cls: type[C], values: Mapping[str, Any]) -> C:
        """Validate plain values.

        Raises:
            ConfigurationError: names every wrong field, its value and what it may be.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise ConfigurationError(_sentence(error, cls)) from None


class RunConfig(Checked):
    """Everything that decides the numbers of one run.

    Attributes:
        dataset: a name that :func:`sparsevae.data.load` knows.
        split: "test" trains on all training data and is scored on the test set;
            "validation" holds part of the training data out and is scored on that.
        model: a row of the table of models.
        latents: J.
        seed: of the weights, the order of images and the noise.
        recipe: which named set of defaults the other fields come from.
        epochs: passes over the training data.
        batch_size: images a step.
        learning_rate: a schedule as JSON; a number is constant.
        precision: arithmetic of the training steps.
        limit: only the first so many images of training and of test data.
        widths: widths of the trunk.
        trunk: "convolution" (of images; vectors get an "mlp"), "mlp" or "linear".
        arguments: arguments of the model's class.
        restarts: how often a run that has learned nothing after a third of its passes begins
            anew with other settings, see :mod:`sparsevae.training.restarts`.
    """

    dataset: Name
    split: Split = "test"
    model: Name
    latents: Count
    seed: Seed = 0
    recipe: str = "default"
    epochs: Count = 25
    batch_size: Count = 256
    learning_rate: Positive | dict[str, JsonValue] = 1e-3
    precision: Precision = "float32"
    limit: Count | None = None
    widths: Widths = (16, 32, 256)
    trunk: Trunk = "convolution"
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    restarts: Annotated[int, Field(ge=0, le=9)] = 0

    @property
    def name(self) -> str:
        """The name of the run's folder, such as ``mnist-vsc-64-seed0``."""
        return f"{self.dataset}-{self.model}-{self.latents}-seed{self.seed}"


class DataConfig(Checked):
    """What a run keeps of data of the user's own, in their own units.

    Attributes:
        source: where they were read from.
        dtype: NumPy's name of their type, such as ``uint8``.
        scaling: what brings them to where the model takes them.
        low: the smallest value.
        high: the largest value.
        columns: names of a table's columns; empty for images and tables without names.
        classes: names of the labels; empty without labels.
        test_fraction: share of the rows that was held out.
        reason: why this likelihood, in one sentence.
        table: what the columns of a table are, where they are more than numbers; ``columns`` are
            its elements then.
        size: rows and columns that images of any size were brought to; None where they were not.
    """

    source: str
    dtype: Annotated[str, Field(pattern="^(bool|u?int(8|16|32|64)|float(16|32|64))$")]
    scaling: Scaling
    low: Annotated[float, Field(allow_inf_nan=False)]
    high: Annotated[float, Field(allow_inf_nan=False)]
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    test_fraction: Share | None = None
    reason: str = ""
    table: Schema | None = None
    size: Count | None = None


class StudyConfig(Checked):
    """A grid of runs: models x latents x seeds, and what they share.

    Attributes:
        dataset: a named one; MNIST where it can be had, else mnist-5k, when left out.
        models: rows of the table of models, see ``sparsevae models``.
        latents: latent sizes J.
        seeds: one run each.
        epochs: passes over the training data.
        batch_size: images a step; fewer on small data sets when left out.
        learning_rate: overrides the recipe's.
        alpha: overrides α = min(½, 8/J) for models that have it.
        recipe: a named set of defaults.
        precision: arithmetic of the training steps: float32, tf32 or bf16.
        limit: only the first so many images of training and of test data.
        split: what the runs are scored on, test or validation.
        widths: of the trunk's layers.
        trunk: convolution (of images; vectors get an mlp), mlp or linear.
        arguments: further arguments, by model name.
        vary: values of further settings, by name; the grid has every combination. See
            :mod:`sparsevae.training.grids`.
    """

    dataset: str | None = None
    models: Annotated[tuple[str, ...], Field(min_length=1)] = ("ae", "vae", "vsc", "vsc-wu")
    latents: Annotated[tuple[Count, ...], Field(min_length=1)] = (2, 64)
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    epochs: Count = 25
    batch_size: Count | None = None
    learning_rate: Positive | None = None
    alpha: Share | None = None
    recipe: str = "default"
    precision: Precision = "float32"
    limit: Count | None = None
    split: Split = "test"
    widths: Widths = (16, 32, 256)
    trunk: Trunk = "convolution"
    arguments: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    vary: dict[str, Annotated[tuple[JsonValue, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )

    @model_validator(mode="before")
    @classmethod
    def _lists_vary(cls, values: Any) -> Any:
        """Take a list where one value belongs as values of ``vary``."""
        if not isinstance(values, Mapping):
            return values
        fields, own = dict(values), values.get("vary", {})
        vary = dict(own) if isinstance(own, Mapping) else {}
        for name in (*VARIABLE, "alpha"):
            value = fields.get(name)
            several = isinstance(value, list | tuple) and (name != "widths" or _lists(value))
            if several and name not in vary:
                vary[name] = fields.pop(name)
        return {**fields, "vary": vary} if vary and isinstance(own, Mapping) else fields

    @field_validator("vary", mode="before")
    @classmethod
    def _is_lists(cls, vary: Any) -> Any:
        """Say what to write where it is no mapping, or where a name has no list of values."""
        if not isinstance(vary, Mapping):
            raise _not_so("give every name a list of values, such as 'vary: {epochs: [10, 25]}'")
        wrong = [
            str(name)
            for name, values in vary.items()
            if not (values and isinstance(values, list | tuple))
        ]
        if wrong:
            raise _not_so(
                f"{', '.join(wrong)} must have a list of values, as in "
                f"'vary: {{{wrong[0]}: [V1, V2]}}'"
            )
        return vary


def _not_so(reason: str) -> PydanticCustomError:
    return PydanticCustomError("not_so", "{reason}", {"reason": reason})


def _lists(values: Any) -> bool:
    return any(isinstance(value, list | tuple) for value in values)


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as in JSON; YAML 1.1 wants 1.0e-3."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The fields of a YAML file.

    Raises:
        ConfigurationError: the file is absent, is not YAML, or is not a mapping.
    """
    try:
        fields = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f" (line {line + 1})"
        raise ConfigurationError(f"{path} is not a YAML file{where}.") from None
    if fields is None:
        return {}
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise ConfigurationError(f"{path} must hold fields and values, like 'epochs: 25'.")
    return fields


def _sentence(error: ValidationError, cls: type[BaseModel]) -> str:
    """What is wrong with every field, a sentence each; unknown ones share one."""
    fields: dict[str, ErrorDetails] = {}
    for one in error.errors():
        fields.setdefault(str((*one["loc"], "configuration")[0]), one)
    unknown = [name for name, one in fields.items() if one["type"] == "extra_forbidden"]
    said = [_wrong(name, one) for name, one in fields.items() if name not in unknown]
    if unknown:
        names, known = ", ".join(map(repr, unknown)), ", ".join(cls.model_fields)
        said.append(f"There is no setting {names}; the settings are {known}.")
    return " ".join(said)


def _wrong(field: str, error: ErrorDetails) -> str:
    """What is wrong with one field."""
    if error["type"] == "missing":
        return f"The setting {field!r} is missing."
    reason = error["msg"][0].lower() + error["msg"][1:]
    return f"The setting {field!r} does not take {error['input']!r}: {reason}."
