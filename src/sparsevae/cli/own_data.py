"""Commands that use a run: on data of one's own, and on its codes."""

import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsevae.cli.application import Device, Run, app, numbers
from sparsevae.cli.fitting import Channels, Data, Labels, Member

if TYPE_CHECKING:
    from sparsevae.data import Raw
    from sparsevae.runs.trained import TrainedModel

Refine = Annotated[int, typer.Option(min=0, help="Gradient steps on each row's posterior.")]
Floats = Annotated[
    bool, typer.Option("--floats", help="Numbers as decoded, not rounded to the data's type.")
]
TABLES = (".csv", ".tsv", ".parquet")
RowsFile = Annotated[Path, typer.Option(help="rows.npy; a table also .csv, images .png.")]


def read_for(trained: "TrainedModel", path: str, **options: Any) -> "Raw":
    """Rows for a model, one or more: of a table with names, the columns it was trained on.

    What the reader says of them is printed.
    """
    from sparsevae.data.readers import read

    if Path(path).suffix.lower() in TABLES:
        if trained.data.table is not None:
            options["schema"] = trained.data.table
        elif trained.data.columns:
            options["columns"] = list(trained.data.columns)
        options["numbers"] = trained.data.table is None
    if Path(path).is_dir():
        options |= {"size": trained.data.size, "colour": trained.model.shape[0] == 3 or None}
    rows = read(path, fewest=1, **options)
    for note in rows.notes:
        typer.echo(note)
    return rows


@app.command()
def encode(
    run: Run,
    path: Data,
    out: Annotated[Path, typer.Option(help="codes.npy, .csv, or .npz (sparse).")],
    refine: Refine = 0,
    array: Member = None,
    channels: Channels = None,
    device: Device = "auto",
) -> None:
    """Write the deterministic code of every row."""
    from dataclasses import replace

    from sparsevae.runs.codes import CODE_WRITERS, check_place, write_codes

    trained = replace(load(run, device), refine=refine)
    check_place(out, CODE_WRITERS)
    codes = trained.encode(read_for(trained, path, array=array, channels=channels))
    write_codes(out, codes)
    typer.echo(f"{len(codes):,} codes of {codes.shape[1]} numbers, {(codes == 0).mean():.0%} 0.")


@app.command()
def decode(
    run: Run,
    codes: Annotated[Path, typer.Argument(help=".npy, .csv, or .npz of scipy.sparse.")],
    out: RowsFile,
    floats: Floats = False,
    device: Device = "auto",
) -> None:
    """Write the mean row of every code, in the data's own units."""
    from sparsevae.runs.codes import read_codes

    trained = load(run, device, out, floats)
    model = trained.model
    dense, notes = read_codes(codes, model.latents, math.prod(model.shape))
    for note in notes:
        typer.echo(note)
    rows = trained.decode(dense, own_type=not floats)
    keep_rows(out, rows, trained, floats)


@app.command()
def reconstruct(
    run: Run,
    path: Data,
    out: RowsFile,
    floats: Floats = False,
    array: Member = None,
    channels: Channels = None,
    device: Device = "auto",
) -> None:
    """Write what is left of every row after its code, in the data's own units."""
    trained = load(run, device, out, floats)
    rows = read_for(trained, path, array=array, channels=channels)
    keep_rows(out, trained.reconstruct(rows, own_type=not floats), trained, floats)


@app.command()
def denoise(
    run: Run,
    path: Data,
    out: RowsFile,
    sigma: Annotated[
        float | None, typer.Option(help="Of the noise, in the data's units; else estimated.")
    ] = None,
    salt_and_pepper: Annotated[
        float, typer.Option(help="In place of it, the share of elements that are black or white.")
    ] = 0.0,
    clean: Annotated[
        str | None, typer.Option(help="Clean rows, for a model that keeps no residuals.")
    ] = None,
    floats: Floats = False,
    array: Member = None,
    channels: Channels = None,
    device: Device = "auto",
) -> None:
    """Write every row without its noise."""
    trained = load(run, device, out)
    rows = read_for(trained, path, array=array, channels=channels)
    if clean is not None:
        trained = trained.with_clean(read_for(trained, clean, channels=channels))
    damage = {"salt_and_pepper": salt_and_pepper} if salt_and_pepper else {}
    keep_rows(out, trained.denoise(rows, sigma, own_type=not floats, **damage), trained)


