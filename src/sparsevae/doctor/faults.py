"""Statistics in, verdicts out: what is wrong with a model's codes, why, and what helps.

Shape legend: J latent dimensions, U components of a prior.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from sparsevae.doctor.statistics import Statistics
from sparsevae.doctor.watch import DENSE_SHARE
from sparsevae.evaluation import COLLAPSE_SHARE, FLAT_DECODER
from sparsevae.metrics.sparsity import ALWAYS_ON, DEAD, used_mask

Severity = Literal["alarm", "warning", "note"]

IGNORED = 0.01  # of the reconstruction: what draws alone change when the code does not matter
EMPTY_KL = 0.5  # nats an image: less does not tell two images apart
EMPTY_DIMENSION = 0.01  # nats an image: the threshold of active units, as a divergence
MANY_DEAD = 0.5  # of all dimensions; a good model prunes some, and a VAE most
SUNK = 0.1  # of the activity α·J that is asked for: a healthy model is within a factor of two
DENSE_ALPHA = 0.5  # from here on α does not ask for sparse codes
UNUSED_SLAB = 0.05  # of what the whole code is worth; healthy models have a tenth to a half
UNUSED_COMPONENTS = 0.2  # of U; healthy mixtures use nine tenths, the published one a tenth
MANY_COMPONENTS = 5  # with fewer, one may suffice
FULL_WARM_UP = 0.999  # of the slab is the posterior's own; below, its noise is not negligible


@dataclass(frozen=True)
class Finding:
    """One verdict.

    Attributes:
        name: of the fault.
        severity: "alarm" where numbers of the run mislead or the run is lost, "warning" where
            something that was asked for is missing, "note" for what healthy models show too.
        subject: the dimensions it is about; empty when it is about the model.
        evidence: what was measured.
        cause: how that comes about.
        cure: what to do.
    """

    name: str
    severity: Severity
    subject: tuple[int, ...]
    evidence: str
    cause: str
    cure: str

    @property
    def sentence(self) -> str:
        """Evidence, cause and cure in one sentence."""
        return f"{self.evidence}, because {self.cause}; {self.cure}."


def _dimensions(chosen: Any) -> tuple[int, ...]:
    return tuple(np.flatnonzero(chosen).tolist())


def _mean_image(s: Statistics) -> Finding | None:
    flat = s.pixel_variance < FLAT_DECODER
    if not flat and not s.reconstruction > COLLAPSE_SHARE * s.mean_image:
        return None
    empty = s.total_kl < EMPTY_KL
    return Finding(
        "decoder prints the mean image",
        "alarm",
        (),
        f"The reconstruction takes {s.reconstruction:.1f} nats where the mean image takes "
        f"{s.mean_image:.1f}, and decoded codes vary by {s.pixel_variance:.0%} as much as data",
        f"codes carry only {s.total_kl:.2f} nats" if empty else "training ended too early",
        "train for more steps (a smaller batch, more epochs) or with a larger learning rate, and "
        "lower the weight of the divergence if it was raised",
    )


def _code_ignored(s: Statistics) -> Finding | None:
    if s.code_use >= IGNORED * abs(s.reconstruction):
        return None
    empty = s.total_kl < EMPTY_KL
    return Finding(
        "decoder ignores the code",
        "alarm",
        (),
        f"With the code of another image the reconstruction changes by {s.code_use:.1f} of "
        f"{s.reconstruction:.1f} nats",
        "the codes are the same for every image"
        if empty
        else "the decoder was trained with codes that do not belong to its images, or cannot "
        "reach them",
        "check that in training the decoder gets the code of the image that it is scored on, then "
        "train longer",
    )


def _dead(s: Statistics) -> Finding | None:
    quiet = s.on_share < DEAD if s.gated else s.kl < EMPTY_DIMENSION
    dead = quiet & ~used_mask(s.rises)
    if not dead.any():
        return None
    count, latents = int(dead.sum()), len(dead)
    sign = "their gate never opens" if s.gated else "their posterior is the prior"
    return Finding(
        "dead dimensions",
        "warning" if s.gated and count > MANY_DEAD * latents else "note",
        _dimensions(dead),
        f"{count} of {latents} dimensions are dead: {sign} and the decoder does without them",
        "what they could say is worth less to the decoder than their divergence costs",
        "use the mixture prior with a sparsity penalty on each dimension, or fewer dimensions",
    )


def _always_on(s: Statistics) -> Finding | None:
    if not s.gated or not (s.on_share > ALWAYS_ON).any():
        return None
    always = s.on_share > ALWAYS_ON
    share = float(s.gamma[always].sum() / s.gamma.sum())
    dense = share > DENSE_SHARE and s.alpha < DENSE_ALPHA
    return Finding(
        "dimensions always on",
        "alarm" if dense else "note",
        _dimensions(always),
        f"{int(always.sum())} of {len(always)} gates are on for nearly every image and make up "
        f"{share:.0%} of all open gates",
        "opening a gate for all images costs no more than −log α once, and a penalty on the mean "
        "over dimensions allows it",
        "put the sparsity penalty on each dimension (penalty 'prior' or 'posterior') and raise "
        "its weight",
    )


def _saturated(s: Statistics) -> Finding | None:
    if not s.gated or not (s.open | s.shut).any():
        return None
    stuck = s.open | s.shut
    return Finding(
        "saturated gates",
        "alarm" if stuck.all() and s.alpha < DENSE_ALPHA else "note",
        _dimensions(stuck),
        f"γ is above 0.99 for every image in {int(s.open.sum())} and below 0.01 in "
        f"{int(s.shut.sum())} of {len(stuck)} dimensions",
        "hardly any gradient reaches a gate that decides the same for every image",
        "raise the temperature of the relaxation or the activity that is asked for, or ramp the "
        "divergence up from 0",
    )


def _sunk(s: Statistics) -> Finding | None:
    if not s.gated:
        return None
    wanted = SUNK * s.alpha * len(s.gamma)
    posterior, prior = float(s.gamma.sum()), float(s.prior_gamma.sum())
    if posterior > wanted or prior > wanted:
        return None
    return Finding(
        "spikes sunk to 0",
        "alarm",
        _dimensions(np.ones_like(s.shut)),
        f"Posterior and prior keep {posterior:.2g} and {prior:.2g} gates open, where α asks for "
        f"{s.alpha * len(s.gamma):.2g}",
        "both shrink together at no cost in divergence until the penalty's gradient vanishes",
        "lower the penalty's weight, ramp the divergence up from 0, or give target_active in "
        "place of alpha",
    )


def _warm_up(s: Statistics) -> Finding | None:
    if s.warm_up >= FULL_WARM_UP:
        return None
    return Finding(
        "warm-up did not end",
        "alarm",
        (),
        f"λ is {s.warm_up:.3g} after training",
        "the schedule of the warm-up does not reach 1, so slabs are still part noise",
        "give a warm-up that reaches 1 well before the end of training, such as a ramp with "
        "start 0.1 and end 0.15",
    )


def _alpha(s: Statistics) -> Finding | None:
    if not s.alpha < s.lowest_alpha:
        return None
    return Finding(
        "alpha out of reach",
        "alarm",
        (),
        f"α is {s.alpha:.2g}, and what the penalty acts on cannot fall below {s.lowest_alpha:.2g}",
        "the published prior passes its spikes through σ(10(γ − ½)), or the activity is clamped",
        f"choose α above {s.lowest_alpha:.2g}, or the prior 'mixture', whose spikes have no floor",
    )


def _slab(s: Statistics) -> Finding | None:
    if not s.slab_use < UNUSED_SLAB * s.code_use:
        return None
    return Finding(
        "slab unused",
        "warning",
        (),
        f"With slabs of other images behind the same gates the reconstruction loses "
        f"{s.slab_use:.1f} nats, with other codes {s.code_use:.1f}",
        "the decoder reads which gates are open and not how much: the code is binary",
        "let the warm-up end earlier, so that slabs are trained at λ = 1, or train longer",
    )


def _components(s: Statistics) -> Finding | None:
    if not s.perplexity < UNUSED_COMPONENTS * s.components or s.components < MANY_COMPONENTS:
        return None
    return Finding(
        "pseudo-inputs unused",
        "warning",
        (),
        f"The weights of {s.components} pseudo-inputs have a perplexity of {s.perplexity:.1f}",
        "the weights settled on a few of them before the others had become useful",
        "use the prior 'mixture' with its exact weights, start pseudo-inputs from training data, "
        "or ask for fewer",
    )


CHECKS: tuple[Callable[[Statistics], Finding | None], ...] = (
    _mean_image,
    _code_ignored,
    _sunk,
    _saturated,
    _always_on,
    _dead,
    _warm_up,
    _alpha,
    _slab,
    _components,
)


def findings(statistics: Statistics) -> tuple[Finding, ...]:
    """Every fault that the statistics show, alarms first."""
    found = [finding for check in CHECKS if (finding := check(statistics)) is not None]
    order = get_args(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))
