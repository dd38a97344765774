"""Train many runs in memory and keep one line of JSON for each: what it was, what came out.

    python benchmarks/ablations.py benchmarks/ablations.yaml results/ablations/ablations.jsonl

The YAML file is a list of mappings. ``name`` says what a row is about; any other field goes to
``sparsevae.runs.train.fit``, whose recipe's arguments are changed by ``arguments``, or is
``dataset`` or ``split``. ``seeds`` and ``epochs`` may be lists, for one run each. What is in the
lines already is not trained again. A table of means over seeds is printed at the end.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import yaml
from rounds import table

from sparsevae.data import Dataset, holdout, load
from sparsevae.evaluation import Pass, evaluate_pass
from sparsevae.evaluation.passes import batched
from sparsevae.evaluation.quality import gaussian_noise
from sparsevae.metrics import images
from sparsevae.runs.train import fit

Row = dict[str, Any]

DEFAULTS: Row = {
    "dataset": "mnist",
    "split": "validation",
    "model": "vsc",
    "latents": 64,
    "recipe": "default",
    "arguments": {},
}
NOISES = ("noise_0.3", "noise_0.3_clipped", "noise_0.5", "noise_0.5_clipped")
COLLAPSED = "decoder prints the mean image"
COLUMNS = (
    ("negative_elbo", "−ELBO", 1),
    ("reconstruction", "reconstruction", 1),
    ("used_dimensions", "used", 0),
    ("active_per_image", "on", 1),
    ("sum_gamma", "Σγ", 1),
    ("always_on", "always", 0),
    ("dead", "dead", 0),
    ("selectivity", "selectivity", 2),
    ("prior_perplexity", "perplexity", 0),
    ("mse", "clean", 1),
    *((f"mse_{name}", name, 1) for name in NOISES),
    ("collapsed", "collapsed", 2),
)
PIXELS = 784  # errors are printed per image, the unit of the literature


def jobs(path: Path) -> list[Row]:
    """Every run that the file asks for, all fields filled in, the first seed of all runs first."""
    found = []
    for entry in yaml.safe_load(path.read_text()):
        fields = {**DEFAULTS, **entry}
        seeds, epochs = fields.pop("seeds"), fields.pop("epochs")
        for length, seed in product(np.atleast_1d(epochs).tolist(), seeds):
            found.append({**fields, "epochs": length, "seed": seed})
    return sorted(found, key=lambda job: job["seed"])


@cache
def data(name: str, split: str) -> Dataset:
    """A data set; on the validation split the test images are not in it."""
    dataset = load(name)
    return holdout(dataset) if split == "validation" else dataset


def outcome(job: Row) -> Row:
    """Train one run and measure what decides: bound, gates, errors, findings."""
    dataset = data(job["dataset"], job["split"])
    model = fit(
        dataset.train.images,
        job["model"],
        latents=job["latents"],
        likelihood="bernoulli",
        epochs=job["epochs"],
        seed=job["seed"],
        recipe=job["recipe"],
        **job["arguments"],
    ).model
    one = Pass.of(model, dataset)
    x, evaluation = one.x, evaluate_pass(one, ("bound", "sparsity", "diagnostics"))
    row = evaluation.metrics
    row["mse"] = images.mse(x, one.decoded)
    for name, noisy in gaussian_noise(x):
        if name in NOISES:
            row[f"mse_{name}"] = images.mse(x, batched(model.reconstruct, noisy, model))
    assert evaluation.diagnosis is not None
    findings = evaluation.diagnosis.findings
    row["findings"] = [f"{finding.severity}: {finding.name}" for finding in findings]
    row["collapsed"] = any(finding.name == COLLAPSED for finding in findings)
    return row


def _same(job: Row, line: Row) -> bool:
    return all(line[key] == value for key, value in job.items())


def means(lines: list[Row]) -> Iterator[list[str]]:
    """Mean and standard deviation over seeds, a row for each name, model and length."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for line in lines:
        groups[line["name"], line["dataset"], line["model"], str(line["epochs"])].append(line)
    for names, group in groups.items():
        cells = [", ".join(names) + " epochs", str(len(group))]
        for key, _, digits in COLUMNS:
            scale = PIXELS if key.startswith("mse") else 1
            values = [scale * line[key] for line in group if line[key] is not None]
            spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.{digits}f}{spread}" if values else "")
        yield cells


def main() -> None:
    """Train what is missing, a line of JSON each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", type=Path)
    parser.add_argument("lines", type=Path)
    options = parser.parse_args()
    options.lines.touch()
    done = [json.loads(line) for line in options.lines.read_text().splitlines()]
    for job in jobs(options.jobs):
        if not any(_same(job, line) for line in done):
            done.append({**job, **outcome(job)})
            with options.lines.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
            print(f"{job['name']}, {job['epochs']} epochs, seed {job['seed']}", flush=True)
    print(table(["run", "seeds", *(title for _, title, _ in COLUMNS)], means(done)))


if __name__ == "__main__":
    main()
