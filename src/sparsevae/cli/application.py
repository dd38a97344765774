"""What the commands share: the application, lists as options, and how it stops."""

import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from sparsevae._version import __version__
from sparsevae.errors import ConfigurationError, SparseVAEError

TRAINING = ("fit",)  # commands that train in this process
PUBLISHED = "sparsevae.experiments.published"  # its models are rows for runs made again
HELP = "Imported first, here and in workers; may add models. Repeatable."

app = typer.Typer(
    help="Train, measure, see and use sparse latent codes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, …")]
Jobs = Annotated[
    int | None, typer.Option(help="Runs at a time; as many as there is room for.", min=1)
]
Engine = Annotated[
    str, typer.Option(help="Where runs are done: local, ray (a cluster) or slurm (array jobs).")
]
Address = Annotated[
    str | None,
    typer.Option(help="Of the cluster: auto or HOST:PORT for ray, a partition for slurm."),
]
Track = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Trackers that hear of every epoch: tensorboard,mlflow."),
]


def say_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        typer.echo(f"sparsevae {__version__}")
        raise typer.Exit


def load_plugins(context: typer.Context, plugins: list[str] | None) -> list[str]:
    """Import modules that add rows to the tables: published faults, and what the user names.

    Returns:
        Their names, for the workers.
    """
    from sparsevae.studies.plugins import import_plugins

    modules = [PUBLISHED, *(context.obj or ()), *(plugins or ())]
    import_plugins(modules)
    return modules


Plugins = Annotated[
    list[str] | None, typer.Option("--plugin", metavar="FILE.py", help=HELP, callback=load_plugins)
]


@app.callback()
def prepare(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=say_version, is_eager=True, help="Say which it is."),
    ] = False,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", metavar="FILE.py", help=HELP)
    ] = None,
) -> None:
    """Train, measure, see and use sparse latent codes."""
    if plugin:
        from sparsevae.studies.plugins import import_plugins

        import_plugins(plugin)
        context.obj = plugin
    if context.invoked_subcommand in TRAINING and "--help" not in sys.argv:
        from sparsevae.training import loop

        loop.prepare_process()


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


class Terminated(KeyboardInterrupt):
    """A scheduler, a container or `kill` asks the command to end: it does as on an interrupt."""


def stopped() -> int:
    """Say how to go on after an interrupt, and give the exit status that shells know it by."""
    typer.echo(
        "Stopped. Finished runs are kept; start the same command again and it goes on from "
        "the last finished epoch.",
        err=True,
    )
    return 143 if isinstance(sys.exception(), Terminated) else 130


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def main() -> None:
    """Entry point: a user's mistake is one sentence and exit status 2."""
    # Workers are ended without it too.
    warnings.filterwarnings("ignore", "Failed to kill subprocesses", UserWarning)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except SparseVAEError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(stopped())
