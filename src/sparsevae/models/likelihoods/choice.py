"""Which family fits data, and whether data lie where a family is defined."""

from sparsevae.data.scaling import Values, values_of
from sparsevae.errors import DatasetError
from sparsevae.models.likelihoods.table import Named, family
from sparsevae.models.likelihoods.totals import choose_counts
from sparsevae.storage.arrays import Rows
from sparsevae.storage.sparse import is_sparse

LARGEST_COUNT = 1000  # larger whole numbers are measurements rather than counts


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
    if values.grey:
        return "bernoulli", f"All values are whole numbers {span}: grey levels of 8 bits."
    if values.low >= 0 and values.high <= 1:
        return "bernoulli", f"All values lie {span}, as grey levels and shares do."
    if values.whole and values.low >= 0 and values.high <= LARGEST_COUNT:
        return "poisson", f"All values are whole numbers {span}: counts."
    return "gaussian", f"The values lie {span} and are neither grey levels nor counts."


def check_domain(likelihood: Named, values: Values) -> None:
    """Compare scaled data with where a likelihood is defined.

    Args:
        likelihood: as :func:`family` takes it.
        values: of the scaled data.

    Raises:
        DatasetError: some value lies elsewhere.
    """
    domain = family(likelihood)[0].domain
    unit = values.low >= 0 and values.high <= 1
    counts = values.whole and values.low >= 0
    if (domain == "unit" and not unit) or (domain == "counts" and not counts):
        needed = "values from 0 to 1" if domain == "unit" else "counts (whole numbers from 0)"
        raise DatasetError(
            f"The likelihood {likelihood!r} needs {needed}, but the scaled data lie from "
            f"{values.low:g} to {values.high:g}: choose another likelihood or scaling."
        )
