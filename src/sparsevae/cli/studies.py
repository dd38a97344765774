"""Commands about studies: run one, measure, report or draw what it trained again."""

import inspect
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from typer.core import TyperCommand

from sparsevae.cli.application import (
    Address,
    Device,
    Engine,
    Jobs,
    Plugins,
    Track,
    app,
    names,
    numbers,
    stopped,
)
from sparsevae.errors import ConfigurationError

Folders = Annotated[list[Path], typer.Argument(help="Run folders, or folders of studies.")]


def plain(annotation: Any) -> Any:
    """The type of a field without its limits and without None: that of an option.

    Example:
        >>> plain(int | None), plain(tuple[str, ...]), plain(dict[str, int] | None)
        (<class 'int'>, <class 'tuple'>, <class 'dict'>)
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, Union, UnionType):
        return plain(inner[0])
    return str if origin is Literal else origin or annotation


def options() -> list[inspect.Parameter]:
    """An option for every field of a study that fits into one, its help from the class."""
    from sparsevae.training.config import StudyConfig

    about = re.findall(r"^ +(\w+): (.+?\.)$", StudyConfig.__doc__ or "", re.MULTILINE | re.DOTALL)
    texts = {name: " ".join(text.replace("`", "").split()) for name, text in about}
    parameters = []
    for name, field in StudyConfig.model_fields.items():
        kind, text = plain(field.annotation), texts[name][0].upper() + texts[name][1:]
        if kind is tuple:
            kind, text = str, f"{text} With commas between."
        if kind is not dict:  # that is only for a file
            keyword, option = inspect.Parameter.KEYWORD_ONLY, typer.Option(None, help=text)
            parameters.append(
                inspect.Parameter(name, keyword, default=option, annotation=kind | None)
            )
    return parameters


def given(values: dict[str, Any]) -> dict[str, Any]:
    """The options of a study that were given, as its fields.

    Raises:
        ConfigurationError: a list of numbers holds something else.
    """
    from sparsevae.training.config import StudyConfig

    fields = {name: value for name, value in values.items() if value is not None}
    for name, value in fields.items():
        annotation = StudyConfig.model_fields[name].annotation
        if plain(annotation) is tuple:
            whole = plain(get_args(annotation)[0]) is int
            option = f"--{name.replace('_', '-')}"
            fields[name] = numbers(value, option) if whole else names(value)
    return fields


def varied(text: str) -> tuple[str, list[Any]]:
    """The name and the values of one ``--vary``.

    Example:
        >>> varied("vsc.target_active=4,8"), varied("widths=[64],[128,64]")
        (('vsc.target_active', [4, 8]), ('widths', [[64], [128, 64]]))
        >>> varied("vsc.prior=fixed,mixture")
        ('vsc.prior', ['fixed', 'mixture'])

    Raises:
        ConfigurationError: a name or its values are missing.
    """
    name, _, values = (part.strip() for part in text.partition("="))
    if not name or not values:
        raise ConfigurationError(f"--vary takes NAME=V1,V2, such as epochs=10,25, not {text!r}.")
    try:
        return name, list(json.loads(f"[{values}]"))
    except ValueError:
        return name, [_value(one.strip()) for one in values.split(",")]


def fields_of(
    file: Mapping[str, Any], options: Mapping[str, Any], vary: Iterable[str]
) -> dict[str, Any]:
    """The fields of a study: those of its file, where no option says otherwise.

    Args:
        file: its fields.
        options: those that were given, as fields.
        vary: every ``--vary``.

    Raises:
        ConfigurationError: a setting is varied twice, or has an option and is varied.
    """
    pairs, own = [varied(one) for one in vary], file.get("vary") or {}
    counts = Counter(name for name, _ in pairs)
    wrong = [
        f"{name} is varied twice; give all its values in one --vary."
        for name, count in counts.items()
        if count > 1
    ]
    fields = {**file, **options}
    if isinstance(own, Mapping):  # what else it may be is told with all other mistakes
        fields |= {"vary": {**own, **dict(pairs)}} if pairs else {}
        wrong += [
            f"--{name.replace('_', '-')} is given, and {name} is varied as well; leave one out."
            for name in options
            if name in {*own, *counts}
        ]
    if wrong:
        raise ConfigurationError(" ".join(wrong))
    return fields


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def study(
    file: Annotated[Path | None, typer.Argument(help="YAML file with the same fields.")] = None,
    device: Device = "auto",
    jobs: Jobs = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=V1,V2",
            help="Values of a setting, each a run: learning_rate=1e-3,4e-3, an argument of the "
            "models that take it (target_active=4,8) or of one (vsc.target_active=4,8). "
            "Repeatable; every combination is run.",
        ),
    ] = None,
    engine: Engine = "local",
    address: Address = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            help="Do this run alone and write no report: one job of any scheduler. Repeatable.",
        ),
    ] = None,
    show_names: Annotated[
        bool, typer.Option("--names", help="Say what the runs are called, and end.")
    ] = False,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with finished runs to take over, with or without weights."),
    ] = None,
    plugin: Plugins = None,
    track: Track = None,
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = Path("study"),
    **values: Any,
) -> None:
    """Train every model at every size and seed, measure them, and write a report."""
    from sparsevae.cli.bars import following
    from sparsevae.studies.study import names_of, run_study
    from sparsevae.training.config import StudyConfig, read_yaml

    fields = fields_of(read_yaml(file) if file else {}, given(values), vary or ())
    config = StudyConfig.checked(fields)
    if show_names:
        typer.echo("\n".join(names_of(config)))
        return
    with following() as listener:
        try:
            done = run_study(
                config,
                out,
                device=device,
                jobs=jobs,
                reuse=reuse or (),
                plugins=plugin or (),
                engine_name=engine,
                address=address,
                only=only or (),
                track=names(track) or (),
                listener=listener,
            )
        except KeyboardInterrupt:
            raise typer.Exit(stopped()) from None
    if only:
        typer.echo("\n".join(f"Run: {run.path}" for run in done.runs))
    else:
        typer.echo(f"Report: {write_pages(out)}")


def taking(fields: list[inspect.Parameter]) -> Any:
    """The command with options for these fields, as a function that Typer reads."""

    def command(**given: Any) -> None:
        study(**given)

    file, *others = list(inspect.signature(study).parameters.values())[:-1]
    parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in (file, *fields, *others)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__doc__, command.__module__ = study.__doc__, __name__
    return command


class OfStudy(TyperCommand):
    """Takes options for a study's fields, which are made when somebody asks for them.

    They need the configuration, and with it libraries that no other command's help waits for.
    """

    complete = False

    def get_params(self, ctx: Any) -> Any:
        """All options."""
        if not self.complete:
            self.complete, alone = True, typer.Typer()
            alone.command()(taking(options()))
            made = typer.main.get_command(alone)
            self.params, self.callback = made.params, made.callback
        return super().get_params(ctx)


app.command("study", cls=OfStudy)(taking([]))


def write_pages(folder: Path) -> Path:
    """Assess the claims on a study, and write its report."""
    from sparsevae.experiments.claims import write_verdicts
    from sparsevae.report import write_report

    write_verdicts(folder)
    return write_report(folder)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(help="Folder of a study, or of several.")],
    out: Annotated[
        Path, typer.Option(help="Where the page goes that compares several studies.")
    ] = Path("comparison"),
    plugin: Plugins = None,
) -> None:
    """Write a study's tables, figures and report again, or compare several on one page."""
    from sparsevae.report import write_comparison
    from sparsevae.runs.folder import finished_runs
    from sparsevae.studies.results import write_results

    if len(folders) > 1:
        page = write_comparison(folders, out)
    else:
        write_results(folders[0], finished_runs(folders[0]))
        page = write_pages(folders[0])
    typer.echo(f"Report: {page}")


