"""What the page asks for: a study's facts, and its models' codes, rows and costs.

Shape legend: N rows of shape (D,) or (C, H, W), J latent dimensions, U components of a prior.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch

from sparsevae.data import Dataset
from sparsevae.data.schema import WORDS, listed
from sparsevae.errors import RunFolderError
from sparsevae.evaluation.imputation import expected
from sparsevae.evaluation.limits import rows_held
from sparsevae.evaluation.passes import batched, fixed_noise
from sparsevae.explorer.packing import packed
from sparsevae.explorer.rows import (
    Components,
    Rows,
    components,
    dataset_of,
    embedded_rows,
    test_rows,
)
from sparsevae.models import MODELS, Model
from sparsevae.models.distributions import OPEN, Mixture, SpikeAndSlab
from sparsevae.networks import kernels
from sparsevae.runs import bundled
from sparsevae.runs.export.modules import gates_and_slabs
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.noise import has_denoiser
from sparsevae.runs.trained import TrainedModel
from sparsevae.storage.arrays import Array, Floats
from sparsevae.training.grids import differences, in_words

MOST_ROWS = 1000  # test rows that a served page holds
EXACT_LATENTS = 64  # up to here slabs go to the page as float32, beyond as float16
MOST_STAND_INS = 500
PRIOR_DRAWS = 256  # that stand for a prior which is no mixture
LOADINGS_IN_PAGE = 64  # of residuals, where the page denoises without a server


@dataclass(eq=False)
class Explored:
    """A trained run as the page uses it: rows and codes in the data's own units.

    Args:
        run: a finished run folder with weights.
        key: what the page calls it.
        varied: in what it differs from other runs of its model and size.
    """

    run: RunFolder
    key: str
    varied: str = ""
    trained: TrainedModel = field(init=False)

    def __post_init__(self) -> None:
        self.trained = TrainedModel.load(self.run.path)
        self.model, self.data, self.config = self.trained.model, self.run.data, self.run.config
        self.shape, self.latents = tuple(self.model.shape), int(self.model.latents)

    def posterior(self, rows: Array) -> tuple[Floats, Floats]:
        """Gate probabilities γ and slab means μ of raw rows, both ``(N, J)``; code is 1[γ>½]·μ."""
        compute = partial(gates_and_slabs, self.model)
        with kernels.use("plain"):
            both = batched(compute, self.data.scaling.apply(rows), self.model)
        return both[:, 0], both[:, 1]

    def filled(self, rows: Array) -> Array:
        """Elements of a table with what the model expects where they are missing."""
        x = self.data.scaling.apply(rows)
        with kernels.use("plain"):
            there = self.data.scaling.undo(expected(self.model, x))
        return np.where(np.isnan(rows), there, rows)

    def decode(self, codes: Floats) -> Floats:
        """The mean row of every code in the data's units, float32, shape ``(N, *shape)``."""
        with kernels.use("plain"):
            rows: Floats = self.trained.decode(codes, own_type=False)
        return rows

    def denoise(self, row: Array, sigmas: Array) -> Floats:
        """A noisy row without its noise, float32, shape ``(1, *shape)``.

        Args:
            row: in the data's units, shape ``(1, *shape)``.
            sigmas: the noise's standard deviation in every element, shape ``(1, *shape)``.
        """
        with kernels.use("plain"):
            clean: Floats = self.trained.denoise(row, np.abs(sigmas[0]), own_type=False)
        return clean

    def costs(self, codes: Floats) -> Floats:
        """Nats from the first code to each: KL(p(x|z₀) ‖ p(x|z)), shape ``(N,)``.

        Args:
            codes: shape ``(N, J)``.
        """
        with kernels.use("plain"), torch.no_grad():
            return self.model.likelihood(torch.from_numpy(codes)).divergence_from_first().numpy()

    def facts(self) -> dict[str, Any]:
        """What the page says about the model, as plain JSON."""
        config, row = self.config, MODELS.get(self.config.model)
        return {
            "key": self.key,
            "title": " · ".join(filter(None, (row.title if row else config.model, self.varied))),
            "latents": self.latents,
            "seed": config.seed,
            "epochs": config.epochs,
            "gated": self.model.has_gates,
            "samples": self.model.prior.can_draw,
            "denoises": has_denoiser(self.trained),
            "likelihood": str(self.trained.likelihood),
        }

    def message(self, rows: Rows) -> bytes:
        """Everything about the model that the page keeps, see :mod:`.packing`."""
        return packed(self.facts(), self.arrays(rows))

    def denoiser_message(self) -> bytes:
        """What ``page/denoiser.js`` needs, with few loadings of one level, see :mod:`.packing`."""
        small = self.trained.denoiser.small(LOADINGS_IN_PAGE)
        shift, scale = self.data.scaling.columns(1 + len(self.shape))
        elements = {
            name: np.broadcast_to(part, (1, *self.shape)).reshape(-1).astype(np.float32)
            for name, part in (("shift", shift), ("scale", scale))
        }
        facts = {
            "levels": self.trained.denoiser.sigmas,
            "unit": self.model.family.domain == "unit",
        }
        return packed(facts, {**small, **elements})

    def arrays(self, rows: Rows) -> dict[str, Array]:
        """Gates, slabs, ends of every axis, costs, class means and the prior."""
        gates, slabs = self.posterior(rows.values)
        pictures = self.run.pictures
        axes = pictures.get("axis_values", slabs.T)
        unknown = np.full(self.latents, np.nan)
        cost = pictures.get("ablation_cost", pictures.get("rises", unknown))
        exact = np.float32 if self.latents <= EXACT_LATENTS else np.float16
        return {
            "gates": _gates_in_bytes(gates),
            "slabs": slabs.astype(exact),
            "ends": np.stack([np.nanmin(axes, 1), np.nanmax(axes, 1)], 1).astype(np.float32),
            "cost": np.asarray(cost, np.float32),
            **self._class_means(pictures),
            **self._prior(),
        }

    def _class_means(self, pictures: dict[str, Array]) -> dict[str, Array]:
        names = ("class_code", "class_gamma", "class_mean")
        return {name: pictures[name].astype(np.float32) for name in names if name in pictures}

    def _prior(self) -> dict[str, Array]:
        """p(z) as a mixture of spike-and-slabs: weights (U,), then (U, J) each."""
        if not self.model.prior.can_draw:
            return {}
        with kernels.use("plain"), torch.no_grad():
            log_weights, parts = _mixture(self.model)
        named = {
            "prior_weights": log_weights.exp(),
            "prior_logits": parts.logits,
            "prior_loc": parts.loc,
            "prior_scale": parts.scale,
        }
        return {name: tensor.detach().numpy().astype(np.float32) for name, tensor in named.items()}


