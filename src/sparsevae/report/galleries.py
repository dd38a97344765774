"""Which pictures a report shows, and what it says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparsevae.report import figures, tables
from sparsevae.report.cards import Card, Gallery, one_each, printed
from sparsevae.report.figures.grouping import model_title
from sparsevae.runs.folder import RunFolder

Runs = Sequence[RunFolder]
References = Mapping[str, Any]


def latent_spaces(runs: Runs, folder: Path, classes: Sequence[str]) -> Gallery:
    """Decoded grids and scattered codes, one run a model.

    Args:
        runs: of one latent size.
        folder: where PNG and SVG files go.
        classes: names of the classes; numbers when empty.
    """

    def draw(run: RunFolder) -> Card:
        figure = figures.latent_space(run, classes)
        arrays = run.pictures
        first, second = arrays["grid_dimensions"].tolist()
        costs = arrays["rises"][[first, second]]
        alternative = (
            f"{_name(run)}: images decoded over a grid of dimensions {first} and {second}, and "
            "the codes of test images in the same two dimensions, coloured by class."
        )
        lines = [
            f"Without its part of the code the reconstruction loses {costs[0]:.1f} nats an image "
            f"for dimension {first}, {costs[1]:.1f} for dimension {second}."
        ]
        if arrays["gated"]:
            off = 100 * (arrays["scatter"] == 0).mean(0)
            lines.append(f"They are off in {off[0]:.0f} % and {off[1]:.0f} % of the codes shown.")
        card = printed(figure, folder / f"{run.path.name}-latent-space.png", alternative)
        return replace(card, lines=tuple(lines))

    return Gallery(
        "Latent space",
        "Left, images decoded from a plane of codes while all other dimensions stay fixed; with "
        "spikes, the framed column and row are decoded with the spike off. Right, "
        "the codes of test images in that plane.",
        one_each(runs, draw),
    )


def activations(runs: Runs, folder: Path, classes: Sequence[str]) -> Gallery:
    """Mean activation of every dimension for every class, one run a model."""

    def draw(run: RunFolder) -> Card:
        figure = figures.activated_dimensions(run, classes)
        row = run.metrics
        alternative = (
            f"{_name(run)}: heat map of classes against latent dimensions, coloured by the mean "
            "code of the class; with spikes also by spike probability and posterior mean."
        )
        lines = [f"{row['used_dimensions']} of {row['latents']} dimensions used."]
        if run.pictures["gated"]:
            lines.append(
                f"{row['active_per_image']:.1f} active per image, {row['always_on']} always on, "
                f"{row['dead']} dead. Selectivity {row['selectivity']:.2f}; with permuted labels "
                f"{row['selectivity_permuted']:.2f}."
            )
        card = printed(figure, folder / f"{run.path.name}-activated-dimensions.png", alternative)
        return replace(card, lines=tuple(lines))

    return Gallery(
        "Activated dimensions",
        "Means over the test images of each class. A dimension with a grey number is not used by "
        "the decoder. Of more than 16 dimensions those in use come first, grouped by the class "
        "with the largest entry.",
        one_each(runs, draw),
    )


def reconstructions(runs: Runs, folder: Path, references: References) -> Gallery:
    """Clean and noisy images and what the models make of them, one run a model."""

    def draw(run: RunFolder) -> Card:
        figure = figures.reconstructions(run, references)
        alternative = (
            f"{_name(run)}: rows of test images, clean and with noise of growing strength, each "
            "above its reconstruction, with mean squared error and PSNR at the right."
        )
        card = printed(figure, folder / f"{run.path.name}-reconstructions.png", alternative)
        return replace(card, numbers=tables.noise(run.metrics, references))

    return Gallery(
        "Reconstruction of clean and noisy images",
        "Beside a picture, errors on the images shown: a noisy row carries what doing nothing "
        "scores, and PCA-50 is scored on the same images. Below it, errors on all test images. "
        "The noise is not clipped, its picture is.",
        one_each(runs, draw),
    )


def comparisons(runs: Runs, folder: Path, references: References) -> tuple[Gallery, ...]:
    """Quality against latent size and noise, and training curves, all runs in each."""
    rows = [run.metrics for run in runs]
    names = ", ".join(dict.fromkeys(model_title(row["model"]) for row in rows))
    seeds = "Mean over seeds, with 95 % intervals as bars where there are several."
    latents = printed(
        figures.quality_against_latents(rows),
        folder / "quality-against-latents.png",
        f"Small panels with −ELBO, MSE, used and active dimensions and what classifiers make of "
        f"the codes of {names} against the latent size.",
    )
    noise = printed(
        figures.quality_against_noise(rows, references),
        folder / "quality-against-noise.png",
        f"MSE to the clean image of {names} against the strength of the noise, one panel a "
        "latent size, trivial denoisers in grey.",
    )
    return (
        Gallery("Quality against latent size", seeds, (latents,)),
        Gallery("Quality against noise", f"{seeds} The noise is not clipped.", (noise,)),
        _training(runs, folder, names),
    )


def _training(runs: Runs, folder: Path, names: str) -> Gallery:
    recorded = [run for run in runs if (run.path / "history.json").is_file()]
    about = "Means over each epoch, one line a run; a term that a model lacks is not drawn."
    if len(recorded) < len(runs):
        about += f" {len(runs) - len(recorded)} of {len(runs)} runs keep no history."
    if not recorded:
        return Gallery("Training", about, ())
    card = printed(
        figures.training_curves(recorded),
        folder / "training-curves.png",
        f"The terms of the loss of {names} over the epochs, one row of panels a latent size.",
    )
    return Gallery("Training", about, (card,))


def _name(run: RunFolder) -> str:
    config = run.config
    return f"{model_title(config.model)} with {config.latents} latent dimensions"
