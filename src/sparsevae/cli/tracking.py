"""The command that sends finished runs to trackers."""

from pathlib import Path
from typing import Annotated

import typer

from sparsevae.cli.application import app, names


@app.command()
def track(
    folders: Annotated[list[Path], typer.Argument(help="Run folders, or folders of studies.")],
    to: Annotated[str, typer.Option(help="tensorboard, mlflow, wandb, with commas between.")],
) -> None:
    """Send what finished runs hold to trackers; what they have already is not sent again."""
    from sparsevae.errors import OutputError
    from sparsevae.studies.trackers.queue import send_finished

    for folder in folders:
        count, failed = send_finished(folder, names(to) or (), typer.echo)
        if failed:
            raise OutputError(f"{folder} was not sent whole to {', '.join(failed)}, see above.")
        typer.echo(f"{count} finished run{'s' * (count != 1)} of {folder} sent to {to}.")
