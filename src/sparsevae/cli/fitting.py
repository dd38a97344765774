"""The command that trains a model on data of one's own."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsevae.cli.application import Device, Track, app, names, numbers, stopped

if TYPE_CHECKING:
    from sparsevae.runs.folder import RunFolder
    from sparsevae.runs.prepare import Prepared

Data = Annotated[
    str,
    typer.Argument(metavar="PATH", help=".npy, .npz, .csv, .parquet, IDX, folder of images, …"),
]
Columns = Annotated[
    str | None, typer.Option(help="A table's columns, by names or patterns: width,x*.")
]
Drop = Annotated[str | None, typer.Option(help="Columns that are left out: id,*_note.")]
Labels = Annotated[str | None, typer.Option(help="A table's column with classes.")]
Member = Annotated[str | None, typer.Option("--array", help="Which array of an .npz.")]
Channels = Annotated[str | None, typer.Option(help="Where images have channels: first or last.")]
Header = Annotated[bool | None, typer.Option(help="Whether a text starts with names.")]
Size = Annotated[
    int | None, typer.Option(help="Photographs of any size: scale, cut out so many pixels.")
]
ALARM = 3  # exit status of a run that ends in an alarm


@app.command()
def fit(
    path: Data,
    model: Annotated[str, typer.Option(help="ae, vae, vsc, vsc-wu, …")] = "vsc",
    latents: Annotated[int, typer.Option(help="Numbers a code.")] = 16,
    likelihood: Annotated[str, typer.Option(help="Of the data; auto looks at them.")] = "auto",
    scaling: Annotated[str, typer.Option(help="none, grey, minmax, standard or auto.")] = "auto",
    widths: Annotated[str | None, typer.Option(help="Of the network: 16,32,256.")] = None,
    trunk: Annotated[
        str | None, typer.Option(help="convolution, mlp or linear; chosen by the data.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a step.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Named set of defaults.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and noise.")] = 0,
    test_fraction: Annotated[float, typer.Option(help="Share of rows held out.")] = 0.1,
    columns: Columns = None,
    drop: Drop = None,
    labels: Labels = None,
    header: Header = None,
    array: Member = None,
    channels: Channels = None,
    size: Size = None,
    device: Device = "auto",
    track: Track = None,
    out: Annotated[Path, typer.Option(help="The run folder to write.")] = Path("run"),
) -> None:
    """Train a model on data of one's own; started again after a stop, it goes on.

    The last lines say how good it is beside PCA and what the diagnosis found. The exit status is
    0, 3 where the run ends in an alarm, or 2 for a mistake in what was asked.
    """
    from sparsevae.data.readers import read
    from sparsevae.runs.folder import RunFolder
    from sparsevae.runs.prepare import prepare
    from sparsevae.runs.summary import last_words, summary
    from sparsevae.training import loop, processes

    reading: dict[str, Any] = {
        "channels": channels,
        "columns": names(columns),
        "drop": names(drop),
        "labels": labels,
        "header": header,
        "array": array,
        "size": size,
    }
    with processes.joined(loop.device(device)):
        prepared = prepare(
            read(path, **reading),
            test_fraction=test_fraction,
            model=model,
            latents=latents,
            likelihood=likelihood,
            scaling=scaling,
            widths=numbers(widths, "--widths"),
            trunk=trunk,
            epochs=epochs,
            batch_size=batch_size,
            recipe=recipe,
            seed=seed,
        )
        for note in prepared.notes:
            typer.echo(note)
        pictures = train(prepared, RunFolder(out), device, names(track) or ())
        if not processes.first():
            return  # with status 0: torchrun would end the first one for any other
        run = RunFolder(out)
        for note in run.diagnosis.get("notes", ()):
            typer.echo(note)
        for figure in pictures:
            typer.echo(f"Picture: {figure}")
        typer.echo(f"Run: {out}")
        words, alarm = last_words(run)
        for line in (*summary(run), *words):
            typer.echo(line)
    if alarm:
        raise typer.Exit(ALARM)


def train(
    prepared: "Prepared", run: "RunFolder", device: str, track: Sequence[str] = ()
) -> list[Path]:
    """Train a run, draw its pictures, show how far it is; one that is finished is left as it is.

    Returns:
        The pictures.
    """
    from sparsevae.cli.bars import following
    from sparsevae.runs.cost import estimate
    from sparsevae.runs.train import train_prepared, work_of
    from sparsevae.studies.trackers.queue import tracking
    from sparsevae.training import processes

    if not processes.first():
        train_prepared(prepared, run, device=device)
        return []
    config, dataset, was_finished = prepared.config, prepared.dataset, run.finished
    if not was_finished:
        typer.echo(estimate(config, dataset, device).sentence)
    with (
        following() as listener,
        tracking(track, run.path, {config.name: run.path}, listener.say) as follower,
    ):
        if not was_finished:
            listener.begin({config.name: work_of(config, dataset)})
        try:
            train_prepared(
                prepared,
                run,
                device=device,
                progress=partial(listener.heard_by(follower).images, config.name),
                warn=listener.say,
            )
        except KeyboardInterrupt:
            raise typer.Exit(stopped()) from None
        if was_finished:
            listener.say(f"{run.path} is finished already.")
        else:
            listener.finished(config.name, run.metrics)
        return drawn(run)


def drawn(run: "RunFolder") -> list[Path]:
    """Draw the pictures of a run, and give those that are PNG files."""
    from sparsevae.report import draw

    return [path for path in draw(run) if path.suffix == ".png"]
