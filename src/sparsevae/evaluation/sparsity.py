"""How sparse a model's codes are, and for whom, as columns."""

from sparsevae.evaluation.one_pass import Pass
from sparsevae.metrics import keys, sparseness, sparsity
from sparsevae.storage.arrays import Row

OF_CLASSES = (
    keys.SELECTIVITY,
    keys.SELECTIVITY_ALL,
    keys.SELECTIVITY_PERMUTED,
    keys.SPIKE_CLASS_INFORMATION,
    keys.SPIKE_CLASS_INFORMATION_MAX,
)


def sparsity_columns(one: Pass) -> Row:
    """Gates, dimensions in use and uneven entries; what needs classes is None without labels."""
    code, gamma, used, counted = one.measured.code, one.measured.gamma, one.used, one.counted
    row: Row = {
        keys.USED_DIMENSIONS: int(used.sum()),
        keys.ACTIVE_UNITS: (
            None if one.codes_are_points else sparsity.active_units(one.measured.mean)
        ),
        keys.ACTIVE_PER_IMAGE: sparsity.active_per_image(gamma),
        keys.SUM_GAMMA: float(gamma.sum(1).mean()),
        keys.ON_IN_ONE_PERCENT: sparsity.on_in_one_percent(gamma),
        keys.ALWAYS_ON: sparsity.always_on(gamma),
        keys.DEAD: sparsity.dead(gamma, used),
        keys.DEAD_SHARE: sparsity.dead_share(gamma),
        keys.EXACT_ZEROS: sparsity.exact_zeros(code),
        keys.SUPPORT_ENTROPY: sparseness.support_entropy(gamma),
        keys.GATE_ENTROPY: sparseness.gate_entropy(gamma),
        **uneven_columns(code),
        **dict.fromkeys(OF_CLASSES),
    }
    if counted is not None:
        gamma, labels = gamma[counted.places], counted.labels
        information = sparseness.class_information(gamma, labels)
        numbers = (
            sparsity.selectivity(gamma, labels, used),
            sparsity.selectivity(gamma, labels),
            sparsity.permuted_selectivity(gamma, labels, used),
            *sparseness.mean_and_largest(information, used),
        )
        row.update(zip(OF_CLASSES, numbers, strict=True))
    return row


def uneven_columns(codes: sparsity.Floats) -> Row:
    """The measures of sparseness that need neither gates nor labels, codes ``(N, J)``."""
    return {
        keys.HOYER: sparseness.hoyer(codes),
        keys.POPULATION_SPARSENESS: sparseness.population_sparseness(codes),
        keys.LIFETIME_SPARSENESS: sparseness.lifetime_sparseness(codes),
    }
