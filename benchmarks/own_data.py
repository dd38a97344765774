"""The defaults on fourteen data sets of seven kinds, beside PCA, NMF, dictionaries and factors.

    python benchmarks/own_data.py [--sets wine digits] [--seeds 3] [--rows test] [--out FOLDER]
    python benchmarks/own_data.py --picture docs/images/which_likelihood.png

Every set is split once (:mod:`own_sets`); what the defaults are was chosen on validation rows, the
table is of test rows. Errors are shares of the mean row's, of columns in standard deviations for
tables and in the data's own units otherwise. Numbers of a seed are kept as they are measured, so
that a run that is stopped goes on. One thread, about 15 minutes.
"""

import argparse
import json
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from own_sets import SETS, Array, Own, Split, split
from sklearn.decomposition import (
    NMF,
    PCA,
    FactorAnalysis,
    MiniBatchDictionaryLearning,
    MiniBatchSparsePCA,
)
from sklearn.exceptions import ConvergenceWarning

from sparsevae import TrainedModel, fit
from sparsevae.metrics import keys

LATENTS, ON = 16, 8
FITTED = 2000  # training rows of the slower competitors
SCORED, SAMPLES = 300, 100  # rows and draws of the importance-weighted bound
OUT = Path(__file__).resolve().parents[1] / "results" / "own-data"
RIVALS = ("NMF", "dictionary", "SparsePCA")
Numbers = dict[str, Any]


def flat(rows: Array) -> Array:
    """One vector a row, float64."""
    return np.asarray(rows.reshape(len(rows), -1), np.float64)


class Units:
    """What errors are measured in: standard deviations of columns for tables, else of all."""

    def __init__(self, own: Own, train: Array) -> None:
        self.mean = flat(train).mean(0)
        deviation = flat(train).std(0) if own.kind == "table" else np.full(len(self.mean), 1.0)
        self.scale = np.where(deviation > 0, deviation, 1.0)

    def of(self, rows: Array) -> Array:
        """Rows around the mean row, shape ``(N, D)``."""
        return np.asarray((flat(rows) - self.mean) / self.scale)


def share(left: Array, rows: Array) -> float:
    """A squared error as a share of the mean row's."""
    return float(np.square(left).sum() / np.square(rows).sum())


def rivals(train: Array, rows: Array, few: int) -> Numbers:
    """Errors of other methods with ``few`` numbers on in a row; centred rows."""
    top = min(ON, train.shape[1])
    low, given = train.min(0), {"random_state": 0}
    pca = PCA(top, **given).fit(train)
    nmf = NMF(top, max_iter=300, init="nndsvda", **given).fit(train[:few] - low)
    atoms = MiniBatchDictionaryLearning(
        LATENTS,
        max_iter=20,
        batch_size=128,
        transform_algorithm="omp",
        transform_n_nonzero_coefs=top,
        **given,
    ).fit(train[:few])
    sparse = MiniBatchSparsePCA(top, max_iter=20, batch_size=128, **given).fit(train[:few])
    positive = np.clip(rows - low, 0, None)
    decoded = {
        "PCA": pca.inverse_transform(pca.transform(rows)),
        "NMF": nmf.inverse_transform(nmf.transform(positive)) + low,
        "dictionary": atoms.transform(rows) @ atoms.components_,
        "SparsePCA": sparse.inverse_transform(sparse.transform(rows)),
    }
    return {name: share(rows - found, rows) for name, found in decoded.items()}


def densities(train: Array, rows: Array, volume: float) -> Numbers:
    """−log p(x) in nats a row of factor analysis and of probabilistic PCA, raw units."""
    count = min(LATENTS, train.shape[1] - 1)
    varied = train.std(0) > 0
    factors = FactorAnalysis(count, random_state=0, max_iter=300).fit(train[:, varied])
    components = PCA(count, random_state=0).fit(train)
    whole = bool(varied.all())
    return {
        "factor analysis": float(volume - factors.score(rows)) if whole else None,
        "PPCA": float(volume - components.score(rows)),
    }


def beside(own: Own, parts: Split, rows: Array) -> Numbers:
    """Everything that is not ours on one set."""
    units = Units(own, parts.train)
    train, given = units.of(parts.train), units.of(rows)
    spread = train.std()  # factor analysis starts from variances near 1
    volume = np.log(units.scale).sum() + len(units.scale) * np.log(spread)
    return {
        **rivals(train, given, FITTED),
        **densities(train / spread, given / spread, float(volume)),
    }


def ours(own: Own, parts: Split, rows: Array, seed: int) -> Numbers:
    """The defaults on one set: errors, likelihood, what is in use, seconds."""
    began, wall = time.process_time(), time.perf_counter()
    model = fit(parts.train, latents=LATENTS, seed=seed, device="cpu")
    seconds, wall = time.process_time() - began, time.perf_counter() - wall
    units, codes = Units(own, parts.train), model.encode(rows)
    given = units.of(rows)
    found = model.evaluate(rows[:1000], groups=("sparsity",)).metrics
    return {
        "likelihood": model.likelihood,
        "scaling": model.data.scaling.kind,
        "reason": model.data.reason,
        "epochs": model.config.epochs,
        "batch size": model.config.batch_size,
        "widths": model.config.widths,
        "error": share(given - units.of(model.decode(codes, own_type=False)), given),
        "on": float((codes != 0).sum(1).mean()),
        "in use": found[keys.USED_DIMENSIONS],
        "nats": nats(model, rows),
        "attempts": 1 + model.history[-1].get("attempt", 0),
        "cpu seconds": seconds,
        "seconds": wall,
    }


