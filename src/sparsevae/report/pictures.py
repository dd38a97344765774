"""Which pictures a page has, what it says of them, and what each shows in words."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sparsevae.errors import RunFolderError
from sparsevae.metrics import keys
from sparsevae.report import figures, tables
from sparsevae.report.study import COST, Run, Study, model_title
from sparsevae.storage.files import write_text

PIXELS = 84  # on the screen for an inch of a figure, so that its small print stays readable


@dataclass(frozen=True)
class Card:
    """One picture with what stands around it.

    Attributes:
        title: over it; none when empty.
        flag: what a reader must know of the run.
        alternative: what it shows, in words.
        lines: sentences under it.
        numbers: a small table under it, headings first.
        source: the picture itself as a ``data:`` address; empty when there is none.
        width: on the screen.
        height: on the screen.
        missing: why there is no picture.
        inline: the picture as SVG whose parts have titles; stands in the place of ``source``.
    """

    title: str = ""
    flag: str = ""
    alternative: str = ""
    lines: tuple[str, ...] = ()
    numbers: Sequence[Sequence[str]] = ()
    source: str = ""
    width: int = 0
    height: int = 0
    missing: str = ""
    inline: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures that are looked at together."""

    title: str
    about: str
    cards: tuple[Card, ...]


def printed(sheet: figures.Sheet, path: Path, alternative: str) -> Card:
    """Save a figure as PNG and SVG and put it on a card.

    Args:
        sheet: the figure.
        path: of its PNG file; the SVG file stands beside it.
        alternative: what it shows, in words.
    """
    content = figures.save(sheet, path).read_bytes()
    figures.save(sheet, path.with_suffix(".svg"))
    width, height = sheet.get_size_inches() * PIXELS
    return Card(
        alternative=alternative,
        source="data:image/png;base64," + base64.b64encode(content).decode("ascii"),
        width=round(width),
        height=round(height),
    )


def three_pictures(study: Study, size: int, folder: Path) -> tuple[Gallery, ...]:
    """The galleries of one latent size, of each model the run with the first seed.

    A table of numbers has no images, and so neither a decoded plane nor reconstructions; in
    their place stands what each dimension does to the columns.

    Args:
        study: whose runs.
        size: J.
        folder: where PNG and SVG files go.
    """
    runs = study.first_seeds(size)
    if any("effects" in run.arrays for run in runs):
        galleries: tuple[Drawing, ...] = (_columns, _activations)
    else:
        galleries = (_latent_spaces, _activations, _reconstructions)
    return tuple(gallery(study, runs, folder) for gallery in galleries)


Drawing = Callable[[Study, Sequence[Run], Path], Gallery]


def _one_each(runs: Iterable[Run], draw: Callable[[Run], Card]) -> tuple[Card, ...]:
    """A card for every run; where a picture cannot be drawn, the card says why."""
    cards = []
    for run in runs:
        try:
            card = draw(run)
        except RunFolderError as error:
            card = Card(missing=str(error))
        cards.append(replace(card, title=run.title, flag=tables.collapsed([run.metrics])))
    return tuple(cards)


def _latent_spaces(study: Study, runs: Sequence[Run], folder: Path) -> Gallery:
    """Decoded planes and scattered codes, one run a model."""

    def draw(run: Run) -> Card:
        sheet = figures.latent_space(run, study.classes, titled=False)
        first, second = run.arrays["grid_dimensions"].tolist()
        costs = run.arrays[COST][[first, second]]
        alternative = (
            f"{_name(run)}: images decoded over a grid of dimensions {first} and {second}, and "
            "the codes of test images in the same two dimensions, coloured by class."
        )
        lines = [
            f"The reconstruction loses {costs[0]:.1f} nats an image without dimension {first}, "
            f"{costs[1]:.1f} without dimension {second}."
        ]
        if run.arrays["gated"]:
            off = 100 * (run.arrays["scatter"] == 0).mean(0)
            lines.append(f"They are off in {off[0]:.0f} % and {off[1]:.0f} % of these codes.")
        card = printed(sheet, folder / f"{run.name}-latent-space.png", alternative)
        return replace(card, lines=tuple(lines))

    return Gallery(
        "Latent plane",
        "Left, what the decoder draws as the two dimensions that it needs most change and all "
        "others stay; where a model can switch dimensions off, the framed row and column have "
        "one off. Right, the codes of test images in the same two dimensions.",
        _one_each(runs, draw),
    )


def _activations(study: Study, runs: Sequence[Run], folder: Path) -> Gallery:
    """Mean activation of every dimension for every class, one run a model."""

    def draw(run: Run) -> Card:
        sheet = figures.activated_dimensions(run, study.classes, titled=False)
        row = run.metrics
        alternative = (
            f"{_name(run)}: heat map of classes against latent dimensions, coloured by the mean "
            "code of the class; with spikes also by spike probability and posterior mean."
        )
        lines = [f"{row[keys.USED_DIMENSIONS]} of {row['latents']} dimensions used."]
        if run.arrays["gated"]:
            lines.append(
                f"{row[keys.ACTIVE_PER_IMAGE]:.1f} on for an image, {row['always_on']} always on, "
                f"{row['dead']} dead. Selectivity {row['selectivity']:.2f}; by chance "
                f"{row[keys.SELECTIVITY_PERMUTED]:.2f}."
            )
        card = printed(sheet, folder / f"{run.name}-activated-dimensions.png", alternative)
        return replace(card, lines=tuple(lines))

    return Gallery(
        "Activation per class",
        "Which dimensions (columns) stand for which class (rows): means over the test images of "
        "a class. Where a model can switch dimensions off, γ is the probability that one is on, "
        "and γμ its mean with that taken in. Grey numbers: the decoder does not use the "
        "dimension. Of more than 16 dimensions those in use come first, by the class that they "
        "answer to most.",
        _one_each(runs, draw),
    )


