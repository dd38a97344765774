"""Commands about studies: run one, measure, report or draw what it trained again."""

from pathlib import Path
from typing import Annotated

import typer

from sparsevae.cli.application import app, names, numbers, stopped
from sparsevae.errors import ConfigurationError


@app.command()
def study(
    file: Annotated[Path | None, typer.Argument(help="YAML file with the same fields.")] = None,
    dataset: Annotated[str | None, typer.Option(help="mnist, fashion-mnist, mnist-5k, …")] = None,
    models: Annotated[str | None, typer.Option(help="Such as ae,vae,vsc,vsc-wu.")] = None,
    latents: Annotated[str | None, typer.Option(help="Latent sizes, such as 2,64.")] = None,
    seeds: Annotated[str | None, typer.Option(help="One run each, such as 0,1,2.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Overrides the recipe's.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Share of images a spike is on.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Named set of defaults.")] = None,
    trunk: Annotated[str | None, typer.Option(help="convolution or mlp.")] = None,
    widths: Annotated[str | None, typer.Option(help="Of its layers, such as 16,32,256.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, tf32 or bf16.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first so many images.")] = None,
    split: Annotated[str | None, typer.Option(help="test or validation.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
    jobs: Annotated[int | None, typer.Option(help="Runs at a time.", min=1)] = None,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with finished runs to take over, with or without weights."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = Path("study"),
) -> None:
    """Train every model at every size and seed, measure them, and write a report."""
    from sparsevae.cli.progress import following
    from sparsevae.experiments import published
    from sparsevae.studies.study import run_study
    from sparsevae.training.config import StudyConfig, read_yaml

    given = {
        "dataset": dataset,
        "models": names(models),
        "latents": numbers(latents, "--latents"),
        "seeds": numbers(seeds, "--seeds"),
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "alpha": alpha,
        "recipe": recipe,
        "trunk": trunk,
        "widths": numbers(widths, "--widths"),
        "precision": precision,
        "limit": limit,
        "split": split,
    }
    options = {name: value for name, value in given.items() if value is not None}
    reuse = reuse or []
    config = StudyConfig.checked({**(read_yaml(file) if file else {}), **options})
    with following() as listener:
        try:
            page = run_study(
                config,
                out,
                device=device,
                jobs=jobs,
                reuse=reuse,
                listener=listener,
                plugins=(published.__name__,),
            )
        except KeyboardInterrupt:
            raise typer.Exit(stopped()) from None
    typer.echo(f"Report: {page}")


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(help="Folder of a study, or of several.")],
    out: Annotated[
        Path, typer.Option(help="Where the page goes that compares several studies.")
    ] = Path("comparison"),
) -> None:
    """Write a study's tables, figures and report again, or compare several on one page."""
    from sparsevae.studies.results import write_comparison, write_report

    several = len(folders) > 1
    page = write_comparison(folders, out) if several else write_report(folders[0])
    typer.echo(f"Report: {page}")


@app.command()
def figures(
    folder: Annotated[Path, typer.Argument(help="A run folder, or the folder of a study.")],
    dimensions: Annotated[str | None, typer.Option(help="Two that the grid moves: 3,7.")] = None,
    image: Annotated[
        str | None, typer.Option(help="What the others stay at: an example's number, or mean.")
    ] = None,
) -> None:
    """Draw the pictures of finished runs again, as PNG and SVG, perhaps of other dimensions."""
    from sparsevae.studies.results import draw, finished_runs

    moved = numbers(dimensions, "--dimensions")
    if moved is not None and len(moved) != 2:
        raise ConfigurationError(
            f"--dimensions takes two numbers, such as 3,7, not {dimensions!r}."
        )
    if image not in (None, "mean") and not str(image).isdigit():
        raise ConfigurationError(f"--image takes the number of an example or mean, not {image!r}.")
    for run in finished_runs(folder):
        if moved is not None or image is not None:
            from sparsevae.report.grids import move_grid

            base = None if image == "mean" else int(image or 0)
            move_grid(run, (moved[0], moved[1]) if moved else None, base)
        for path in draw(run):
            typer.echo(path)


@app.command()
def measure(
    folders: Annotated[list[Path], typer.Argument(help="Run folders, or folders of studies.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
) -> None:
    """Measure finished runs again from their weights, with the present definitions."""
    import sparsevae.experiments.published  # noqa: F401 (its rows of the tables)
    from sparsevae.cli.progress import following
    from sparsevae.studies.remeasuring import measure_again

    with following() as listener:
        for folder in folders:
            measure_again(folder, listener, device=device)


@app.command()
def bound(
    folders: Annotated[list[Path], typer.Argument(help="Run folders, or folders of studies.")],
    samples: Annotated[int, typer.Option(help="Codes drawn for each image.", min=1)] = 5000,
    images: Annotated[int, typer.Option(help="The first so many test images.", min=1)] = 10_000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, …")] = "auto",
) -> None:
    """Measure only the importance-weighted bound of finished runs, with more draws and images."""
    import sparsevae.experiments.published  # noqa: F401 (its rows of the tables)
    from sparsevae.cli.progress import following
    from sparsevae.studies.remeasuring import tighten_bounds

    with following() as listener:
        for folder in folders:
            tighten_bounds(folder, listener, samples=samples, images=images, device=device)
