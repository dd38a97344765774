"""Commands about data of one's own: fit a model to them, and use a run on them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsevae.cli.application import Run, app, names, numbers, stopped

if TYPE_CHECKING:
    import numpy.typing as npt

    from sparsevae.data import Raw
    from sparsevae.runs.folder import RunFolder
    from sparsevae.runs.prepare import Prepared
    from sparsevae.runs.trained import OpenRun

Data = Annotated[
    str,
    typer.Argument(metavar="PATH", help=".npy, .npz, .csv, .parquet, IDX, folder of images, …"),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]
Columns = Annotated[str | None, typer.Option(help="A table's columns, such as width,height.")]
Labels = Annotated[str | None, typer.Option(help="A table's column with classes.")]
Array = Annotated[str | None, typer.Option(help="Which array of an .npz.")]
Channels = Annotated[str | None, typer.Option(help="Where images have channels: first or last.")]
Floats = Annotated[
    bool, typer.Option("--floats", help="Numbers as decoded, not rounded to the data's type.")
]


def read(
    path: str,
    columns: str | list[str] | None = None,
    labels: str | None = None,
    array: str | None = None,
    channels: str | None = None,
    fewest: int = 2,
) -> "Raw":
    """What a path holds, by the options of the commands.

    Raises:
        ConfigurationError: ``channels`` is neither first nor last.
        DatasetError: the data cannot be read.
    """
    from sparsevae.data import readers
    from sparsevae.errors import ConfigurationError

    if channels not in (None, "first", "last"):
        raise ConfigurationError(f"--channels is first or last, not {channels!r}.")
    chosen = names(columns) if isinstance(columns, str) else columns
    return readers.read(
        path,
        columns=chosen,
        labels=labels,
        array=array,
        channels=channels,  # type: ignore[arg-type] # compared above
        fewest=fewest,
    )


def read_for(run: "OpenRun", path: str, **options: Any) -> "Raw":
    """Rows for a run, one or more: of a table with names, the columns that it was trained on."""
    ending = Path(path).suffix.lower()
    if run.data.columns and ending in (".csv", ".tsv", ".parquet"):
        options["columns"] = list(run.data.columns)
    return read(path, fewest=1, **options)


@app.command()
def fit(
    path: Data,
    model: Annotated[str, typer.Option(help="ae, vae, vsc, vsc-wu, …")] = "vsc",
    latents: Annotated[int, typer.Option(help="Numbers a code.")] = 16,
    likelihood: Annotated[str, typer.Option(help="Of the data; auto looks at them.")] = "auto",
    scaling: Annotated[str, typer.Option(help="none, grey, minmax, standard or auto.")] = "auto",
    widths: Annotated[str | None, typer.Option(help="Of the network: 16,32,256.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a step.")] = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and noise.")] = 0,
    test_fraction: Annotated[float, typer.Option(help="Share of rows held out.")] = 0.1,
    columns: Columns = None,
    labels: Labels = None,
    array: Array = None,
    channels: Channels = None,
    device: Device = "auto",
    out: Annotated[Path, typer.Option(help="The run folder to write.")] = Path("run"),
) -> None:
    """Train a model on data of one's own; started again after a stop, it goes on."""
    from sparsevae.runs.folder import RunFolder
    from sparsevae.runs.prepare import prepare
    from sparsevae.training import loop

    loop.device(device)
    wide = numbers(widths, "--widths")
    prepared = prepare(
        read(path, columns, labels, array, channels),
        model=model,
        latents=latents,
        likelihood=likelihood,
        scaling=scaling,  # type: ignore[arg-type] # a wrong one is refused there
        widths=None if wide is None else tuple(wide),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        test_fraction=test_fraction,
    )
    for sentence in prepared.told:
        typer.echo(sentence)
    run = RunFolder(out)
    train(prepared, run, device)
    for figure in drawn(run):
        typer.echo(f"Picture: {figure}")
    typer.echo(f"Run: {out}")


def train(prepared: "Prepared", run: "RunFolder", device: str) -> None:
    """Train a run and show how far it is; one that is finished is left as it is."""
    from sparsevae.cli.bars import following
    from sparsevae.runs.train import train_run
    from sparsevae.training import loop

    config = prepared.config
    with following() as listener:
        if run.finished:
            run.start(config, prepared.dataset.sha256, prepared.dataset.shape, prepared.data)
            listener.say(f"{run.path} is finished already.")
            return
        listener.begin({config.name: config.epochs * len(prepared.dataset.train)})
        loop.prepare_process()
        try:
            train_run(
                config,
                prepared.dataset,
                run,
                data=prepared.data,
                device=device,
                progress=lambda rows: listener.images(config.name, rows),
                warn=listener.say,
            )
        except KeyboardInterrupt:
            raise typer.Exit(stopped()) from None
        listener.finished(config.name, run.metrics)


