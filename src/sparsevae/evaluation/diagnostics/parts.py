"""Findings on the parts of a model: decoder, divergence, warm-up, α, slab, pseudo-inputs."""

import math

import numpy as np

from sparsevae.evaluation.diagnostics.finding import Finding
from sparsevae.evaluation.diagnostics.statistics import Statistics
from sparsevae.metrics.collapse import COLLAPSE_SHARE, EMPTY_CODE, FLAT_DECODER

IGNORED = 0.01  # of the reconstruction: what an exchange of codes changes by chance
SWITCHED_OFF = 0.5  # of what it must be at least; published runs that work stay above 0.8
FULL_WARM_UP = 0.999  # what is missing to 1 is unit noise in every slab
UNUSED_SLAB = 0.03  # of what the code is worth; healthy models have from 6 % to all of it
UNUSED_COMPONENTS = 0.2  # of U; healthy mixtures use from 70 % to all of them
FEW_COMPONENTS = 5  # so few that one of them may well do


def _carried(s: Statistics) -> float:
    """Nats that codes carry, NaN for a code without a divergence; one of the two may be off."""
    return float(np.fmax(s.kl.sum(), s.total_kl))


def _read(s: Statistics) -> bool:
    """Whether the decoder reads its codes at all."""
    return s.code_use >= IGNORED * abs(s.reconstruction)


def mean_image(s: Statistics) -> Finding | None:
    """A collapsed decoder, as the metrics define it."""
    if not s.reconstruction > COLLAPSE_SHARE * s.mean_image and s.pixel_variance >= FLAT_DECODER:
        return None
    empty = _carried(s) < EMPTY_CODE
    beside = "" if math.isnan(s.mean_image) else f", the mean image {s.mean_image:.1f}"
    return Finding(
        "decoder prints the mean image",
        "alarm",
        (),
        f"The reconstruction takes {s.reconstruction:.1f} nats{beside}; decoded codes vary by "
        f"{s.pixel_variance:.0%} as much as the data",
        "the codes carry nothing" if empty else "the decoder has not learned to read the codes",
        "train for more steps (a smaller batch, more epochs) or with a larger learning rate, and "
        "lower the weight of divergence or penalty if it was raised",
    )


def code_ignored(s: Statistics) -> Finding | None:
    """A decoder that prints the same whatever the code says."""
    if _read(s):
        return None
    empty = _carried(s) < EMPTY_CODE
    return Finding(
        "decoder ignores the code",
        "alarm",
        (),
        f"With the codes of other images the reconstruction changes by {s.code_use:.1f} of "
        f"{s.reconstruction:.1f} nats",
        "the codes are alike for all images"
        if empty
        else "the decoder was trained on codes of other images, or not long enough",
        "check that in training every image is scored on its own code, then train for more steps",
    )


def divergence_off(s: Statistics) -> Finding | None:
    """A total below the sum over dimensions, which bounds it from below for every mixture."""
    if not s.total_kl < SWITCHED_OFF * s.kl.sum() - EMPTY_CODE:
        return None
    return Finding(
        "divergence switched off",
        "alarm",
        (),
        f"The divergence in the loss is {s.total_kl:.2f} nats, where its dimensions alone have "
        f"{s.kl.sum():.1f}",
        "the sharpened weights of the published prior are all near 0 while its classifier is "
        "undecided",
        "use the prior 'mixture' or 'classifier', whose weights sum to 1",
    )


def warm_up(s: Statistics) -> Finding | None:
    """λ below 1 after training."""
    if s.warm_up >= FULL_WARM_UP:
        return None
    return Finding(
        "warm-up did not end",
        "alarm",
        (),
        f"λ is {s.warm_up:.3g} after training",
        "the schedule of the warm-up does not reach 1, so that every slab is still part noise",
        "give a warm-up that reaches 1 well before the end, such as a ramp from .1 to .15",
    )


def alpha(s: Statistics) -> Finding | None:
    """α where the activity that is penalised cannot go."""
    if not s.alpha < s.lowest_alpha:
        return None
    return Finding(
        "alpha out of reach",
        "alarm",
        (),
        f"α is {s.alpha:.2g}, but the activity that is penalised cannot fall below "
        f"{s.lowest_alpha:.2g}",
        "the published prior passes its spikes through σ(10(γ − ½)), and any activity is cut there"
        " where its logarithm would diverge",
        f"choose alpha above {s.lowest_alpha:.2g}, or the prior 'mixture', whose spikes are free",
    )


def slab(s: Statistics) -> Finding | None:
    """Slabs that could be those of any other image: the code is binary."""
    if not _read(s) or not s.slab_use < UNUSED_SLAB * s.code_use:
        return None
    return Finding(
        "slab unused",
        "warning",
        (),
        f"With slabs of other images behind its own gates an image loses {s.slab_use:.1f} nats, "
        f"with a whole code of another {s.code_use:.1f}",
        "the decoder reads which gates are open and nothing else",
        "let the warm-up end earlier, so that slabs are trained without noise, or train longer",
    )


def components(s: Statistics) -> Finding | None:
    """Weights of a mixture on few of its pseudo-inputs."""
    few = s.components <= FEW_COMPONENTS
    if few or not s.perplexity < UNUSED_COMPONENTS * s.components:
        return None
    return Finding(
        "pseudo-inputs unused",
        "warning",
        (),
        f"The weights of {s.components} pseudo-inputs have a perplexity of {s.perplexity:.1f}",
        "they settled on a few of them before the others had become useful",
        "use the prior 'mixture', whose weights are exact, start pseudo-inputs from training "
        "data, lower the learning rate, or ask for fewer",
    )
