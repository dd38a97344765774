"""Whether codes lie in clusters, and whether the clusters are the classes.

Shape legend: N images, J latent dimensions, K classes.
"""

import numpy as np

from sparsevae.metrics.sparsity import Floats, Labels

IMAGES = 2000
STARTS, SEEDS = 5, range(3)  # the result of k-means depends on where it starts


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