@app.command()
def sample(
    run: Run,
    out: RowsFile,
    count: Annotated[int, typer.Option(help="How many rows.")] = 64,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    mean: Annotated[
        bool, typer.Option("--mean", help="The mean of p(x|z) in place of a draw from it.")
    ] = False,
    floats: Floats = False,
    device: Device = "auto",
) -> None:
    """Write new rows: codes drawn from the prior, decoded."""
    trained = load(run, device, out, floats)
    rows = trained.sample(count, seed, noise=not mean, own_type=not floats)
    keep_rows(out, rows, trained, floats)


def load(
    run: Path, device: str, rows_to: Path | None = None, floats: bool = False
) -> "TrainedModel":
    """A trained model, when rows of its data, or their elements, can be written to a place."""
    from sparsevae.runs.codes import check_rows_place
    from sparsevae.runs.trained import TrainedModel

    trained = TrainedModel.load(run, device)
    if rows_to is not None:
        check_rows_place(rows_to, trained.model.shape, None if floats else trained.data.table)
    return trained


def keep_rows(out: Path, rows: Any, trained: "TrainedModel", floats: bool = False) -> None:
    """Write rows that a model gave, and say how many and of what shape they are."""
    from sparsevae.runs.codes import write_rows

    write_rows(out, rows, trained.data, elements=floats)
    typer.echo(f"{len(rows):,} rows of shape {rows.shape[1:]}.")


@app.command()
def impute(
    run: Run,
    path: Annotated[str, typer.Argument(metavar="TABLE", help=".csv, .tsv or .parquet.")],
    out: Annotated[Path, typer.Option(help="filled.csv or .parquet.")],
    device: Device = "auto",
) -> None:
    """Fill the gaps of a table with what the model expects there; all else stays as it is."""
    from sparsevae.data.readers.mixed import read_frame
    from sparsevae.data.readers.written import as_written
    from sparsevae.runs.codes import FRAME_ENDINGS, check_place, write_frame

    trained = load(run, device)
    check_place(out, FRAME_ENDINGS)
    table = trained.data.table
    frame, notes = read_frame(path, table)
    for note in notes:
        typer.echo(note)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the notes have said it
        filled = trained.impute(frame)
    count = int(frame.isna().to_numpy().sum() - filled.isna().to_numpy().sum())
    if table is not None and out.suffix.lower() == ".csv":
        filled = as_written(path, frame, filled, table)
    write_frame(out, filled)
    typer.echo(f"{len(filled):,} rows, {count:,} gaps filled.")


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
    refine: Refine = 0,
    array: Member = None,
    channels: Channels = None,
    device: Device = "auto",
) -> None:
    """Measure a model on other rows."""
    from dataclasses import replace

    from sparsevae.cli.bars import working
    from sparsevae.runs.codes import check_place
    from sparsevae.storage.files import make_folder, write_json

    trained = replace(load(run, device), refine=refine)
    if out is not None:
        check_place(out, (".json",))
    rows = read_for(trained, path, labels=labels, array=array, channels=channels)
    with working("measuring") as share:
        found = trained.evaluate(rows, progress=share)
    row = found.metrics
    for note in found.notes:
        typer.echo(note)
    for name, value in row.items():
        if value is not None:
            typer.echo(f"{name:32} {value:.6g}")
    if out is not None:
        make_folder(out.parent)
        write_json(out, row)