def nats(model: TrainedModel, rows: Array) -> float | None:
    """−log p(x) by the importance-weighted bound, raw units; None for a score of grey levels."""
    if not model.model.family.normalised:
        return None
    return float(-model.log_likelihood(rows[:SCORED], samples=SAMPLES).mean(dtype=np.float64))


def measured(names: list[str], seeds: int, part: str, kept: Path) -> dict[str, Numbers]:
    """Every set's numbers; those of a seed are kept as soon as they are there."""
    found: dict[str, Numbers] = json.loads(kept.read_text()) if kept.is_file() else {}
    for seed in range(seeds):
        for name in names:
            entry = found.setdefault(name, {})
            if str(seed) in entry:
                continue
            parts = split(SETS[name].load())
            rows = getattr(parts, part)
            if "beside" not in entry:
                entry["rows"] = [len(parts.train), len(rows)]
                entry["beside"] = beside(SETS[name], parts, rows)
            entry[str(seed)] = ours(SETS[name], parts, rows, seed)
            print(name, seed, entry[str(seed)], flush=True)
            kept.write_text(json.dumps(found, indent=1) + "\n")
    return found


def mean(entry: Mapping[str, Any], column: str) -> float | None:
    """Over seeds."""
    values = [run[column] for key, run in entry.items() if key.isdigit()]
    return None if None in values else float(np.mean(values))


def table(found: Mapping[str, Numbers]) -> str:
    """All numbers as Markdown; the best of a row's errors and densities in bold."""
    lines = [
        "| set | kind | rows | likelihood | VSC | PCA-8 | NMF-8 | dictionary | SparsePCA-8 | on "
        "| in use | VSC nats | factor analysis | PPCA | CPU s |",
        "|---" * 15 + "|",
    ]
    for name, entry in found.items():
        other, first = entry["beside"], entry["0"]
        errors = [mean(entry, "error"), *(other[key] for key in ("PCA", *RIVALS))]
        nats = [mean(entry, "nats"), other["factor analysis"], other["PPCA"]]
        if nats[0] is None:
            nats = [None] * 3  # a score of grey levels is no density
        cells = [
            name,
            SETS[name].kind,
            f"{entry['rows'][0]:,}",
            first["likelihood"],
            *best(errors, ".3f"),
            f"{mean(entry, 'on'):.1f}",
            f"{mean(entry, 'in use'):.1f}",
            *best(nats, ".1f"),
            f"{mean(entry, 'cpu seconds'):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def best(values: list[float | None], form: str) -> list[str]:
    """Numbers as text, the smallest in bold, a dash where there is none."""
    known = [value for value in values if value is not None]
    return [
        "–"
        if value is None
        else f"**{value:{form}}**"
        if value == min(known)
        else f"{value:{form}}"
        for value in values
    ]


def targets(found: Mapping[str, Numbers]) -> str:
    """How often the defaults are ahead, in sentences."""
    images = [entry for name, entry in found.items() if "images" in SETS[name].kind]
    gains = [1 - mean(entry, "error") / entry["beside"]["PCA"] for entry in images]
    ahead = sum(
        mean(entry, "error") < min(entry["beside"][key] for key in RIVALS)
        for entry in found.values()
    )
    dense = [entry for entry in found.values() if mean(entry, "nats") is not None]
    likelier = sum(
        mean(entry, "nats")
        < min(v for k in ("factor analysis", "PPCA") if (v := entry["beside"][k]) is not None)
        for entry in dense
    )
    large = [entry for entry in found.values() if entry["rows"][0] >= 700]
    used = sum(mean(entry, "in use") >= 0.75 * LATENTS for entry in large)
    worst = max(
        run["error"] for entry in found.values() for key, run in entry.items() if key.isdigit()
    )
    return (
        f"On the {len(images)} image sets the error is {np.mean(gains):.0%} below PCA-8's on "
        f"average, at least {min(gains):.0%}. It is the smallest beside NMF, dictionary learning "
        f"and SparsePCA on {ahead} of {len(found)} sets, the likelihood the best on {likelier} of "
        f"{len(dense)}, and three quarters of the dimensions are in use on {used} of the "
        f"{len(large)} sets with 1,000 rows or more. The largest error of any seed is "
        f"{worst:.2f} of the mean row's."
    )


def draw(path: Path, count: int = 10) -> None:
    """Heads that were held out, under the grey Bernoulli score and under the default."""
    from matplotlib.figure import Figure

    parts = split(SETS["heads"].load())
    shown = parts.test[:count]
    lines = {"held out": shown}
    for title, named in (("grey Bernoulli", "bernoulli"), ("default", "auto")):
        model = fit(parts.train, latents=LATENTS, likelihood=named, device="cpu")
        lines[title] = model.reconstruct(shown).reshape(shown.shape)
    figure = Figure(figsize=(7.0, 3.2), dpi=150)
    for place, (title, images) in enumerate(lines.items()):
        axes = figure.add_axes((0.16, 0.67 - 0.33 * place, 0.84, 0.32))
        axes.imshow(np.hstack(list(images)), cmap="gray", vmin=0, vmax=255, aspect="equal")
        axes.axis("off")
        figure.text(0.15, 0.83 - 0.33 * place, title, ha="right", va="center", fontsize=9)
    figure.savefig(path)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", choices=("validation", "test"), default="test")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--picture", type=Path, help="draw the wrong likelihood, and no more")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.picture:
        draw(options.picture)
        return
    warnings.simplefilter("ignore", ConvergenceWarning)
    options.out.mkdir(parents=True, exist_ok=True)
    kept = options.out / f"{options.rows}.json"
    found = measured(options.sets, options.seeds, options.rows, kept)
    text = f"{table(found)}\n\n{targets(found)}\n"
    (options.out / f"{options.rows}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