def _reconstructions(study: Study, runs: Sequence[Run], folder: Path) -> Gallery:
    """Clean and noisy images and what the models make of them, one run a model."""

    def draw(run: Run) -> Card:
        sheet = figures.reconstructions(run, study.baselines, titled=False)
        alternative = (
            f"{_name(run)}: rows of test images, clean and with noise of growing strength, each "
            "above its reconstruction, with mean squared error and PSNR at the right."
        )
        card = printed(sheet, folder / f"{run.name}-reconstructions.png", alternative)
        return replace(card, numbers=tables.noise(run.metrics, study.baselines))

    return Gallery(
        "Reconstructions, clean and noisy",
        "Test images, the same with noise of standard deviation σ, and what each model makes of "
        "them. Beside a row, errors on these images: a noisy row carries what doing nothing "
        "scores, and PCA-50 is scored on the same images. Below the picture, errors on all test "
        "images. The noise is not clipped, its picture is.",
        _one_each(runs, draw),
    )


def _columns(study: Study, runs: Sequence[Run], folder: Path) -> Gallery:
    """What each dimension does to the columns of a table, one run a model."""

    def draw(run: Run) -> Card:
        sheet = figures.column_effects(run, titled=False)
        alternative = (
            f"{_name(run)}: heat map of the columns of the table against latent dimensions, "
            "coloured by how far a dimension moves a column."
        )
        return printed(sheet, folder / f"{run.name}-column-effects.png", alternative)

    return Gallery(
        "What each dimension does",
        "By how many standard deviations the decoded columns change when one dimension goes from "
        "its lower to its upper end. Grey numbers: the decoder does not use the dimension.",
        _one_each(runs, draw),
    )


def frontiers(study: Study, folder: Path) -> tuple[Gallery, ...]:
    """Quality against the number of dimensions that are on, where a study varies it."""
    galleries = []
    for size in study.sizes:
        points = figures.points_of(study.runs, size)
        if not points:
            continue
        sheet = figures.frontier(points)
        path = folder / f"frontier-{size}.png"
        names = ", ".join(dict.fromkeys(model_title(point.curve) for point in points))
        alternative = (
            f"Small panels with bounds, error and what classifiers make of the codes of {names} "
            "against the number of dimensions that are on for an image."
        )
        card = printed(sheet, path, alternative)
        inline = figures.titled_svg(sheet, points)
        write_text(path.with_suffix(".svg"), inline)
        card = replace(
            card, inline=inline[inline.index("<svg") :], numbers=tables.frontier(points)
        )
        galleries.append(
            Gallery(
                f"Frontier with {tables.dimensions(size)}",
                "Means over seeds, bars from the lowest to the highest; a point says its numbers "
                "when the mouse rests on it. In the table “got” counts the dimensions with γ over "
                "½, which the code has, and Σγ is the expected number, which a target holds; “not "
                "dominated” names the numbers in which no other point is better with as few on.",
                (card,),
            )
        )
    return tuple(galleries)


def comparisons(study: Study, folder: Path) -> tuple[Gallery, ...]:
    """All runs in one picture: against latent size, where there are several, noise and epochs."""
    names = ", ".join(dict.fromkeys(run.title for run in study.runs))
    seeds = "Mean over seeds, with 95 % intervals as bars where there are several."
    noise = printed(
        figures.quality_against_noise(study.rows, study.baselines),
        folder / "quality-against-noise.png",
        f"MSE to the clean image of {names} against the strength of the noise, one panel a "
        "latent size, baselines in grey.",
    )
    galleries = [
        Gallery("Quality against noise", f"{seeds} The noise is not clipped.", (noise,)),
        _training(study.runs, folder, names),
    ]
    if len(study.sizes) > 1:
        latents = printed(
            figures.quality_against_latents(study.rows),
            folder / "quality-against-latents.png",
            "Small panels with −ELBO, MSE, used and active dimensions and what classifiers make "
            f"of the codes of {names} against the latent size.",
        )
        galleries.insert(0, Gallery("Quality against latent size", seeds, (latents,)))
    return (*frontiers(study, folder), *galleries)


def _training(runs: Sequence[Run], folder: Path, names: str) -> Gallery:
    recorded = [run for run in runs if run.history]
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


def _name(run: Run) -> str:
    return f"{run.title} with {tables.dimensions(run.config.latents)}"


def run_sheets(run: Run, baselines: Mapping[str, Any]) -> dict[str, figures.Sheet]:
    """The pictures that a run has, by the names of their files.

    None where the run keeps no arrays, and none of what it has not: no plane with one latent
    dimension, no mean of a class without labels, no images of a table.
    """
    classes = run.classes or baselines.get("classes", ())
    sheets = {}
    if "grid" in run.arrays and run.config.latents > 1:
        sheets["latent_space"] = figures.latent_space(run, classes)
    if "class_code" in run.arrays:
        sheets["activated_dimensions"] = figures.activated_dimensions(run, classes)
    if "effects" in run.arrays:
        sheets["column_effects"] = figures.column_effects(run)
    if "restored" in run.arrays:
        sheets["reconstructions"] = figures.reconstructions(run, baselines)
    return sheets
