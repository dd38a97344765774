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
