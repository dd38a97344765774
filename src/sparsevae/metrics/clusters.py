"""What distances between codes say of classes: neighbours, silhouettes and clusters.

Shape legend: N images, J latent dimensions, K classes, S seeds.
"""

import numpy as np

from sparsevae.data.splits import shuffled
from sparsevae.metrics.probes import too_few
from sparsevae.metrics.sparsity import Floats, Labels

NEIGHBOURS = 5
NEIGHBOUR_SEEDS = range(10)
SCORED = 5000  # images that neighbours are looked for, at most
AT_ONCE = 2**20  # distances that are in memory at once
ROUNDED = 1e-3  # of a code's square: nearer ones are compared in double precision
IMAGES = 2000
STARTS, SEEDS = 5, range(3)  # the result of k-means depends on where it starts


def neighbour_accuracies(codes: Floats, labels: Labels, *sizes: int) -> list[Floats | None]:
    """Accuracy of the 5 nearest neighbours, Euclidean, on random halves of the images.

    For each of 10 seeds the images are shuffled; the first ``size`` of one half are labelled, and
    every image of the other half, up to 5,000 of them, takes the class that most of its 5 nearest
    labelled images have (of classes with as many, the first).

    Source: the protocol of Vafaii, Galor & Yates 2024, "Poisson variational autoencoder".

    Args:
        codes: shape ``(N, J)``.
        labels: class of every image, shape ``(N,)``.
        *sizes: numbers of labelled images; each takes the first of the largest.

    Returns:
        For each size the share of images with the right class, shape ``(S,)``; None where half
        the images are fewer than the size, it is below 5, or a class has fewer than two of them
        on average.
    """
    half = len(codes) // 2
    known = [n for n in sizes if NEIGHBOURS <= n <= half and not too_few(labels, n)]
    found: dict[int, list[float]] = {size: [] for size in known}
    if known:
        classes, places = np.unique(labels, return_inverse=True)
        centred = (codes - codes.mean(0, dtype=np.float64)).astype(np.float32)
        for seed in NEIGHBOUR_SEEDS:
            order = shuffled(len(codes), seed)
            labelled, scored = order[: max(known)], order[half : half + SCORED]
            for size, near in _nearest(centred[scored], centred[labelled], known).items():
                counts = np.zeros((len(scored), len(classes)), np.int8)
                for column in places[labelled][near].T:
                    counts[np.arange(len(scored)), column] += 1
                found[size].append(float((counts.argmax(1) == places[scored]).mean()))
    return [np.array(found[size]) if size in found else None for size in sizes]


def _nearest(codes: Floats, labelled: Floats, sizes: list[int]) -> dict[int, Floats]:
    """Places of the 5 nearest among the first of the labelled codes, by how many, ``(N, 5)``."""
    import torch  # it selects a few of many several times faster than NumPy

    known, squares = torch.from_numpy(labelled), torch.from_numpy((labelled**2).sum(1))
    found: dict[int, list[Floats]] = {size: [] for size in sizes}
    step = max(1, AT_ONCE // len(labelled))
    for rows in torch.from_numpy(codes).split(step):
        distances = torch.addmm(squares, rows, known.T, alpha=-2)  # less the rows' own squares
        own = (rows**2).sum(1)
        if (distances.amin(1) + own < ROUNDED * own).any():
            twice = known.double()
            distances = torch.addmm((twice**2).sum(1), rows.double(), twice.T, alpha=-2)
        for size in sizes:
            nearest = distances[:, :size].topk(NEIGHBOURS, largest=False).indices
            found[size].append(nearest.numpy())
    return {size: np.concatenate(parts) for size, parts in found.items()}


def silhouettes(codes: Floats, labels: Labels) -> Floats | None:
    """How much nearer every code is to its own class than to the next one.

    (b − a) / max(a, b), a the mean Euclidean distance to the other codes of its class and b the
    smallest mean distance to those of another class; 0 for a code that is alone in its class.

    Source: Rousseeuw 1987, "Silhouettes", J. Comput. Appl. Math. 20, section 2.

    Args:
        codes: shape ``(N, J)``; the first 2,000 are used.
        labels: class of every image, shape ``(N,)``.

    Returns:
        Each between −1 and 1, shape ``(min(N, 2000),)``; None without two classes, or without
        two images of a class.
    """
    from sklearn.metrics import silhouette_samples

    some, of = codes[:IMAGES].astype(np.float64), labels[:IMAGES]
    if not 1 < len(np.unique(of)) < len(of):
        return None
    return np.asarray(silhouette_samples(some, of))


def adjusted_rand(codes: Floats, labels: Labels) -> float | None:
    """Agreement of classes with the clusters of k-means, above that of chance.

    k-means with as many clusters as there are classes, the best of 5 starts; the adjusted Rand
    index of its clusters and the classes is 1 where they are the same, and 0 on average for
    clusters that know nothing of the classes. Mean over 3 seeds of the starts.

    Source: Hubert & Arabie 1985, "Comparing partitions", equation 5.

    Args:
        codes: shape ``(N, J)``; the first 2,000 are used.
        labels: class of every image, shape ``(N,)``.

    Returns:
        At most 1; None where all images are of one class, or a class has fewer than two images
        on average.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    some, of = codes[:IMAGES], labels[:IMAGES]
    classes = len(np.unique(of))
    if not 2 <= classes <= len(of) // 2:
        return None
    clusters = min(classes, len(np.unique(some, axis=0)))  # no more than there are places
    each = (KMeans(clusters, n_init=STARTS, random_state=seed).fit_predict(some) for seed in SEEDS)
    return float(np.mean([adjusted_rand_score(of, groups) for groups in each]))
