"""Findings on dimensions: dead, always on, saturated, sunk.

Shape legend: J latent dimensions.
"""

from sparsevae.evaluation.diagnostics.finding import Finding, dimensions
from sparsevae.evaluation.diagnostics.statistics import OPEN, SHUT, Statistics
from sparsevae.metrics.collapse import DENSE_ALPHA, DENSE_SHARE
from sparsevae.metrics.sparsity import ALWAYS_ON, DEAD, used_mask

EMPTY_DIMENSION = 0.01  # nats an image; without gates a dimension below it equals its prior
MANY_DEAD = 0.5  # of all dimensions; a good model leaves some out
SUNK = 0.1  # of the activity α·J that is asked for; healthy models keep to it within a half


def dead(s: Statistics) -> Finding | None:
    """Dimensions that are off, or equal their prior, and that the decoder does not use."""
    quiet = s.on_share < DEAD if s.gated else s.kl < EMPTY_DIMENSION
    unused = quiet & ~used_mask(s.ablation_cost)
    if not unused.any():
        return None
    sign = "the gate never opens" if s.gated else "the posterior equals the prior"
    return Finding(
        "dead dimensions",
        "warning" if s.gated and unused.mean() > MANY_DEAD else "note",
        dimensions(unused),
        f"In {unused.sum()} of {len(unused)} dimensions {sign} and the decoder does without them",
        "what they could say is worth less to the decoder than their divergence costs",
        "use the prior 'mixture' with a sparsity penalty on each dimension, or fewer dimensions"
        if s.gated
        else "use fewer dimensions, or a smaller weight of the divergence",
    )


def always_on(s: Statistics) -> Finding | None:
    """Gates on in more than 95 % of images; an alarm where most open gates are such."""
    constant = s.on_share > ALWAYS_ON
    if not s.gated or not constant.any():
        return None
    share = float(s.gamma[constant].sum() / s.gamma.sum())
    return Finding(
        "dimensions always on",
        "alarm" if share > DENSE_SHARE and s.alpha < DENSE_ALPHA else "note",
        dimensions(constant),
        f"In {constant.sum()} of {len(constant)} dimensions the gate is on for nearly every "
        f"image, and these make up {share:.0%} of all open gates",
        "a gate that is open for all images costs −log α once, and a penalty on the mean over "
        "dimensions does not mind",
        "put the sparsity penalty on each dimension ('prior' or 'posterior') and raise its weight",
    )


def saturated(s: Statistics) -> Finding | None:
    """Gates with γ near 0, or near 1, for every image; an alarm where all are."""
    decided = s.open | s.shut
    if not s.gated or not decided.any():
        return None
    return Finding(
        "saturated gates",
        "alarm" if decided.all() and s.alpha < DENSE_ALPHA else "note",
        dimensions(decided),
        f"γ is above {OPEN} for every image in {s.open.sum()} and below {SHUT} in {s.shut.sum()} "
        f"of {len(decided)} dimensions",
        "hardly any gradient reaches a gate that is decided alike for all images",
        "raise the activity that is asked for or the temperature of the relaxation, or let the "
        "weight of the divergence rise from 0",
    )


def sunk(s: Statistics) -> Finding | None:
    """Spike probabilities of posterior and prior that have gone to 0 together."""
    posterior, prior = float(s.gamma.sum()), float(s.prior_gamma.sum())
    wanted = s.alpha * len(s.gamma)
    if not s.gated or posterior > SUNK * wanted or not prior < SUNK * wanted:
        return None
    return Finding(
        "spikes sunk to 0",
        "alarm",
        dimensions(s.gamma < SHUT),
        f"Posterior and prior open {posterior:.2g} and {prior:.2g} gates an image where "
        f"{wanted:.2g} are asked for",
        "both can shrink together at no cost in divergence until the penalty has no gradient left",
        "lower the weight of the penalty, give target_active in place of alpha, or let the weight "
        "of the divergence rise from 0",
    )
