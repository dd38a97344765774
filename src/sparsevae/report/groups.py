"""Which numbers stand together in a report, which ones come first, and all their definitions."""

from sparsevae.report.columns import IMAGES, LIKELIHOOD, SPARSITY, Column

SELECTIVITY = (
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
    Column(
        "spike_class_information",
        "spike and class",
        "Mutual information of a gate (γ > ½) and the class, mean over used dimensions.",
        "bits",
        digits=3,
        better="higher",
    ),
)
USEFULNESS = (
    *(
        Column(
            f"probe_{count}",
            f"probe, {count:,} labels",
            f"Share of test images that a linear classifier gets right which saw the codes of "
            f"{count:,} labelled training images; mean over 5 draws of them.",
            "%",
            100,
            better="higher",
        )
        for count in (200, 1000, 5000)
    ),
    *(
        Column(
            f"knn_{count}",
            f"5-NN, {count:,} labels",
            f"Share of one half of the test images that the 5 nearest of {count:,} labelled "
            "codes of the other half get right; mean over 10 random halves.",
            "%",
            100,
            better="higher",
        )
        for count in (200, 1000, 5000)
    ),
    Column(
        "probe_5000_gamma_mu",
        "probe on γμ",
        "The probe with 5,000 labels on the posterior mean γμ in place of the code.",
        "%",
        100,
    ),
    Column(
        "silhouette",
        "silhouette",
        "How much nearer codes are to their own class than to the next one, from −1 to 1; below "
        "0.25 there are no clusters to speak of.",
        digits=2,
        better="higher",
    ),
    Column(
        "adjusted_rand",
        "adjusted Rand index",
        "Agreement of k-means clusters of the codes with the classes: 0 by chance, 1 in full.",
        digits=2,
        better="higher",
    ),
)
GEOMETRY = (
    Column(
        "path_length",
        "path length",
        "Mean squared speed of the decoded image on straight paths between the mean codes of "
        "classes, in features of a small classifier of this data set, by the squared distance of "
        "the ends: 1 is straight and even.",
        digits=2,
        better="lower",
    ),
    Column(
        "path_peak_to_mean",
        "peak to mean of a path",
        "Largest of the 32 steps of the decoded image on such paths by the mean step, in the "
        "same features: 1 is an even change, 32 a jump.",
        digits=2,
        better="lower",
    ),
    Column(
        "grid_length",
        "grid length",
        "The path length on the rows and columns of the decoded plane of the pictures.",
        digits=2,
    ),
    Column(
        "grid_peak_to_mean",
        "peak to mean of the grid",
        "Largest step by mean step on those rows and columns.",
        digits=2,
        better="lower",
    ),
    Column(
        "grid_classes",
        "classes on the grid",
        "Number of classes that the classifier sees on that plane.",
        digits=0,
    ),
    Column(
        "class_overlap",
        "class overlap",
        "Mean cosine of the class means of |code|: 1 where all classes use the same dimensions.",
        digits=2,
    ),
    Column(
        "activation_level",
        "activation level",
        "Mean |code| over the entries that are not 0.",
        digits=2,
    ),
    Column(
        "activation_variation",
        "activation variation",
        "Standard deviation by mean of a class's mean |code| over the dimensions, mean over "
        "classes.",
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
GROUPS = {
    "Likelihood": LIKELIHOOD,
    "Images": IMAGES,
    "Sparsity": (*SPARSITY, *SELECTIVITY),
    "Usefulness": USEFULNESS,
    "Geometry": GEOMETRY,
}
_KEYS = (
    *("negative_elbo", "reconstruction", "mse", "mse_noise_0.3", "mse_noise_0.3_clipped"),
    *("used_dimensions", "active_per_image", "selectivity", "probe_1000", "path_peak_to_mean"),
)
KNOWN = {column.key: column for group in GROUPS.values() for column in group}
HEADLINE = tuple(KNOWN[key] for key in _KEYS)

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
        title: {column.heading: _unbroken(column.meaning) for column in columns}
        for title, columns in groups.items()
    }
    further = {term: _unbroken(meaning) for term, meaning in FURTHER.items()}
    return {**found, "Other words": further}


def _unbroken(text: str) -> str:
    """The same with spaces that do not break where a line must not end."""
    return text.replace(" %", "\u00a0%").replace(" > ", "\u00a0>\u00a0")
