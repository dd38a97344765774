"""One pass of a model over rows: every part is computed when it is first read, and once.

Shape legend: N rows, J latent dimensions.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sparsevae.data import Dataset, Split
from sparsevae.data.dataset import Factors, Labels
from sparsevae.data.scaling import GREY, Scaling
from sparsevae.evaluation import pictures
from sparsevae.evaluation.classifier import Classifier, classifier
from sparsevae.evaluation.denoising import Denoiser, can_denoise, rows_needed
from sparsevae.evaluation.factors import factor_columns
from sparsevae.evaluation.limits import TAUGHT, Counted, counted, rows_held, sample
from sparsevae.evaluation.meter import Extent, Meter
from sparsevae.evaluation.passes import Measured, ablation_cost, batched, mean_image, measure
from sparsevae.metrics import bounds, images, sparsity
from sparsevae.metrics.table import DENOISED
from sparsevae.models import Model
from sparsevae.models.distributions import Point
from sparsevae.storage.arrays import Array, Floats, Row, Rows

DRAW_SEED, TRAIN_DRAW_SEED = 0, 1  # of rows that a likelihood draws, measured and training ones
READ_TWICE = tuple(f"noise_{sigma}" for sigma in DENOISED)  # by quality and by the denoiser


def drawn(model: Model, x: Floats, rng: np.random.Generator) -> Floats:
    """Scaled rows, or, where the model's likelihood draws rows, zeros and ones drawn from them.

    Args:
        model: with the likelihood.
        x: shape ``(N, *shape)``.
        rng: that they are drawn with.
    """
    return (rng.random(x.shape) < x).astype(np.float32) if model.family.draws else x


@dataclass(frozen=True, eq=False)
class Pass:
    """A model, the rows that it is measured on, and what it says of them.

    Attributes:
        model: on any device, in evaluation mode.
        rows: raw where there is a scaling, otherwise as the model takes them, ``(N, *shape)``;
            what is more than :func:`sparsevae.evaluation.limits.rows_held` is not looked at.
        labels: class of every row, shape ``(N,)``; None without classes.
        train: training rows, which probes, classifier and the mean image are made from.
        scaling: from raw rows to the model's; None where they are the model's already.
        factors: what rows were drawn from, shape ``(N, K)``, NaN where a factor is absent.
        factor_groups: columns of the factors that belong together.
        class_count: number of classes where some may have no row here.
        classifier_file: where the classifier is kept; None trains it and keeps it nowhere.
        meter: told how far the work is.
        given: number of the rows that these were taken from.
        refine: gradient steps on every row's posterior, see
            :mod:`sparsevae.evaluation.refinement`.
        kept: restored rows that another group will read, by the name of their damage.
    """

    model: Model
    rows: Rows
    labels: Labels | None = None
    train: Split | None = None
    scaling: Scaling | None = None
    factors: Factors | None = None
    factor_groups: tuple[slice, ...] = ()
    class_count: int = 0
    classifier_file: Path | None = None
    meter: Meter = field(default_factory=Meter)
    given: int = 0
    refine: int = 0
    kept: dict[str, Floats] = field(default_factory=dict)

    @classmethod
    def over(
        cls,
        model: Model,
        rows: Rows,
        labels: Labels | None = None,
        *,
        factors: Factors | None = None,
        **settings: Any,
    ) -> "Pass":
        """Over rows, or a fixed sample of them where they are more than is measured at once.

        Args:
            model: in evaluation mode.
            rows: shape ``(N, *shape)``.
            labels: class of every row, shape ``(N,)``.
            factors: of every row, shape ``(N, K)``.
            **settings: further attributes.
        """
        given, held = len(rows), rows_held(len(rows), math.prod(model.shape), model.latents)
        if held < given:
            chosen = sample(given, held)
            rows = rows[chosen]
            labels = None if labels is None else labels[chosen]
            factors = None if factors is None else factors[chosen]
        return cls(model, rows, labels, factors=factors, given=given, **settings)

    @classmethod
    def of(cls, model: Model, dataset: Dataset, **settings: Any) -> "Pass":
        """Over the test split of a data set, with its training split.

        Args:
            model: in evaluation mode.
            dataset: with the rows.
            **settings: ``classifier_file`` and ``meter``.
        """
        test = dataset.test
        return cls.over(
            model,
            test.images,
            test.labels,
            factors=test.factors,
            train=dataset.train,
            scaling=test.scaling or GREY,
            factor_groups=tuple(dataset.factor_groups.values()),
            class_count=len(dataset.classes),
            **settings,
        )

    @cached_property
    def scaled(self) -> Floats:
        """The rows, scaled; images with their grey levels, as the classifier sees them."""
        if self.scaling is None:
            return np.require(self.rows[:], np.float32, ["C", "W"])
        return self.scaling.apply(self.rows)

    @cached_property
    def x(self) -> Floats:
        """The rows as the model takes them; of a likelihood that draws them, one draw."""
        return drawn(self.model, self.scaled, np.random.default_rng(DRAW_SEED))

    @cached_property
    def target(self) -> Floats:
        """The rows as the likelihood scores them.

        They are not cut off at the ends of a scaling where the likelihood is a density.
        """
        scaling, density = self.scaling, self.model.family.continuous
        if scaling is None or scaling.kind != "minmax" or self.outside or not density:
            return self.x
        return scaling.apply(self.rows, clip=False)

    @cached_property
    def outside(self) -> bool:
        """Whether a row lies where the likelihood, a density on [0, 1], is 0."""
        family = self.model.family
        if self.scaling is None or not (family.continuous and family.domain == "unit"):
            return False
        scaled = self.scaling.apply(self.rows, clip=False)
        return bool(scaled.min() < 0 or scaled.max() > 1)

    def log_volume(self, rows: int | None = None) -> float:
        """Nats a row by which a density of raw rows lies below that of the model's rows.

        Args:
            rows: the mean is over so many of the first ones, None all; rows with gaps differ.
        """
        if self.scaling is None or not self.model.family.continuous:
            return 0.0
        if self.model.family.reading == "gaps":
            return float(self.scaling.log_volumes(self.x[:rows]).mean())
        return self.scaling.log_volume(self.model.shape)

    @property
    def classes(self) -> int:
        """Number of classes; 0 without labels."""
        splits = (self.labels, self.train.labels if self.train else None)
        largest = (int(labels.max()) + 1 for labels in splits if labels is not None)
        return max(self.class_count, *largest, 0)

    @property
    def extent(self) -> Extent:
        """How large the work is."""
        training = 0 if self.train is None else len(self.train)
        classes = self.classes if self.train is not None and self.train.labels is not None else 0
        shape, latents = tuple(self.model.shape), self.model.latents
        return Extent.of(len(self.rows), training, shape, latents, classes)

    @cached_property
    def counted(self) -> Counted | None:
        """The rows and classes that columns about classes are of; None where there are none."""
        return None if self.labels is None else counted(self.labels)

    @cached_property
    def measured(self) -> Measured:
        """Codes, spike probabilities and terms of the bound of every row."""
        with self.meter.part("codes"):
            return measure(self.model, self.x, target=self.target, refine=self.refine)

    @cached_property
    def codes_are_points(self) -> bool:
        """Whether a posterior is one value, which has no divergence and no units in use."""
        where = next(self.model.parameters()).device
        with torch.no_grad():
            return isinstance(self.model.posterior(torch.from_numpy(self.x[:1]).to(where)), Point)

    @cached_property
    def decoded(self) -> Floats:
        """The mean row decoded from every code, shape ``(N, *shape)``."""
        codes = self.measured.code
        with self.meter.part("decoded"):
            return batched(self.model.decode, codes, self.model)

    def restored(self, name: str, damaged: Floats) -> Floats:
        """The mean rows decoded from the codes of damaged ones, shape ``(N, *shape)``.

        Args:
            name: of the damage; what two groups read is kept.
            damaged: rows as the model takes them, shape ``(N, *shape)``.
        """
        if name in self.kept:
            return self.kept.pop(name)
        rows = batched(self.model.reconstruct, damaged, self.model)
        if name in READ_TWICE:
            self.kept[name] = rows
        return rows

    @cached_property
    def pixel_variance(self) -> float:
        """Variance of the decoded rows as a share of the rows' own."""
        return images.variance_share(self.decoded, self.x)

    @cached_property
    def collapse_floor(self) -> float:
        """Nats a row of a decoder that prints the mean training row.

        NaN without training rows, or for a likelihood that is no score of grey levels.
        """
        if self.train is None or self.model.family.normalised:
            return math.nan
        return bounds.collapse_floor(mean_image(self.train), self.x)

    @cached_property
    def denoiser(self) -> Denoiser | None:
        """What is learned of the residuals of noisy training rows; None without those."""
        if self.train is None or not can_denoise(self.model):
            return None
        some = Split(self.train.images[: rows_needed(self.model)], None, self.train.scaling)
        rng = np.random.default_rng(TRAIN_DRAW_SEED)
        return Denoiser.learned(self.model, drawn(self.model, some.scaled(), rng))

    @cached_property
    def ablation_cost(self) -> Floats:
        """Nats that the reconstruction loses without a dimension, shape ``(J,)``."""
        measured = self.measured
        with self.meter.part("ablation"):
            return ablation_cost(self.model, self.target, measured, self.meter.tick)

    @cached_property
    def used(self) -> npt.NDArray[np.bool_]:
        """Dimensions that the decoder needs, shape ``(J,)``."""
        return sparsity.used_mask(self.ablation_cost)

    @cached_property
    def classifier(self) -> Classifier | None:
        """The classifier of the training rows; None without enough labelled images.

        There are enough where a class has five on average. Rows with gaps have none.
        """
        gaps = self.model.family.reading == "gaps"
        if self.train is None or self.train.labels is None or gaps:
            return None
        if len(self.train) < TAUGHT * self.classes:
            return None
        with self.meter.part("classifier"):
            ticks = self.meter.tick
            return classifier(self.train, self.classes, self.classifier_file, ticks)

    @cached_property
    def frame(self) -> "pictures.Frame":
        """The examples, the axes and the two dimensions of the pictures."""
        return pictures.frame(self)

    @cached_property
    def factor_match(self) -> tuple[Row, dict[str, Array]]:
        """How codes match known factors: columns and the matrix of correlations."""
        return factor_columns(self.measured.code, self.used, self.factors, self.factor_groups)
