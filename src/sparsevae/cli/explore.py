"""The command that opens trained models in the browser."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from sparsevae.cli.application import app


@app.command()
def explore(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR|RUN…", help="A study, or runs of the same data.")
    ],
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
    static: Annotated[
        Path | None,
        typer.Option(help="Write one HTML file that works without Python, in place of serving."),
    ] = None,
) -> None:
    """Open trained models in the browser: move codes, see what every dimension stands for."""
    from sparsevae.explorer.backend import Study
    from sparsevae.runs.export import require

    if static is not None:
        from sparsevae.explorer.static import write_static

        require(("onnx", "onnxscript", "onnxruntime"), "The single file")
        typer.echo(f"Explorer: {write_static(folders, static)}")
        return
    require(("starlette", "uvicorn"), "sparsevae explore")
    from sparsevae.explorer.server import serve

    def ready(address: str) -> None:
        typer.echo(f"Explorer: {address}")
        typer.echo("It runs until you press Ctrl+C here.")
        if not no_browser:
            webbrowser.open(address)

    serve(Study(folders), port, ready)
