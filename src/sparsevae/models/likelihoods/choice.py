"""Which family fits data, and whether data lie where a family is defined.

The rule looks at the values of training rows alone, never at a name. What decides for levels of
images and shares is how much of the grey Bernoulli score is entropy of the levels themselves: a
decoder can only win the rest, and for grey photographs there is hardly any.

Shape legend: N rows of shape (D,) or (C, H, W).
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import entr

from sparsevae.data.scaling import Values, values_of
from sparsevae.errors import DatasetError
from sparsevae.models.likelihoods.table import Named, family, name_of
from sparsevae.models.likelihoods.totals import choose_counts
from sparsevae.storage.arrays import Array, Rows, blocks, place_of
from sparsevae.storage.sparse import is_sparse, stored

LARGEST_COUNT = 1000  # larger whole numbers are measurements rather than counts
HIDDEN = 1 / 3  # of the mean row's score: handwritten digits have .22, photographs .5 to .9
PILE, FEWEST = 0.01, 10  # share and number of elements at the top by which a scale ends there
LOOKED_AT = 10_000  # rows, evenly spaced, for shares of values


def choose(x: Rows) -> tuple[Named, str]:
    """The family that fits the values of raw data, and the reason in one sentence.

    Args:
        x: rows of shape (D,) or (C, H, W), finite numbers, shape ``(N, ...)``.

    Example:
        >>> import numpy as np
        >>> choose(np.array([[0, 3], [7, 1]]))
        ('poisson', 'All values are whole numbers from 0 to 7: counts.')
    """
    values = values_of(x)
    span = f"from {values.low:g} to {values.high:g}"
    if is_sparse(x) and values.whole and values.low >= 0:
        return choose_counts(x)
    if values.two:
        return "bernoulli", f"There are two values, {values.low:g} and {values.high:g}."
    levels = values.grey or (values.low >= 0 and values.high <= 1) or _is_scale(x, values)
    if levels and values.low < values.high:
        return _of_levels(x, values, span)
    if values.whole and values.low >= 0 and values.high <= LARGEST_COUNT:
        return "poisson", f"All values are whole numbers {span}: counts."
    if x.ndim > 2:
        return "shared-gaussian", f"The values of the images lie {span}: one error for all pixels."
    return "diagonal-gaussian", f"The values lie {span}: an error of its own for every column."


def hidden_share(x: Rows) -> float:
    """The part of the mean row's grey Bernoulli score that is entropy of the values themselves.

    E[h(x)] / h(E[x]) with h the entropy of a Bernoulli, summed over the elements of rows that are
    brought to [0, 1]: 0 for black and white, 1 where the score tells no row from the mean row.

    Args:
        x: rows, shape ``(N, ...)``, not all of them equal numbers.

    Example:
        >>> import numpy as np
        >>> hidden_share(np.array([[0.0, 1.0], [1.0, 0.0]]))
        0.0
    """
    rows = _some(x)
    low, high = float(rows.min()), float(rows.max())
    sums, own = np.zeros(rows.shape[1:]), 0.0
    for block in blocks(rows):
        unit = (block.astype(np.float64) - low) / (high - low if high > low else 1.0)
        sums += unit.sum(0)
        own += float(_entropy(unit).sum())
    of_mean = float(_entropy((sums / len(rows)).clip(0, 1)).sum())
    return own / len(rows) / of_mean if of_mean > 0 else 1.0


def _entropy(p: Array) -> Array:
    return np.asarray(entr(p) + entr(1 - p))


def _some(x: Rows) -> Array:
    """Up to :data:`LOOKED_AT` rows, evenly spaced."""
    return np.asarray(x[:: max(1, -(-len(x) // LOOKED_AT))])


def _is_scale(x: Rows, values: Values) -> bool:
    """Whether whole numbers pile up at their largest, as levels do; counts thin out there."""
    if not values.whole or values.low < 0:
        return False
    top = sum(int((block == values.high).sum()) for block in blocks(x))
    return top >= max(FEWEST, PILE * x.size)


def _of_levels(x: Rows, values: Values, span: str) -> tuple[str, str]:
    """Between black and white with few levels in between, and levels that are measurements."""
    share = hidden_share(x)
    if share <= HIDDEN:
        return "bernoulli", f"The values {span} are nearly black and white."
    family_name = "shared-gaussian" if x.ndim > 2 else "diagonal-gaussian"
    return family_name, (
        f"The values {span} are levels: {share:.0%} of the mean row's grey Bernoulli score would "
        "be their own entropy."
    )


def check_domain(likelihood: Named, x: Rows, start: int = 0, columns: Sequence[str] = ()) -> None:
    """Compare scaled data with where a likelihood is defined.

    Args:
        likelihood: as :func:`family` takes it.
        x: scaled rows, shape ``(N, ...)``.
        start: place of the first of them among all rows.
        columns: names of a table's columns, where they have some.

    Raises:
        DatasetError: some value lies elsewhere.
    """
    domain = family(likelihood)[0].domain
    if domain == "real":
        return
    values = stored(x) if is_sparse(x) else x[:]
    bad = (values < 0) | ((values > 1) if domain == "unit" else (values != np.floor(values)))
    if not bad.any():
        return
    needed = "values from 0 to 1" if domain == "unit" else "counts (whole numbers from 0)"
    first = "" if is_sparse(x) else f", and {place_of(bad, start, columns)} is {values[bad][0]:g}"
    raise DatasetError(
        f"The likelihood {name_of(likelihood)!r} needs {needed}, but the scaled data lie from "
        f"{np.fmin.reduce(values, None):g} to {np.fmax.reduce(values, None):g}{first}: correct "
        "them, or choose another likelihood or scaling."
    )
