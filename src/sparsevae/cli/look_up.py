"""Commands that say what there is: models and data sets."""

import inspect

import typer

from sparsevae.cli.application import Plugins, app


@app.command()
def models(plugin: Plugins = None) -> None:
    """List the models: source, whether the loss is a bound on log p(x), arguments."""
    from sparsevae.models import MODELS

    for name, row in MODELS.items():
        summary = (inspect.getdoc(row.model) or "").split("\n")[0]
        typer.echo(f"{name} ({row.title}, {row.model.__name__}): {summary}")
        bound = "a bound" if row.has_bound() else "no bound"
        typer.echo(f"    {bound}{f'; after {row.source}' if row.source else ''}")
        typer.echo(f"    arguments: {', '.join(row.accepts()) or 'none'}")


@app.command()
def datasets() -> None:
    """List the data sets that a study knows by name."""
    from sparsevae import data

    for known in data.catalogue():
        size = f"{known.train:,} + {known.test:,} images of {' x '.join(map(str, known.shape))}"
        place = "here" if known.at_hand else "to be downloaded"
        typer.echo(f"{known.name}: {known.title}, {size}, {place}")
        typer.echo(f"    {known.source}; licence: {known.licence}")
