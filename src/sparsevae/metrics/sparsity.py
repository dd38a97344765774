"""How sparse codes are, and for whom: gates, units in use, selectivity.

Shape legend: N images, J latent dimensions, K classes. A model without gates counts as one
whose gates are always open (γ = 1).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ACTIVE_VARIANCE = 0.01
USED_NATS = 0.1
ALWAYS_ON = 0.95
DEAD = 0.001


def active_units(means: Floats) -> int:
    """Number of dimensions whose posterior mean varies: Var_x E_q[z_j] > 0.01.

    Source: Burda et al. 2016, section 5.

    Args:
        means: E_q[z] = γμ for a spike and slab, shape ``(N, J)``.
    """
    return int((means.var(0, dtype=np.float64) > ACTIVE_VARIANCE).sum())


def used_mask(ablation_cost: Floats) -> Mask:
    """Dimensions that the decoder needs.

    Args:
        ablation_cost: nats per image that the reconstruction loses when one dimension is set to
            its mean (spike and slab: 0), shape ``(J,)``.
    """
    return np.asarray(ablation_cost >= USED_NATS)


def on_share(gamma: Floats) -> Floats:
    """Share of images for which each gate is on (γ > ½), shape ``(J,)``.

    Args:
        gamma: spike probabilities, shape ``(N, J)``.
    """
    return np.asarray((gamma > 0.5).mean(0))


def always_on(gamma: Floats) -> int:
    """Number of gates on in more than 95 % of images.

    Args:
        gamma: spike probabilities, shape ``(N, J)``.
    """
    return int((on_share(gamma) > ALWAYS_ON).sum())


def dead(gamma: Floats, used: Mask) -> int:
    """Number of dimensions whose gate is on in less than 0.1 % of images and that are not used.

    Args:
        gamma: spike probabilities, shape ``(N, J)``.
        used: dimensions that the decoder needs, shape ``(J,)``.
    """
    return int(((on_share(gamma) < DEAD) & ~used).sum())


def dead_share(gamma: Floats) -> float:
    """Share of dimensions whose gate is on for none of the images."""
    return float((on_share(gamma) == 0).mean())


def on_in_one_percent(gamma: Floats) -> int:
    """Number of gates on in at least 1 % of images.

    Args:
        gamma: spike probabilities, shape ``(N, J)``.
    """
    return int((on_share(gamma) >= 0.01).sum())


def active_per_image(gamma: Floats) -> float:
    """Mean number of gates on (γ > ½) an image, the L0 norm of the code.

    Args:
        gamma: spike probabilities, shape ``(N, J)``.
    """
    return float((gamma > 0.5).sum(1).mean())


def exact_zeros(codes: npt.NDArray[np.float32]) -> float:
    """Share of the entries of float32 codes that equal 0.

    Args:
        codes: shape ``(N, J)``.
    """
    return float((codes == 0).mean())


def class_means(values: Floats, labels: Labels, classes: int) -> Floats:
    """Mean of every column over the images of each class, shape ``(K, J)``.

    A class without images has the mean NaN.

    Args:
        values: shape ``(N, J)``.
        labels: the class of each image, 0 to ``classes`` − 1, shape ``(N,)``.
        classes: K.
    """
    rows = [values[labels == k] for k in range(classes)]
    nothing = np.full(values.shape[1], np.nan)
    return np.stack([row.mean(0) if len(row) else nothing for row in rows])


def selectivity(gamma: Floats, labels: Labels, chosen: Mask | None = None) -> float:
    """Mean over dimensions of max_c − min_c P(γ_j > ½ | class c).

    Args:
        gamma: spike probabilities, shape ``(N, J)``.
        labels: class of every image, shape ``(N,)``.
        chosen: dimensions to average over, shape ``(J,)``; all when None.

    Returns:
        Between 0 and 1; 0 when no dimension is chosen.
    """
    rates = class_means((gamma > 0.5).astype(np.float64), labels, int(labels.max()) + 1)
    spread = np.nanmax(rates, 0) - np.nanmin(rates, 0)
    spread = spread if chosen is None else spread[chosen]
    return float(spread.mean()) if spread.size else 0.0


def permuted_selectivity(
    gamma: Floats, labels: Labels, chosen: Mask | None = None, seed: int = 0
) -> float:
    """What :func:`selectivity` gives by chance: the same with permuted labels.

    Args:
        gamma: spike probabilities, shape ``(N, J)``.
        labels: the class of each image, shape ``(N,)``.
        chosen: the dimensions that count, shape ``(J,)``; all by default.
        seed: of the permutation.
    """
    shuffled = np.random.default_rng(seed).permutation(labels)
    return selectivity(gamma, shuffled, chosen)
