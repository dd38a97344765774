"""Commands that hand runs on: programs for other libraries, and the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from sparsevae.cli.application import Run, app


@app.command()
def export(
    run: Run,
    format: Annotated[str, typer.Option("--format", help="onnx or torch.")] = "onnx",
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("export"),
) -> None:
    """Write encoder and decoder as programs that need nothing of this library, and check them."""
    from sparsevae.runs.trained import TrainedModel

    for path in TrainedModel.load(run).export(out, format):
        typer.echo(path)


@app.command()
def push(
    run: Run,
    repository: Annotated[str, typer.Argument(metavar="NAME", help="Such as me/my-model.")],
    private: Annotated[bool, typer.Option("--private", help="Only for its owner.")] = False,
) -> None:
    """Upload a run and its model card to the Hugging Face Hub."""
    from sparsevae.runs.export.hub import push_to_hub

    typer.echo(f"Uploaded: {push_to_hub(run, repository, private=private)}")


@app.command()
def pull(
    repository: Annotated[str, typer.Argument(metavar="NAME", help="Such as me/my-model.")],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    revision: Annotated[str | None, typer.Option(help="A branch, tag or commit.")] = None,
) -> None:
    """Download a run from the Hugging Face Hub."""
    from sparsevae.runs.export.hub import from_pretrained

    typer.echo(f"Run: {from_pretrained(repository, out, revision=revision).path}")