def _gates_in_bytes(gates: Floats) -> Array:
    """γ·255 as bytes, above 127 exactly where γ > ½."""
    rounded = np.rint(gates * 255)
    return np.where(gates > 0.5, rounded.clip(128), rounded.clip(None, 127)).astype(np.uint8)


def _mixture(model: Model) -> Mixture:
    """p(z) as the page takes it; of one that is no mixture as many draws, slabs of width 0."""
    alone = model.prior.factors()
    if alone is None:
        return model.prior.mixture(model.posterior)
    with fixed_noise(0):
        codes = alone.sample((PRIOR_DRAWS,))
    on = codes != 0
    gates = OPEN * (2.0 * on - 1)
    slabs = torch.where(on, codes, alone.loc)
    weights = torch.full((PRIOR_DRAWS,), -math.log(PRIOR_DRAWS), device=codes.device)
    return Mixture(weights, SpikeAndSlab(gates, slabs, torch.zeros_like(slabs)))


class Study:
    """Runs of one data set, opened for the page.

    Args:
        paths: folders of studies and of runs.
        most_rows: test rows that are shown; fewer where a page has no room for large ones.

    Raises:
        RunFolderError: no finished run with weights, or runs of different data.
    """

    def __init__(self, paths: Sequence[Path], most_rows: int = MOST_ROWS) -> None:
        folders = [run for path in paths for run in runs_at(path)]
        _check_alike(folders)
        self.name = folders[0].config.dataset
        self.runs: dict[str, Explored] = {}
        varied = map(in_words, differences([run.config for run in folders]))
        for number, (run, own) in enumerate(zip(folders, varied, strict=True)):
            self.runs[f"r{number}"] = Explored(run, f"r{number}", own)
        self.lock = Lock()
        self.first = first = next(iter(self.runs.values()))
        dataset = dataset_of(first.run)
        shown = rows_held(most_rows, math.prod(first.shape), first.latents)
        self.rows = rows_for(first, dataset, shown)
        self.components: Components = components(
            dataset, self.rows, first.data.low, first.data.high
        )
        self.data, self.shape = first.data, first.shape

    def message(self) -> bytes:
        """The facts of the study, its rows and the baseline's components, see :mod:`.packing`."""
        return packed(self.facts(), self.arrays())

    def facts(self) -> dict[str, Any]:
        """What the page says about the study, as plain JSON."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "low": self.data.low,
            "high": self.data.high,
            "whole": np.dtype(self.data.dtype).kind != "f",
            "columns": list(self.data.columns),
            "kinds": self._kinds(),
            "classes": list(self.rows.classes),
            "note": self.rows.note,
            "models": [run.facts() for run in self.runs.values()],
        }

    def gap_notes(self, rows: Array) -> tuple[str, ...]:
        """A sentence on the gaps of the first of some rows of a table, unless it has none."""
        table = self.data.table
        row = dict(zip(table.elements, rows[0], strict=True)) if table else {}
        columns = table.columns if table else ()
        names = [column.name for column in columns if np.isnan(row[column.elements[0]])]
        if not names:
            return ()
        title = self.first.facts()["title"]
        return (f"Gaps of the row hold what {title} expects there: {listed(names)}.",)

    def _kinds(self) -> list[str]:
        """What a table's columns are that are not written as their numbers, in the plural."""
        table = self.data.table
        there = {column.kind for column in table.columns} if table else set()
        return [WORDS[kind][1] for kind in ("category", "date") if kind in there]

    def arrays(self) -> dict[str, Array]:
        """Rows, labels and components."""
        values = self.rows.values
        rows = values if values.dtype == np.uint8 else values.astype(np.float32)
        parts = {
            "rows": rows,
            "mean": self.components.mean,
            "spread": self.components.spread,
            "basis": self.components.basis.astype(np.float16),
        }
        if self.rows.labels is not None:
            parts["labels"] = self.rows.labels.astype(np.int32)
        return parts


