"""The command that searches settings."""

from pathlib import Path
from typing import Annotated

import typer

from sparsevae.cli.application import (
    Address,
    Device,
    Engine,
    Jobs,
    Plugins,
    Track,
    app,
    names,
    stopped,
)


@app.command()
def tune(
    file: Annotated[Path, typer.Argument(help="YAML: a study's fields, search, objectives.")],
    trials: Annotated[
        int, typer.Option(help="In all, those that are there included.", min=1)
    ] = 40,
    seed: Annotated[int, typer.Option(help="Of what is drawn.", min=0)] = 0,
    device: Device = "auto",
    jobs: Jobs = None,
    engine: Engine = "local",
    address: Address = None,
    track: Track = None,
    plugin: Plugins = None,
    out: Annotated[Path, typer.Option(help="Folder of the search.")] = Path("search"),
) -> None:
    """Search settings on validation data, and measure the best once on the test set."""
    from sparsevae.cli.bars import following
    from sparsevae.cli.studies import write_pages
    from sparsevae.report.search import write_search
    from sparsevae.studies.search.tune import tune as search
    from sparsevae.training.config import read_yaml

    fields = read_yaml(file)
    options = {"trials": trials, "seed": seed, "device": device, "jobs": jobs}
    options |= {"engine_name": engine, "address": address, "track": names(track) or ()}
    with following() as listener:
        try:
            done = search(fields, out, plugins=plugin or (), listener=listener, **options)  # type: ignore[arg-type]
        except KeyboardInterrupt:
            raise typer.Exit(stopped()) from None
    write_pages(done.best)
    for name, value in done.settings.items():
        typer.echo(f"{name}: {value}")
    typer.echo(f"Report of the best: {done.best / 'report.html'}")
    typer.echo(f"Search: {write_search(out)}")
