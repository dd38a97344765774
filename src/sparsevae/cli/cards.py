"""The command that writes a page of what every dimension stands for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsevae.cli.application import Device, Run, app

if TYPE_CHECKING:
    from sparsevae.data import Raw
    from sparsevae.runs.trained import TrainedModel


@app.command()
def cards(
    run: Run,
    data: Annotated[
        str | None, typer.Option(help="Rows to show it on; those it was fitted to by default.")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(help="A line a row: .txt, or the first column of a .csv.")
    ] = None,
    labels: Annotated[str | None, typer.Option(help="As for fit.")] = None,
    out: Annotated[Path, typer.Option(help="The first page, .html.")] = Path("cards.html"),
    device: Device = "auto",
) -> None:
    """Write a page of what every dimension stands for: top rows, values, classes, partners."""
    from sparsevae.report.cards import write_cards
    from sparsevae.runs.codes import check_place
    from sparsevae.runs.trained import TrainedModel

    check_place(out, (".html",))
    trained = TrainedModel.load(run, device)
    pages = write_cards(trained, rows_of(trained, data, labels), out, captions)
    further = f" and {len(pages) - 1} more pages beside it" if len(pages) > 1 else ""
    typer.echo(f"Cards: {pages[0]}{further}")


def rows_of(trained: "TrainedModel", path: str | None, labels: str | None) -> "Raw":
    """The rows at a path, else of the data set that a model was trained on.

    Raises:
        ConfigurationError: it was fitted to rows that are in no file.
        DatasetError: the data cannot be read.
    """
    from sparsevae.cli.own_data import read_for
    from sparsevae.data import load, names
    from sparsevae.errors import ConfigurationError
    from sparsevae.runs.given import SOURCE, raw_rows

    source = trained.data.source
    if path is None and source in names():
        dataset = load(source)
        test = dataset.test
        kinds = test.labels if test.labels is None else [dataset.classes[c] for c in test.labels]
        return raw_rows(test.images, kinds, channels="first")
    if path is None and source == SOURCE:
        raise ConfigurationError(
            f"{trained.name} was fitted to rows that are in no file; name some with --data."
        )
    return read_for(trained, path or source, labels=labels)