@app.command()
def figures(
    folder: Annotated[Path, typer.Argument(help="A run folder, or the folder of a study.")],
    dimensions: Annotated[str | None, typer.Option(help="Two that the grid moves: 3,7.")] = None,
    image: Annotated[
        str | None, typer.Option(help="What the others stay at: an example's number, or mean.")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Draw the pictures of finished runs again, as PNG and SVG, perhaps of other dimensions."""
    from sparsevae.report import draw
    from sparsevae.runs.folder import finished_runs

    chosen = numbers(dimensions, "--dimensions")
    if chosen is not None and len(chosen) != 2:
        raise ConfigurationError(
            f"--dimensions takes two numbers, such as 3,7, not {dimensions!r}."
        )
    if image not in (None, "mean") and not image.isdecimal():
        raise ConfigurationError(f"--image takes the number of an example or mean, not {image!r}.")
    base: int | Literal["mean"] | None = "mean"
    if image != "mean":
        base = None if image is None else int(image)
    for run in finished_runs(folder):
        for path in draw(run, chosen, base):
            typer.echo(path)


@app.command()
def measure(folders: Folders, device: Device = "auto", plugin: Plugins = None) -> None:
    """Measure finished runs again from their weights, with the present definitions."""
    from sparsevae.cli.bars import following
    from sparsevae.studies.remeasuring import measure_again

    with following() as listener:
        for folder in folders:
            if measure_again(folder, listener, device=device):
                write_pages(folder)


@app.command()
def bound(
    folders: Folders,
    samples: Annotated[int, typer.Option(help="Codes drawn for each image.", min=1)] = 5000,
    images: Annotated[int, typer.Option(help="The first so many test images.", min=1)] = 10_000,
    device: Device = "auto",
    plugin: Plugins = None,
) -> None:
    """Measure only the importance-weighted bound of finished runs, with more draws and images."""
    from sparsevae.cli.bars import following
    from sparsevae.studies.remeasuring import tighten_bounds

    with following() as listener:
        for folder in folders:
            if tighten_bounds(folder, listener, samples=samples, images=images, device=device):
                write_pages(folder)
