"""Keys of the metrics that code beside the evaluation names; what they mean: ``table.py``."""

DATASET, SPLIT, MODEL, PRIOR, ALPHA = "dataset", "split", "model", "prior", "alpha"
TARGET_ACTIVE = "target_active"
LATENTS, SEED, RECIPE, EPOCHS = "latents", "seed", "recipe", "epochs"
KERNEL, SECONDS = "kernel", "seconds"
PARAMETERS = "parameters"
PARAMETERS_TRUNK, PARAMETERS_HEAD = "parameters_trunk", "parameters_head"
PARAMETERS_PRIOR = "parameters_prior"

ROWS_GIVEN, ROWS_MEASURED = "rows_given", "rows_measured"
CLASSES_GIVEN, CLASSES_MEASURED, CLASS_PAIRS = "classes_given", "classes_measured", "class_pairs"

NEGATIVE_ELBO, RECONSTRUCTION, KL = "negative_elbo", "reconstruction", "kl"
SPARSITY_PENALTY, LOSS = "sparsity_penalty", "loss"
BITS_PER_DIMENSION, PRIOR_PERPLEXITY = "bits_per_dimension", "prior_perplexity"
IMPORTANCE_WEIGHTED_BOUND = "importance_weighted_bound"
IMPORTANCE_WEIGHTED_ERROR = "importance_weighted_error"
IMPORTANCE_NEGATIVE_ELBO = "importance_negative_elbo"
INFERENCE_SLACK = "inference_slack"
EFFECTIVE_SAMPLE_SIZE = "effective_sample_size"
EFFECTIVE_SAMPLE_SIZE_P10 = "effective_sample_size_p10"
IMPORTANCE_SAMPLES, IMPORTANCE_IMAGES = "importance_samples", "importance_images"

MSE, PSNR, SSIM = "mse", "psnr", "ssim"
EXPLAINED_VARIANCE = "explained_variance"
SHARPNESS, PIXEL_VARIANCE = "sharpness", "pixel_variance"
FRECHET, FRECHET_SAMPLES = "frechet_classifier", "frechet_classifier_samples"
CLASSIFIER_ACCURACY = "classifier_accuracy"

USED_DIMENSIONS, ACTIVE_UNITS = "used_dimensions", "active_units"
ACTIVE_PER_IMAGE, SUM_GAMMA = "active_per_image", "sum_gamma"
ON_IN_ONE_PERCENT, ALWAYS_ON, DEAD = "on_in_1pct", "always_on", "dead"
DEAD_SHARE = "dead_share"
EXACT_ZEROS, HOYER = "exact_zeros", "hoyer"
POPULATION_SPARSENESS, LIFETIME_SPARSENESS = "population_sparseness", "lifetime_sparseness"
SUPPORT_ENTROPY, GATE_ENTROPY = "support_entropy", "gate_entropy"
SELECTIVITY, SELECTIVITY_ALL = "selectivity", "selectivity_all"
SELECTIVITY_PERMUTED = "selectivity_permuted"
SPIKE_CLASS_INFORMATION = "spike_class_information"
SPIKE_CLASS_INFORMATION_MAX = "spike_class_information_max"

SILHOUETTE, ADJUSTED_RAND = "silhouette", "adjusted_rand"

PATH_LENGTH, PATH_PEAK_TO_MEAN = "path_length", "path_peak_to_mean"
GRID_LENGTH, GRID_PEAK_TO_MEAN = "grid_length", "grid_peak_to_mean"
GRID_CLASSES, CLASS_OVERLAP = "grid_classes", "class_overlap"
ACTIVATION_VARIATION, ACTIVATION_LEVEL = "activation_variation", "activation_level"

BLOCK_SHARE, BLOCK_SHARE_CHANCE = "block_share", "block_share_chance"
MIG, SAP, FACTOR_VAE_SCORE = "mig", "sap", "factor_vae_score"
DCI_DISENTANGLEMENT, DCI_COMPLETENESS = "dci_disentanglement", "dci_completeness"
DCI_INFORMATIVENESS = "dci_informativeness"

COLLAPSED_DECODER = "collapsed_decoder"

GATED_MEAN = "_gamma_mu"  # ends the keys of columns of γμ, which stand beside the code's
NOISE, SALT_PEPPER, OCCLUSION = "noise", "salt_pepper", "occlusion"
DENOISED = "denoised"  # by the model's own denoiser, beside the decoded code's "noise"


def corrupted(key: str, kind: str, level: float, *, clipped: bool = False) -> str:
    """The key of a column of corrupted images.

    Args:
        key: of clean images: MSE, PSNR or SSIM.
        kind: NOISE, SALT_PEPPER or OCCLUSION.
        level: of the corruption.
        clipped: whether noisy images are clipped to [0, 1].

    Example:
        >>> corrupted(MSE, NOISE, 0.3), corrupted(SSIM, NOISE, 0.1, clipped=True)
        ('mse_noise_0.3', 'ssim_noise_0.1_clipped')
    """
    return f"{key}_{kind}_{level}" + ("_clipped" if clipped else "")


def probe(labels: int) -> str:
    """The key of the linear probe with that many labelled images."""
    return f"probe_{labels}"


PROBE_ALL, PROBE_PERMUTED = "probe_all", "probe_permuted"  # of the code alone


def neighbours(labels: int) -> str:
    """The key of the nearest neighbours with that many labelled images."""
    return f"knn_{labels}"
