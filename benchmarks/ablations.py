"""Train the runs listed in a YAML file on the validation split and print a line for each.

    python benchmarks/ablations.py runs-folder jobs.yaml

A job is a mapping with a ``name`` (its folder) and any field of a run's configuration; what is
left out comes from ``DEFAULTS``. A list under ``seeds`` or ``latents`` makes one run each.
Finished runs are not repeated. The file is read again after every run, so a line may be added
while the script works.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from sparsevae.config import RunConfig
from sparsevae.datasets import Dataset, holdout, load
from sparsevae.errors import SparseVAEError
from sparsevae.fitting import train_run
from sparsevae.runs import RunFolder

DEFAULTS: dict[str, Any] = {
    "dataset": "mnist",
    "split": "validation",
    "model": "vsc",
    "latents": 64,
    "seed": 0,
    "epochs": 8,
    "recipe": "ablation",
    "learning_rate": {"kind": "one-cycle", "peak": 4e-3},
}
COLUMNS = (
    ("negative_elbo", "-ELBO", "6.1f"),
    ("used_dimensions", "used", "4d"),
    ("active_per_image", "on", "5.2f"),
    ("sum_gamma", "sum γ", "5.2f"),
    ("always_on", "always", "3d"),
    ("dead", "dead", "3d"),
    ("selectivity", "select", "4.2f"),
    ("prior_perplexity", "perplexity", "4.1f"),
    ("mse", "mse", "5.1f"),
    ("mse_noise_0.3", "σ=.3", "5.1f"),
    ("mse_noise_0.3_clipped", "clip", "5.1f"),
    ("mse_noise_0.5", "σ=.5", "6.1f"),
    ("mse_noise_0.5_clipped", "clip", "6.1f"),
)
PIXELS = 784  # errors are printed per image, the unit of the literature


def jobs(path: Path) -> Iterator[tuple[str, RunConfig]]:
    """Name and configuration of every run that the file asks for, in its order."""
    for entry in yaml.safe_load(path.read_text()) or []:
        fields = {**DEFAULTS, **entry}
        name = fields.pop("name")
        seeds, sizes = fields.pop("seeds", None), fields["latents"]
        for latents in sizes if isinstance(sizes, list) else [sizes]:
            for seed in seeds or [fields["seed"]]:
                suffix = f"-{latents}" * isinstance(sizes, list) + f"-seed{seed}" * bool(seeds)
                run = {**fields, "latents": latents, "seed": seed}
                yield name + suffix, RunConfig.checked(run)


def line(name: str, metrics: dict[str, Any]) -> str:
    """One run in one line."""
    cells = [f"{name:44s}"]
    for key, title, form in COLUMNS:
        value = metrics.get(key)
        if value is not None and key.startswith("mse"):
            value *= PIXELS
        cells.append(f"{title} {'' if value is None else format(value, form)}")
    collapsed = "  COLLAPSED" if metrics["collapsed_decoder"] else ""
    return "  ".join(cells) + f"  {metrics['seconds']:.0f} s" + collapsed


def prepared(config: RunConfig) -> Dataset:
    """The data of a run; on the validation split the true test images are not in it."""
    dataset = load(config.dataset, limit=config.limit)
    return holdout(dataset) if config.split == "validation" else dataset


def main() -> None:
    """Work through the file until every run in it is finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("jobs", type=Path)
    options = parser.parse_args()
    done: set[str] = set()
    while todo := [(name, config) for name, config in jobs(options.jobs) if name not in done]:
        name, config = todo[0]
        done.add(name)
        folder = RunFolder(options.folder / name)
        try:
            if not folder.finished:
                train_run(config, prepared(config), folder, device="cpu")
            print(line(name, folder.metrics), flush=True)
        except SparseVAEError as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