def runs_at(path: Path) -> list[RunFolder]:
    """The finished runs with weights of a study's folder, or the run that a folder is.

    Raises:
        RunFolderError: there is none.
    """
    path = bundled.place(path)
    candidates = [path, *sorted((path / "runs").glob("*"))]
    runs = [RunFolder(place) for place in candidates if place.is_dir()]
    usable = [run for run in runs if run.finished and run.has_weights]
    if not usable:
        raise RunFolderError(
            f"{path} holds no finished run with weights; name the folder of a study or of a run."
        )
    order = list(MODELS)
    rank = {name: place for place, name in enumerate(order)}
    return sorted(usable, key=lambda run: _order(run, rank))


def _order(run: RunFolder, rank: dict[str, int]) -> tuple[int, int, int]:
    config = run.config
    return config.latents, config.seed, rank.get(config.model, len(rank))


def _check_alike(runs: Sequence[RunFolder]) -> None:
    for run in runs[1:]:
        if run.data_sha256 != runs[0].data_sha256 or run.shape != runs[0].shape:
            raise RunFolderError(
                f"{run.path} and {runs[0].path} were trained on different data; explore them one "
                "at a time."
            )


def rows_for(first: Explored, dataset: Dataset | None, most: int) -> Rows:
    """The first test rows; where the data are not at hand, what comes nearest to them."""
    if dataset is not None:
        rows = test_rows(dataset, most)
        return (
            rows if first.data.table is None else replace(rows, values=first.filled(rows.values))
        )
    return embedded_rows(first.run, most) or stand_ins(first)


def stand_ins(first: Explored) -> Rows:
    """Rows where the data are not at hand: kept codes decoded, kept examples in their places."""
    pictures, data = first.run.pictures, first.data
    codes = pictures.get("scatter_codes")
    if codes is None:
        raise RunFolderError(
            f"Neither the data of {first.run.path} nor codes of test rows are on this machine."
        )
    values = first.decode(codes[:MOST_STAND_INS].astype(np.float32))
    if "examples" in pictures:
        places = pictures["example_indices"]
        kept = places < len(values)
        shades = pictures["examples"][kept].astype(np.float32) / 255
        values[places[kept]] = data.low + shades * (data.high - data.low)
    labels = pictures.get("scatter_labels")
    count = 0 if labels is None or not len(labels) else int(labels.max()) + 1
    classes = data.classes or tuple(map(str, range(count)))
    title = first.facts()["title"]
    note = (
        f"{data.source or first.config.dataset} is not here as it was: what you see is what "
        f"{title} decodes from the codes that were kept, not the test data themselves."
    )
    return Rows(values, None if labels is None else labels[: len(values)], classes, note)
