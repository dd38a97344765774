"""Which numbers stand together in a report, which ones come first, and all their definitions."""

from sparsevae.report.codes import FACTORS, GEOMETRY, SELECTIVITY, USEFULNESS
from sparsevae.report.columns import IMAGES, LIKELIHOOD, SPARSITY, Column

PARAMETERS = (
    Column("parameters_trunk", "trunk", "Trainable numbers that all models share.", digits=0),
    Column("parameters_head", "head", "Those of the encoder's last layer.", digits=0),
    Column("parameters_prior", "prior", "Those of the prior.", digits=0),
    Column("parameters", "total", "All trainable numbers.", digits=0),
    Column("seconds", "training time", "Of one run, by the clock.", "seconds", digits=0),
)
GROUPS = {
    "Likelihood": LIKELIHOOD,
    "Images": IMAGES,
    "Sparsity": (*SPARSITY, *SELECTIVITY),
    "Usefulness": USEFULNESS,
    "Geometry": GEOMETRY,
    "Known factors": FACTORS,
}
KNOWN = {column.key: column for group in GROUPS.values() for column in group}
HEADLINE = tuple(  # of a model card
    KNOWN[key]
    for key in (
        *("negative_elbo", "reconstruction", "mse", "mse_noise_0.3", "mse_noise_0.3_clipped"),
        *("used_dimensions", "active_per_image", "selectivity", "probe_1000"),
    )
)

FURTHER = {
    "code": "What an image is encoded to without chance: f(x) for the AE, μ for the VAE, and for "
    "VSC μ where γ > ½, else 0.",
    "γ, μ": "Spike probability of a dimension and mean of its slab; γ is 1 without spikes.",
    "stability": "How alike the gates of two seeds are once their dimensions are matched: mean "
    "Jaccard index of the images that they are on for; beside it, what chance gives.",
    "collapsed decoder": "Said of a run whose reconstruction is above 95 % of the collapse floor, "
    "or whose decoded images vary less than 5 % as much as the data (variance of pixels).",
    "collapse floor": "Reconstruction of a decoder that prints the mean training image, "
    "whatever the code.",
    "perfect reconstruction": "The score of the image itself, above 0 because pixels are grey.",
    "PCA-16, PCA-50": "Projection of the noisy image on the first principal components of the "
    "clean training images. A model denoises well when it beats PCA-50.",
}


def glossary() -> dict[str, dict[str, str]]:
    """The definition of every number in a report, by group and heading."""
    groups = {**GROUPS, "Models": PARAMETERS}
    found = {
        title: {column.title: _unbroken(column.definition) for column in columns}
        for title, columns in groups.items()
    }
    further = {term: _unbroken(meaning) for term, meaning in FURTHER.items()}
    return {**found, "Other words": further}


def _unbroken(text: str) -> str:
    """The same with spaces that do not break where a line must not end."""
    return text.replace(" %", "\u00a0%").replace(" > ", "\u00a0>\u00a0")
