"""The numbers of a report: heading, unit, which way is better, and one definition each."""

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", ""]


@dataclass(frozen=True)
class Column:
    """One number of a run.

    Attributes:
        key: its name among the metrics.
        heading: over the column.
        meaning: the definition, for the glossary.
        unit: under the heading.
        scale: the printed number is the metric times this.
        digits: decimals; counts have none.
        better: which way is better; empty where neither is.
    """

    key: str
    heading: str
    meaning: str
    unit: str = ""
    scale: float = 1
    digits: int = 1
    better: Better = ""


NATS = "nats per image"
PIXEL = "×1000, per pixel"

SUMMARY = (
    Column(
        "negative_elbo",
        "−ELBO",
        "Reconstruction plus KL, weights 1, warm-up at its end, no penalty. Not defined for the "
        "AE. The Bernoulli likelihood of grey pixels, which is the default, is a score and no "
        "normalised probability.",
        NATS,
        better="lower",
    ),
    Column(
        "reconstruction",
        "reconstruction",
        "−log p(x|z) summed over pixels, z drawn once an image with a fixed seed.",
        NATS,
        better="lower",
    ),
    Column(
        "kl",
        "KL",
        "KL(q(z|x) ‖ p(z)) summed over dimensions, that of a mixture's component included.",
        NATS,
    ),
    Column(
        "sparsity_penalty",
        "sparsity penalty",
        "What is optimised beside the bound to reach the activity α; no part of the ELBO.",
        "nats",
    ),
    Column(
        "mse",
        "MSE",
        "Squared error between an image and the mean image decoded from its code.",
        PIXEL,
        1000,
        better="lower",
    ),
    Column(
        "mse_noise_0.3",
        "MSE, σ\u00a0=\u00a00.3",
        "The same with the code of x + σε and the clean x as the target; ε has a fixed seed and "
        "the noisy image is not clipped.",
        PIXEL,
        1000,
        better="lower",
    ),
    Column(
        "mse_noise_0.3_clipped",
        "MSE, σ\u00a0=\u00a00.3, clipped",
        "The same, the noisy image clipped to [0, 1].",
        PIXEL,
        1000,
        better="lower",
    ),
)

SPARSITY = (
    Column(
        "used_dimensions",
        "used",
        "Number of dimensions without which the reconstruction loses at least 0.1 nat an image: "
        "set to their mean, or off where there are spikes; first 1,000 images.",
        digits=0,
    ),
    Column(
        "active_units",
        "active units",
        "Number of dimensions whose posterior mean has a variance above 0.01 over the images. "
        "Not defined for the AE.",
        digits=0,
    ),
    Column(
        "active_per_image",
        "active per image",
        "Mean number of dimensions with γ > ½.",
        digits=1,
    ),
    Column("sum_gamma", "Σγ per image", "Mean over images of the sum of γ.", digits=1),
    Column(
        "on_in_1pct",
        "on in 1 %",
        "Number of dimensions with γ > ½ for at least 1 % of images, needed or not.",
        digits=0,
    ),
    Column(
        "always_on",
        "always on",
        "Number of dimensions with γ > ½ for more than 95 % of images.",
        digits=0,
    ),
    Column(
        "dead",
        "dead",
        "Number of dimensions with γ > ½ for less than 0.1 % of images that are not used either.",
        digits=0,
    ),
    Column(
        "exact_zeros",
        "exact zeros",
        "Share of the entries of the code that equal 0.",
        "%",
        100,
    ),
    Column(
        "selectivity",
        "selectivity",
        "For a used dimension, the share of images with γ > ½ in the class where it is the "
        "largest, less that where it is the smallest; mean over used dimensions. 0 without "
        "spikes, by definition.",
        digits=2,
        better="higher",
    ),
    Column("selectivity_all", "selectivity, all J", "The same over all dimensions.", digits=2),
    Column(
        "selectivity_permuted",
        "selectivity, permuted",
        "Selectivity with the labels permuted: what chance gives.",
        digits=2,
    ),
)

PARAMETERS = (
    Column("parameters_trunk", "trunk", "Trainable numbers that all models share.", digits=0),
    Column("parameters_head", "head", "Those of the encoder's last layer.", digits=0),
    Column("parameters_prior", "prior", "Those of the prior.", digits=0),
    Column("parameters", "total", "All trainable numbers.", digits=0),
    Column("seconds", "training time", "Of one run, by the clock.", "seconds", digits=0),
)

FURTHER = {
    "code": "What an image is encoded to without chance: f(x) for the AE, μ for the VAE, and for "
    "VSC μ where γ > ½, else 0.",
    "γ, μ": "Spike probability of a dimension and mean of its slab; γ is 1 without spikes.",
    "collapsed decoder": "Said of a run whose reconstruction is above 95 % of the collapse floor, "
    "or whose decoded images vary less than 5 % as much as the data (variance of pixels).",
    "collapse floor": "Reconstruction of a decoder that prints the mean training image, "
    "whatever the code.",
    "perfect reconstruction": "The score of the image itself, above 0 because pixels are grey.",
    "PSNR": "−10 log₁₀ MSE in decibels, for pixels in [0, 1].",
    "PCA-16, PCA-50": "Projection of the noisy image on the first principal components of the "
    "clean training images. A model denoises well when it beats PCA-50.",
}


def glossary() -> dict[str, str]:
    """The definition of every number in a report, by its heading."""
    columns = (*SUMMARY, *SPARSITY, *PARAMETERS)
    terms = {**{column.heading: column.meaning for column in columns}, **FURTHER}
    return {term: _unbroken(meaning) for term, meaning in terms.items()}


def _unbroken(text: str) -> str:
    """The same with spaces that do not break where a line must not end."""
    return text.replace(" %", "\u00a0%").replace(" > ", "\u00a0>\u00a0")
