"""What codes say of their classes, as columns: from few labels, and as clusters.

Shape legend: N images, J latent dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from torch import Tensor

from sparsevae.data import Split
from sparsevae.data.dataset import Labels
from sparsevae.evaluation.limits import Counted, rows_at_once
from sparsevae.evaluation.one_pass import TRAIN_DRAW_SEED, Pass, drawn
from sparsevae.evaluation.passes import BATCH, Tick, batched
from sparsevae.metrics import clusters, keys, probes
from sparsevae.metrics.table import PROBE_SIZES
from sparsevae.models import Model
from sparsevae.storage.arrays import Floats, Row

Encoder = Callable[[Floats], Floats]
Accuracies = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Labelled:
    """Codes with the class of each.

    Attributes:
        train: of the training images of :func:`sparsevae.metrics.probes.probe_draws`, S seeds of
            n images, shape ``(S, n, J)``; None where there are none.
        train_labels: shape ``(S, n)``.
        test: of the test images, shape ``(N, J)``.
        test_labels: shape ``(N,)``.
    """

    train: Floats | None
    train_labels: Labels | None
    test: Floats
    test_labels: Labels

    def probed(self, size: int) -> Accuracies | None:
        """Accuracies of linear probes with ``size`` labelled images, shape ``(S,)``."""
        if self.train is None or self.train_labels is None:
            return None
        test = (self.test, self.test_labels)
        return probes.probe_accuracies(self.train, self.train_labels, *test, size)


def class_columns(
    codes: Labelled | None, ending: str = "", tick: Tick = lambda share: None
) -> Row:
    """What codes say of their classes.

    Args:
        codes: None where there are none: every column is None then.
        ending: of the names ``probe_n``, ``knn_n``, ``silhouette`` and ``adjusted_rand``.
        tick: called with the share that is done.

    Returns:
        ``probe_n`` and ``knn_n`` are mean accuracies over seeds with n labelled images, and with
        ``_sd`` behind the name their sample standard deviations; None where there are too few
        images.
    """
    row: Row = {}
    near: list[Accuracies | None] = [None] * len(PROBE_SIZES)
    if codes is not None:
        near = clusters.neighbour_accuracies(codes.test, codes.test_labels, *PROBE_SIZES)
    for place, (size, neighbours) in enumerate(zip(PROBE_SIZES, near, strict=True)):
        probed = None if codes is None else codes.probed(size)
        for key, accuracies in ((keys.probe(size), probed), (keys.neighbours(size), neighbours)):
            row[key + ending] = row[f"{key}{ending}_sd"] = None
            if accuracies is not None:
                row[key + ending] = float(accuracies.mean())
                row[f"{key}{ending}_sd"] = float(accuracies.std(ddof=1))
        tick((place + 1) / (len(PROBE_SIZES) + 1))
    row.update(dict.fromkeys((keys.SILHOUETTE + ending, keys.ADJUSTED_RAND + ending)))
    if codes is not None:
        silhouettes = clusters.silhouettes(codes.test, codes.test_labels)
        if silhouettes is not None:
            row[keys.SILHOUETTE + ending] = float(silhouettes.mean())
        agreement = clusters.adjusted_rand(codes.test, codes.test_labels)
        row[keys.ADJUSTED_RAND + ending] = agreement
    return row


def with_classes(
    train: Split | None, counted: Counted | None, encode: Encoder, test: Floats
) -> Labelled | None:
    """Codes of the images that probes learn from, beside those of the test images.

    Args:
        train: training images; without labels of several classes nothing is probed.
        counted: the test images and classes that count.
        encode: images, as a model takes them, to codes.
        test: codes of all test images.

    Returns:
        None where the test images have no labels, or a single class.
    """
    if counted is None or len(counted.classes) < 2:
        return None
    test, known = test[counted.places], None if train is None else train.labels
    if train is None or known is None:
        return Labelled(None, None, test, counted.labels)
    own = np.arange(len(known))
    if not counted.whole:
        own = np.flatnonzero(np.isin(known, counted.classes))
    if len(np.unique(known[own])) < 2:
        return Labelled(None, None, test, counted.labels)
    draws = own[probes.probe_draws(known[own])]
    drawn, places = np.unique(draws, return_inverse=True)
    codes = _encoded(train, drawn, encode)[places.reshape(draws.shape)]
    return Labelled(codes, known[draws], test, counted.labels)


def _encoded(train: Split, places: npt.NDArray[np.int64], encode: Encoder) -> Floats:
    """Codes of some training images, of which few are in memory at a time."""
    step = rows_at_once(max(1, train.images[:1].size), BATCH)
    blocks = (places[at : at + step] for at in range(0, len(places), step))
    return np.concatenate([encode(train.take(block).scaled()) for block in blocks])


def probe_columns(one: Pass) -> Row:
    """The columns of this module for a model.

    Columns of the deterministic code and, with γμ in their names, of E_q[z] = γμ; the latter are
    None where that is the code itself, as it is without a posterior's spikes. Of more than 100
    classes the columns are of 100, see :func:`sparsevae.evaluation.limits.counted`. Of refined
    posteriors those are left out that compare codes of training and of test rows: only the latter
    are refined.
    """
    model, measured, tick = one.model, one.measured, one.meter.tick
    columns = partial(with_classes, None if one.refine else one.train, one.counted)
    code = columns(_reader(model, model.encode), measured.code)
    row = class_columns(code, tick=lambda share: tick(share / 2))
    mean = None
    if not np.array_equal(measured.code, measured.mean):
        mean = columns(_reader(model, lambda x: model.posterior(x).mean), measured.mean)
    row |= class_columns(mean, keys.GATED_MEAN, lambda share: tick((1 + share) / 2))
    return {**row, **_controls(one, code)}


def _reader(model: Model, encode: Callable[[Tensor], Tensor]) -> Encoder:
    """Codes of scaled training rows, drawn first where the model's likelihood draws rows."""
    rng = np.random.default_rng(TRAIN_DRAW_SEED)
    return lambda x: batched(encode, drawn(model, x, rng), model)


def _controls(one: Pass, codes: Labelled | None) -> Row:
    """Columns of the code alone: a probe with all labels, and one with permuted labels."""
    row: Row = {keys.PROBE_ALL: None, keys.PROBE_PERMUTED: None}
    if codes is None or codes.train is None or codes.train_labels is None:
        return row
    test = codes.test, codes.test_labels
    row[keys.PROBE_PERMUTED] = probes.permuted_probe(codes.train[0], codes.train_labels[0], *test)
    train = one.train
    known = None if train is None else train.labels
    if train is None or known is None or one.counted is None or not one.counted.whole:
        return row
    if not probes.all_too_many(len(train), one.model.latents, known):
        every = _encoded(train, np.arange(len(train)), _reader(one.model, one.model.encode))
        row[keys.PROBE_ALL] = probes.probe_of_all(every, known, *test)
    return row
