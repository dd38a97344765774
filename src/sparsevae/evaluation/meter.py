"""How far an evaluation is: the shares of its parts by what they are expected to cost.

Shape legend: N rows of E elements, T training rows, J latent dimensions, K classes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sparsevae.evaluation import limits

Report = Callable[[float], None]

# Seconds on one core of 2024, for the shares of a bar; none of them decides a number.
HALF = 1.2e-8  # an element of a row encoded or decoded
TRAINED = 3e-7  # an element of a row in one training step
STARTED = 100  # elements that a row counts for beside its own: what a step costs in any case
COMPARED = 3.5e-8  # an element of an image in a structural similarity
FITTED = 2e-7  # a number of a code times a class in a linear probe, all strengths and seeds
OF_ALL = 1e-7  # the same in the probe with all training images
NEIGHBOUR = 2e-8  # a labelled row for a scored one
CLUSTERED = 4e-6  # a row times a cluster in k-means
ALWAYS = 0.1  # of every part: imports, arrays
DAMAGED = 20  # times that rows of images are restored
NOISY = 10  # times that rows of a table are
RESTORED = 24  # times half of a row: residuals are learned from, and rows are restored
DRAWS, BOUNDED = 500, 1000
SIZES = (200, 1000, 5000)


@dataclass(frozen=True)
class Extent:
    """How large what is measured is.

    Attributes:
        rows: N, those that are measured.
        training: T.
        elements: E.
        latents: J.
        classes: K; 0 without labels.
        images: whether rows are images.
    """

    rows: int
    training: int
    elements: int
    latents: int
    classes: int
    images: bool

    @classmethod
    def of(
        cls, rows: int, training: int, shape: tuple[int, ...], latents: int, classes: int
    ) -> "Extent":
        """Of rows of one shape, of which as many are measured as memory has room for."""
        elements = 1
        for length in shape:
            elements *= length
        held = limits.rows_held(rows, elements, latents)
        return cls(held, training, elements, latents, classes, len(shape) > 1)


def costs(extent: Extent) -> dict[str, float]:
    """Seconds that each part takes, roughly: measured here once, for the shares of a bar."""
    n, half = extent.rows, HALF * extent.elements
    scored = limits.rows_scored(min(n, BOUNDED), extent.elements, DRAWS)
    ablated = limits.rows_ablated(min(n, 1000), extent.elements, extent.latents)
    classes = min(extent.classes, limits.CLASSES)
    taught = extent.images and 0 < limits.TAUGHT * extent.classes <= extent.training
    learned = classes * sum(size for size in SIZES if size <= extent.training)
    near = sum(10 * size * min(n, 10_000) / 2 for size in SIZES if size <= n / 2)
    similar = COMPARED * extent.elements if extent.images else 0.0
    parts = {
        "codes": 3 * n * half,
        "decoded": n * half,
        "bound": DRAWS * scored * half * (2 if extent.images else 1),
        "quality": (DAMAGED if extent.images else NOISY) * n * (2 * half + similar),
        "denoising": RESTORED * half * (min(extent.training, 4000) + n),
        "ablation": 0.5 * ablated * extent.latents * half,
        "classifier": 3 * half * min(10 * extent.training, 120_000) if taught else 0.0,
        "probes": 2 * (FITTED * learned * extent.latents + NEIGHBOUR * near)
        + OF_ALL * classes * extent.training * extent.latents
        + CLUSTERED * min(n, 2000) * classes,
        "geometry": 2 * half * (1089 + 33 * min(classes**2 / 2, limits.PAIRS)) if taught else 0.0,
        "pictures": half * (1000 + 15 * extent.latents),
        "diagnostics": 10 * min(n, 1000) * half,
    }
    return {name: seconds + ALWAYS for name, seconds in parts.items()}


def images_worth(extent: Extent) -> int:
    """Images to train on that take as long as the whole evaluation, roughly; at least 1.

    Example:
        >>> images_worth(Extent(10_000, 60_000, 784, 64, 10, True)) > 10_000
        True
    """
    return max(1, round(sum(costs(extent).values()) / (TRAINED * (extent.elements + STARTED))))


class Meter:
    """Tells a function how much of all parts is done, from 0 to 1 and never back.

    Args:
        report: called with the share.
    """

    def __init__(self, report: Report = lambda share: None) -> None:
        self.report = report
        self.expect({})

    def expect(self, seconds: Mapping[str, float]) -> None:
        """Begin anew, with the parts that will be entered; others count for nothing."""
        self.seconds, self.done, self.total = dict(seconds), 0.0, sum(seconds.values())
        self.inside = [0.0]  # expected seconds of the parts that are open, the innermost last
        self.told = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part is at work; it is done at the end, whether it told of it or not."""
        self.inside.append(self.seconds.pop(name, 0.0))
        try:
            yield
        finally:
            self.done += self.inside.pop()
            self._tell(self.done)

    def tick(self, share: float) -> None:
        """So much of the part at work is done."""
        self._tell(self.done + share * self.inside[-1])

    def finish(self) -> None:
        """All is done, and what was not entered is not missed."""
        self._tell(self.total)

    def _tell(self, seconds: float) -> None:
        share = min(1.0, seconds / self.total) if self.total else 0.0
        if share > self.told:
            self.told = share
            self.report(share)