def drawn(run: "RunFolder") -> list[Path]:
    """Draw the pictures of a run, and give those that are PNG files."""
    from sparsevae.report import draw

    return [path for path in draw(run) if path.suffix == ".png"]


@app.command()
def encode(
    run: Run,
    path: Data,
    out: Annotated[Path, typer.Option(help="codes.npy, .csv, or .npz (sparse).")],
    array: Array = None,
    channels: Channels = None,
    device: Device = "auto",
) -> None:
    """Write the deterministic code of every row."""
    from sparsevae.runs.codes import check_codes_place, write_codes
    from sparsevae.runs.trained import OpenRun

    opened = OpenRun.open(run, device)
    check_codes_place(out)
    codes = opened.encode(opened.check(read_for(opened, path, array=array, channels=channels)))
    write_codes(out, codes)
    typer.echo(f"{len(codes):,} codes of {codes.shape[1]} numbers, {(codes == 0).mean():.0%} 0.")


def keep_rows(out: Path, rows: "npt.NDArray[Any]", run: "OpenRun") -> None:
    """Write rows that a run gave, and say how many and of what shape they are."""
    from sparsevae.runs.codes import write_rows

    write_rows(out, rows, run.data)
    typer.echo(f"{len(rows):,} rows of shape {rows.shape[1:]}.")


@app.command()
def decode(
    run: Run,
    codes: Annotated[Path, typer.Argument(help=".npy, .csv, or .npz of scipy.sparse.")],
    out: Annotated[Path, typer.Option(help="rows.npy; a table also .csv, images .png.")],
    floats: Floats = False,
    device: Device = "auto",
) -> None:
    """Write the mean row of every code, in the data's own units."""
    from sparsevae.runs.codes import check_rows_place, read_codes
    from sparsevae.runs.trained import OpenRun

    opened = OpenRun.open(run, device)
    check_rows_place(out, opened.model.shape)
    rows = opened.decode(read_codes(codes, opened.model.latents), own_type=not floats)
    keep_rows(out, rows, opened)


@app.command()
def reconstruct(
    run: Run,
    path: Data,
    out: Annotated[Path, typer.Option(help="rows.npy; a table also .csv, images .png.")],
    floats: Floats = False,
    array: Array = None,
    channels: Channels = None,
    device: Device = "auto",
) -> None:
    """Write what is left of every row after its code, in the data's own units."""
    from sparsevae.runs.codes import check_rows_place
    from sparsevae.runs.trained import OpenRun

    opened = OpenRun.open(run, device)
    check_rows_place(out, opened.model.shape)
    rows = opened.check(read_for(opened, path, array=array, channels=channels))
    restored = opened.decode(opened.encode(rows), own_type=not floats)
    keep_rows(out, restored, opened)


@app.command()
def sample(
    run: Run,
    out: Annotated[Path, typer.Option(help="rows.npy; a table also .csv, images .png.")],
    count: Annotated[int, typer.Option(help="How many rows.")] = 64,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    mean: Annotated[
        bool, typer.Option("--mean", help="The mean of p(x|z) in place of a draw from it.")
    ] = False,
    floats: Floats = False,
    device: Device = "auto",
) -> None:
    """Write new rows: codes drawn from the prior, decoded."""
    from sparsevae.runs.codes import check_rows_place
    from sparsevae.runs.trained import OpenRun

    opened = OpenRun.open(run, device)
    check_rows_place(out, opened.model.shape)
    rows = opened.sample(count, seed, noise=not mean, own_type=not floats)
    keep_rows(out, rows, opened)


@app.command()
def traverse(
    run: Run,
    out: Annotated[Path, typer.Option(help="A .png or .svg.")],
    dimensions: Annotated[str | None, typer.Option(help="Such as 3,7; the most used.")] = None,
) -> None:
    """Draw what each dimension does to the images, or to the columns of a table."""
    from sparsevae import report
    from sparsevae.runs.codes import check_place

    check_place(out, (".png", ".svg"))
    sheet = report.traverse(run, numbers(dimensions, "--dimensions"))
    typer.echo(f"Picture: {report.figures.save(sheet, out)}")


@app.command()
def evaluate(
    run: Run,
    path: Data,
    labels: Labels = None,
    out: Annotated[Path | None, typer.Option(help="Write the numbers to this .json.")] = None,
    array: Array = None,
    channels: Channels = None,
    device: Device = "auto",
) -> None:
    """Measure a model on other rows."""
    from sparsevae.evaluation import evaluate_dataset
    from sparsevae.runs.codes import check_place
    from sparsevae.runs.trained import OpenRun
    from sparsevae.storage.files import write_json

    opened = OpenRun.open(run, device)
    if out is not None:
        check_place(out, (".json",))
    raw = read_for(opened, path, labels=labels, array=array, channels=channels)
    row = evaluate_dataset(opened.model, opened.measurable(raw)).metrics
    for name, value in row.items():
        if value is not None:
            typer.echo(f"{name:32} {value:.6g}")
    if out is not None:
        write_json(out, row)
