"""How evenly decoded images change along paths through code space, and how alike classes are.

A path is given by the features of its decoded images at T + 1 places, evenly spaced in the code:
an array (P, T + 1, F) for P paths. Nothing here changes when codes or features are scaled, so that
models whose codes have different units can be compared; only :func:`activation_level` does.

Shape legend: P paths, T steps, F features, K classes, J latent dimensions, N images.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

STILL = 1e-3  # of the features' spread: paths that move less on average do not move


def straight_paths(starts: Floats, ends: Floats, steps: int) -> npt.NDArray[np.float32]:
    """Codes on the straight lines between P pairs of codes, shape ``(P, T + 1, J)``.

    Args:
        starts: shape ``(P, J)``.
        ends: shape ``(P, J)``.
        steps: T.
    """
    place = np.linspace(0, 1, steps + 1)[:, None]
    lines = (1 - place) * starts[:, None] + place * ends[:, None]
    return np.asarray(lines, dtype=np.float32)


def step_lengths(features: Floats) -> Floats:
    """Distance in features from every place to the next, shape ``(P, T)``."""
    return np.asarray(np.linalg.norm(np.diff(features.astype(np.float64), axis=1), axis=2))


def path_length(features: Floats) -> float | None:
    """Mean squared speed of the images along the paths; 1 is straight and even.

    With t from 0 to 1 along a path, the mean over steps of (step length / Δt)², summed over
    paths and divided by the summed squared distances between the paths' ends. It is at least 1;
    detours and uneven steps raise it. The squared step per unit of t is the perceptual path
    length of Karras et al. 2019, section 4.1. Dividing by the distance of the ends takes
    away how different the ends are: without it a decoder that prints one image would be the
    smoothest.

    Args:
        features: shape ``(P, T + 1, F)``, total variance over the data about 1.

    Returns:
        None when the ends of the paths do not differ.

    Example:
        >>> line = np.linspace(0, 1, 5)[None, :, None]
        >>> path_length(line), path_length(np.floor(line))
        (1.0, 4.0)
    """
    lengths = step_lengths(features)
    apart = np.linalg.norm(features[:, -1].astype(np.float64) - features[:, 0], axis=1)
    if not len(apart) or apart.mean() < STILL:
        return None
    return float(lengths.shape[1] * (lengths**2).sum() / (apart**2).sum())


def peak_to_mean(features: Floats) -> float | None:
    """Largest step's length by the mean step's, summed over paths: between 1 and T.

    1 is an even change, T one jump. The sums let a path count by its length, so that a path on
    which nothing happens does not add the ratio of two roundings.

    Args:
        features: shape ``(P, T + 1, F)``, total variance over the data about 1.

    Returns:
        None when nothing changes along the paths.

    Example:
        >>> line = np.linspace(0, 1, 5)[None, :, None]
        >>> peak_to_mean(line), peak_to_mean(np.floor(line))
        (1.0, 4.0)
    """
    lengths = step_lengths(features)
    if not len(lengths) or lengths.sum(1).mean() < STILL:
        return None
    return float(lengths.max(1).sum() / lengths.mean(1).sum())


def class_overlap(class_means: Floats) -> float | None:
    """Mean cosine between the class means of |code| over all pairs of classes, in [0, 1].

    Args:
        class_means: of |code|, shape ``(K, J)``; a class whose mean is 0 everywhere has no
            direction and is left out.

    Returns:
        None with fewer than two classes.

    Example:
        >>> class_overlap(np.array([[1.0, 0.0], [0.0, 2.0], [0.0, 3.0]]))
        0.3333333333333333
    """
    rows = class_means[class_means.any(1)].astype(np.float64)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    count, total = len(rows), rows.sum(0)
    if count < 2:
        return None
    between = total @ total - (rows**2).sum()  # over ordered pairs
    return float(np.clip(between / (count * (count - 1)), 0, 1))


def activation_variation(class_means: Floats) -> float | None:
    """Standard deviation over dimensions by mean of |code| of a class, averaged over classes.

    0 is one height for all dimensions, √(J − 1) one dimension for each class.

    Args:
        class_means: of |code|, shape ``(K, J)``; a class whose mean is 0 everywhere is left out.

    Returns:
        None with no class.

    Example:
        >>> activation_variation(np.array([[3.0, 3.0], [0.0, 2.0]]))
        0.5
    """
    rows = class_means[class_means.any(1)].astype(np.float64)
    return float((rows.std(1) / rows.mean(1)).mean()) if len(rows) else None


def activation_level(codes: Floats) -> float | None:
    """Mean |code| over the entries that are not 0, in units of the code; None without any.

    Args:
        codes: shape ``(N, J)``.

    Example:
        >>> activation_level(np.array([[0.0, -2.0], [4.0, 0.0]]))
        3.0
    """
    sizes = np.abs(codes[codes != 0], dtype=np.float64)
    return float(sizes.mean()) if sizes.size else None
