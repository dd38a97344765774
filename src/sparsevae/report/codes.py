"""The numbers of a report that are about codes: classes, usefulness, geometry, known factors."""

from sparsevae.report.columns import Column

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
FACTORS = (
    Column(
        "block_share",
        "block share",
        "Share of a used dimension's squared correlations with the sources that lies in its best "
        "group of sources, mean over used dimensions.",
        digits=2,
        better="higher",
    ),
    Column("block_share_chance", "by chance", "The same with permuted images.", digits=2),
    Column(
        "mig",
        "MIG",
        "Mutual information gap: by how much the dimension that says most of a factor is ahead "
        "of the next one.",
        digits=3,
        better="higher",
    ),
    Column(
        "sap",
        "SAP",
        "Separated attribute predictability: the same gap in how well one dimension predicts a "
        "factor.",
        digits=3,
        better="higher",
    ),
    *(
        Column(f"dci_{part}", f"DCI, {part}", meaning, digits=2, better="higher")
        for part, meaning in {
            "disentanglement": "Does a dimension matter for one factor only? 1 if so.",
            "completeness": "Does one dimension only matter for a factor? 1 if so.",
            "informativeness": "How well random forests read the factors off the code.",
        }.items()
    ),
    Column(
        "factor_vae_score",
        "FactorVAE score",
        "How often the dimension that varies least tells which factor was held fixed.",
        digits=2,
        better="higher",
    ),
)
