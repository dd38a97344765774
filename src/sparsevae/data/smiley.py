"""Smiley: binary 32x32 faces drawn from a known and sparse set of factors.

Four groups of attributes (bow tie, hat, eyes, mouth) are each present with probability 1/2; 18
factors say how the present ones look, each N(0, 0.5^2). The images depend on nothing else, so a
latent code can be held against the factors that made them.
Source: Tonolini, Jensen and Murray-Smith, Variational Sparse Coding, UAI 2019.

Shapes: n images; rows and columns of the canvas run from 1 to 32, from the top left.
"""

import io
from typing import NamedTuple

import numpy as np

from sparsevae.data import bow_tie, sources
from sparsevae.data.bow_tie import Floats, Mask, nearest
from sparsevae.data.dataset import Dataset, Images, Split
from sparsevae.data.sources import DataFile, Source

SIDE = 32
GROUPS = {
    "bow tie": slice(0, 4),
    "hat": slice(4, 10),
    "eyes": slice(10, 13),
    "mouth": slice(13, 18),
}
FACTORS = 18
SPREAD = 0.5
TRAIN_IMAGES, TRAIN_SEED = 60_000, 1
TEST_IMAGES, TEST_SEED = 20_000, 2
AT_ONCE = 1000
"""Images drawn at once: enough to be fast, few enough for a small memory."""

OFFICIAL = Source(
    name="smiley",
    subfolders=("Smiley", "smiley"),
    public=(),
    files=(
        DataFile(
            "smily_sparse_dataset_test_Alpha05.mat",
            3_655_677,
            "0c835e2b499f2b5128b4e3d582bca80c2255fa7892206abaf919e122ecd0194a",
        ),
    ),
)


class Faces(NamedTuple):
    """Images and what they were drawn from.

    Attributes:
        images: (n, 1, 32, 32) uint8, 0 or 255.
        sources: (n, 18) float64, the value of each factor, 0 where it is absent.
        presence: (n, 18) bool, whether each factor is present; alike within a group.
    """

    images: Images
    sources: Floats
    presence: Mask


def sample(count: int, seed: int) -> Faces:
    """`count` new faces; fewer of the same seed are the first of more."""
    groups = np.random.default_rng([seed, 0]).random((count, len(GROUPS))) < 0.5
    values = np.random.default_rng([seed, 1]).normal(0.0, SPREAD, (count, FACTORS))
    presence = np.repeat(groups, [g.stop - g.start for g in GROUPS.values()], axis=1)
    chosen = np.where(presence, values, 0.0)
    return Faces(draw(chosen, presence), chosen, presence)


def draw(factors: Floats, presence: Mask) -> Images:
    """The faces that belong to factors.

    Args:
        factors: (n, 18) values, in the order of `GROUPS`.
        presence: (n, 18) whether each is present.

    Returns:
        (n, 1, 32, 32) uint8, 0 or 255.
    """
    images = np.zeros((len(factors), 1, SIDE, SIDE), dtype=np.uint8)
    for start in range(0, len(factors), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        images[part, 0] = _faces(factors[part], presence[part]) * np.uint8(255)
    return images


def official() -> Faces | None:
    """The 20,000 published test images; None where `SPARSEVAE_DATA` names no folder with them.

    Raises:
        DatasetError: If a file of that name, in `Smiley` or directly there, has another content.
    """
    content = sources.find(OFFICIAL, OFFICIAL.files[0])
    if content is None:
        return None
    from scipy.io import loadmat

    arrays = loadmat(io.BytesIO(content))
    stored = arrays["X"].reshape(-1, 1, SIDE, SIDE)  # column by column
    upright = np.ascontiguousarray(stored.swapaxes(2, 3))
    presence = arrays["S"].astype(bool)
    return Faces(upright * np.uint8(255), np.where(presence, arrays["V"], 0.0), presence)


def smiley() -> Dataset:
    """60,000 generated training images and 20,000 test images, with factors and without labels.

    37 % of the official test images are in the training split too: a face without attributes is
    always the same disc, and pixels leave few distinct eyes. `note` says where the test images
    are from.

    Raises:
        DatasetError: If a copy of the official test file has another content.
    """
    published = official()
    origin = "are the official file" if published else f"are generated with seed {TEST_SEED}"
    train, test = (
        Split(faces.images, factors=np.where(faces.presence, faces.sources, np.nan))
        for faces in (
            sample(TRAIN_IMAGES, TRAIN_SEED),
            published or sample(TEST_IMAGES, TEST_SEED),
        )
    )
    note = f"Training images are generated with seed {TRAIN_SEED}, test images {origin}."
    return Dataset("smiley", train, test, note=note, factor_groups=GROUPS)


def _faces(factors: Floats, presence: Mask) -> Mask:
    """(n, 32, 32) faces, painted one attribute over the other."""
    tie, hat, eyes, mouth = (
        (factors[:, g].T, presence[:, g.start, None, None]) for g in GROUPS.values()
    )
    head = _disc(np.array([16.5]), np.array([16.5]), np.array([10.0]))
    canvas = head | bow_tie.paint(tie[0], SIDE) & tie[1]
    canvas = canvas & ~(_eyes(eyes[0]) & eyes[1])
    canvas = canvas & ~(_mouth(mouth[0]) & mouth[1])
    return canvas | _hat(hat[0]) & hat[1]


def _eyes(factors: Floats) -> Mask:
    apart, row, size = factors
    left = _disc(16.5 - (4 + apart), 14 + row, 2 + size)
    return left | _disc(16.5 + (4 + apart), 14 + row, 2 + size)


def _mouth(factors: Floats) -> Mask:
    m0, m1, m2, m3, m4 = factors
    column, row, width, height = 16 + 0.5 * m2, 22 + 0.5 * m3, 4 + m0, 2 + m1
    left, right = nearest(column - width / 2), nearest(column + width / 2)
    painted = _box(nearest(row - height / 2), nearest(row + height / 2), left, right)
    for out, corner in ((1, nearest(row + m4)), (2, nearest(row + 1.4 * m4))):
        painted |= _box(corner, corner, left - out, left - out)
        painted |= _box(corner, corner, right + out, right + out)
    return painted


def _hat(factors: Floats) -> Mask:
    h0, h1, h2, h3, h4, h5 = factors
    column, row, width, height = 16.5 + h0, 6 + h1, 15 + 3 * h2, 2 + 2 * h3
    top, bottom = nearest(row - height / 2), nearest(row + height / 2)
    brim = _box(top, bottom, nearest(column - width / 2), nearest(column + width / 2))
    crown = 10 + 2 * h4
    left, right = nearest(column - crown / 2), nearest(column + crown / 2)
    return brim | _box(nearest(top - (2 + h5)), top, left, right)


def _grid() -> tuple[Floats, Floats]:
    line = np.arange(1.0, SIDE + 1)
    return line[None, :, None], line[None, None, :]


def _box(top: Floats, bottom: Floats, left: Floats, right: Floats) -> Mask:
    """(n, 32, 32) rectangles, both ends included; what lies outside the canvas is cut off."""
    rows, columns = _grid()
    top, bottom, left, right = (edge[:, None, None] for edge in (top, bottom, left, right))
    return (top <= rows) & (rows <= bottom) & (left <= columns) & (columns <= right)


def _disc(column: Floats, row: Floats, radius: Floats) -> Mask:
    """(n, 32, 32) discs, the rim included."""
    rows, columns = _grid()
    column, row, radius = (edge[:, None, None] for edge in (column, row, radius))
    squared = (rows - row) ** 2 + (columns - column) ** 2
    return squared <= np.maximum(radius, 0) ** 2
