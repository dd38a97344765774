"""What the commands share: the application, lists as options, and how it stops."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sparsevae.errors import ConfigurationError, SparseVAEError

app = typer.Typer(
    help="Train, measure, see and use sparse latent codes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.")]


def names(text: str | None) -> list[str] | None:
    """A comma-separated option as a list."""
    return None if text is None else [item.strip() for item in text.split(",")]


def numbers(text: str | None, option: str) -> list[int] | None:
    """A comma-separated option as a list of whole numbers.

    Raises:
        ConfigurationError: an item is not a whole number.
    """
    try:
        return None if text is None else [int(item) for item in text.split(",")]
    except ValueError:
        raise ConfigurationError(
            f"{option} takes whole numbers with commas between them, not {text!r}."
        ) from None


def stopped() -> int:
    """Say how to go on after an interrupt, and give the exit status that shells know it by."""
    typer.echo(
        "Stopped. Finished runs are kept; start the same command again and it goes on from "
        "the last finished epoch.",
        err=True,
    )
    return 130


def main() -> None:
    """Entry point: a user's mistake is one sentence and exit status 2."""
    try:
        app()
    except SparseVAEError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(stopped())
