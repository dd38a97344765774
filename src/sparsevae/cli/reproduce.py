"""The command that runs published results again."""

from pathlib import Path
from typing import Annotated

import typer

from sparsevae.cli.application import Device, Jobs, app, numbers, stopped


@app.command()
def reproduce(
    name: Annotated[
        str, typer.Argument(help="Such as vsc-2019; docs/reproductions.md lists them.")
    ],
    dataset: Annotated[str | None, typer.Option(help="Only what runs on this one.")] = None,
    epochs: Annotated[int | None, typer.Option(help="In place of the reproduction's.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many images.")] = None,
    seeds: Annotated[str | None, typer.Option(help="One run each, such as 0,1,2.")] = None,
    device: Device = "auto",
    jobs: Jobs = None,
    out: Annotated[Path | None, typer.Option(help="Folder; the name when left out.")] = None,
) -> None:
    """Train a published experiment again and print our numbers beside the published ones."""
    from sparsevae.cli.bars import following
    from sparsevae.experiments import reproductions as library

    given = {"epochs": epochs, "limit": limit, "seeds": numbers(seeds, "--seeds")}
    settings = {key: value for key, value in given.items() if value is not None}
    chosen = library.reproduction(name, dataset, settings)
    with following() as listener:
        try:
            table = library.reproduce(
                chosen, out or Path(name), device=device, jobs=jobs, listener=listener
            )
        except KeyboardInterrupt:
            raise typer.Exit(stopped()) from None
    typer.echo(table.read_text(encoding="utf-8"))
    typer.echo(f"Table: {table}")
