"""Whether a learned dictionary holds the atoms that data were made from.

Shape legend: M known atoms, J learned ones, D numbers an atom.
"""

import numpy as np
import numpy.typing as npt

Atoms = npt.NDArray[np.floating]

RECOVERED = 0.9  # cosine from which on an atom counts as recovered
CHUNK = 1024  # known atoms compared at once


def largest_cosines(learned: Atoms, known: Atoms) -> npt.NDArray[np.float64]:
    """The cosine of every known atom with the learned one nearest to it, shape ``(M,)``.

    Args:
        learned: shape ``(J, D)``; atoms of length 0 are near to none.
        known: shape ``(M, D)``, none of length 0.

    Example:
        >>> largest_cosines(np.array([[2.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
        array([1., 0.])
    """
    lengths = np.linalg.norm(learned, axis=1, keepdims=True)
    units = np.divide(learned, lengths, out=np.zeros(learned.shape), where=lengths > 0)
    parts = [(known[at : at + CHUNK] @ units.T).max(1) for at in range(0, len(known), CHUNK)]
    return np.asarray(np.concatenate(parts) / np.linalg.norm(known, axis=1))


def recovered(learned: Atoms, known: Atoms, cosine: float = RECOVERED) -> int:
    """Number of known atoms with a learned one nearer than a cosine, between 0 and M.

    Args:
        learned: shape ``(J, D)``.
        known: shape ``(M, D)``.
        cosine: that must be exceeded.
    """
    return int((largest_cosines(learned, known) > cosine).sum())


def cosines(learned: Atoms, known: Atoms) -> npt.NDArray[np.float64]:
    """|cosine| of every learned atom with every known one, shape ``(J, M)``.

    Args:
        learned: shape ``(J, D)``; atoms of length 0 are near to none.
        known: shape ``(M, D)``, none of length 0.
    """
    lengths = np.linalg.norm(learned, axis=1, keepdims=True)
    units = np.divide(learned, lengths, out=np.zeros(learned.shape), where=lengths > 0)
    return np.asarray(np.abs(units @ (known / np.linalg.norm(known, axis=1, keepdims=True)).T))


def matched_cosine(near: npt.NDArray[np.floating]) -> float:
    """MCC: mean absolute cosine of learned and known atoms under their best one-to-one match.

    Args:
        near: of :func:`cosines`, shape ``(J, M)``.

    Example:
        >>> matched_cosine(np.array([[0.9, 0.8], [0.7, 0.1]]))
        0.75
    """
    from scipy.optimize import linear_sum_assignment

    return float(near[linear_sum_assignment(near, maximize=True)].mean())


def uniqueness(near: npt.NDArray[np.floating]) -> float:
    """Share of learned atoms that would be left if one were kept of those nearest to each known.

    Args:
        near: of :func:`cosines`, shape ``(J, M)``.

    Example:
        >>> uniqueness(np.array([[0.9, 0.8], [0.7, 0.1]]))
        0.5
    """
    return len(np.unique(near.argmax(1))) / len(near)


def f1_scores(
    right: npt.NDArray[np.floating],
    on: npt.NDArray[np.floating],
    true: npt.NDArray[np.floating],
) -> npt.NDArray[np.float64]:
    """F1 of every gate as a detector, 2 right/(on + true), 0 for one that is never right.

    Args:
        right: how often a gate is open when its feature is there, shape ``(J,)``.
        on: how often it is open.
        true: how often its feature is there.
    """
    total = np.asarray(on + true, np.float64)
    return np.asarray(np.divide(2 * right, total, out=np.zeros(len(total)), where=total > 0))


def calibration_error(
    probability: npt.NDArray[np.floating], fired: npt.NDArray[np.bool_], bins: int = 15
) -> float:
    """Expected calibration error: mean distance of probability and share that fired in bins.

    Args:
        probability: in [0, 1], shape ``(N,)``.
        fired: whether it happened, shape ``(N,)``.
        bins: of equal counts, by probability; those of one probability are in the order given.

    Example:
        >>> calibration_error(np.array([0.2, 0.4]), np.array([False, True]), bins=2)
        0.4
    """
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(p) * abs(float(probability[p].mean()) - float(fired[p].mean())) for p in parts]
    return sum(gaps) / len(order)
