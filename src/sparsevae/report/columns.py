"""The numbers of a report: heading, unit, which way is better, and one definition each."""

from dataclasses import dataclass
from typing import Literal

Better = Literal["lower", "higher", ""]


@dataclass(frozen=True)
class Column:
    """One number of a run.

    Attributes:
        key: its name among the metrics.
        title: over the column.
        definition: the definition, for the glossary.
        unit: under the heading.
        scale: the printed number is the metric times this.
        digits: decimals; counts have none.
        better: which way is better; empty where neither is.
    """

    key: str
    title: str
    definition: str
    unit: str = ""
    scale: float = 1
    digits: int = 1
    better: Better = ""


NATS = "nats per image"
PIXEL = "×1000, per pixel"

LIKELIHOOD = (
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
        "importance_weighted_bound",
        "importance-weighted bound",
        "A tighter upper bound on −log p(x): the log of the mean of p(x, z)/q(z|x) over many "
        "draws of z. Not defined for the AE.",
        NATS,
        better="lower",
    ),
    Column(
        "effective_sample_size",
        "effective sample size",
        "How many equal draws the weighted draws of that bound are worth; few mean a loose bound.",
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
        "prior_perplexity",
        "components in use",
        "Perplexity of the weights of the prior's components, for a mixture.",
    ),
)

IMAGES = (
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
    Column(
        "mse_salt_pepper_0.3",
        "MSE, salt and pepper",
        "The same, 30 % of the pixels made black or white.",
        PIXEL,
        1000,
        better="lower",
    ),
    Column(
        "mse_occlusion_0.3",
        "MSE, occluded",
        "The same behind a black square, its side 30 % of the image's.",
        PIXEL,
        1000,
        better="lower",
    ),
    Column(
        "psnr",
        "PSNR",
        "Peak signal-to-noise ratio of the decoded image, for pixels in [0, 1].",
        "dB",
        better="higher",
    ),
    Column(
        "ssim",
        "SSIM",
        "Structural similarity of an image and the one decoded from its code; 1 is equality.",
        digits=3,
        better="higher",
    ),
    Column(
        "sharpness",
        "sharpness",
        "Variance of the Laplacian of the decoded images as a share of the data's; below 1 is "
        "blurred.",
        digits=2,
    ),
    Column(
        "pixel_variance",
        "pixel variance",
        "Variance over images of the decoded pixels as a share of the data's; near 0 all decoded "
        "images are alike.",
        digits=2,
    ),
    Column(
        "frechet_classifier",
        "Fréchet distance",
        "Distance of decoded and test images as normal distributions of the features of a small "
        "classifier that was trained on this data set; not the FID of other pages.",
        digits=3,
        better="lower",
    ),
    Column(
        "frechet_classifier_samples",
        "Fréchet distance of samples",
        "The same for images decoded from codes drawn from the prior.",
        digits=3,
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
    ),
    Column("sum_gamma", "Σγ per image", "Mean over images of the sum of γ."),
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
        "hoyer",
        "Hoyer",
        "Hoyer's sparseness of a code, mean over images: 0 where all entries are of equal size, "
        "1 where a single one is not 0.",
        digits=2,
    ),
    Column(
        "population_sparseness",
        "population sparseness",
        "Treves and Rolls' measure over the dimensions of a code, mean over images: 0 where all "
        "respond alike, 1 where one does.",
        digits=2,
    ),
    Column(
        "lifetime_sparseness",
        "lifetime sparseness",
        "The same over the images that a dimension responds to, mean over dimensions.",
        digits=2,
    ),
    Column(
        "support_entropy",
        "entropy of the pattern",
        "Entropy of the pattern of gates that are on (γ > ½) over the images.",
        "bits",
    ),
    Column(
        "gate_entropy",
        "entropy of the gates",
        "Entropy of every gate alone, summed over dimensions.",
        "bits",
    ),
)
