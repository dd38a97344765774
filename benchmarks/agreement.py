"""Do compiled kernels and PyTorch's operations train the same models?

    python benchmarks/agreement.py [--dataset mnist-5k] [--seeds 5] [--epochs 25]

Float32 sums in another order differ in their last digits, and training multiplies such
differences like those of a seed. Both ways train VSC with the same seeds; the means over seeds
must differ by less than the seeds do among themselves. The result is Markdown.
"""

import argparse
from statistics import mean, stdev

import torch
from rounds import machine, table

from sparsevae import data
from sparsevae.data import Dataset
from sparsevae.evaluation import evaluate_dataset
from sparsevae.models.schedules import from_json
from sparsevae.networks import kernels
from sparsevae.networks.kernels.choice import Choice
from sparsevae.runs.training import new_model
from sparsevae.training.config import StudyConfig
from sparsevae.training.loop import train
from sparsevae.training.recipes import runs
from sparsevae.training.step import make_optimiser

METRICS = ("negative_elbo", "kl", "mse", "used_dimensions", "active_per_image")
KERNELS: tuple[Choice, ...] = ("native", "plain")


def trained(dataset: Dataset, options: argparse.Namespace, seed: int) -> dict[str, float]:
    """The metrics of one run."""
    grid = {"models": ("vsc",), "latents": (options.latents,), "seeds": (seed,)}
    grid |= {"epochs": options.epochs, "batch_size": options.batch_size}
    config = runs(StudyConfig.checked(grid), dataset.name)[0]
    images = torch.from_numpy(dataset.train.images)
    model = new_model(config, images)
    for _ in train(
        model,
        make_optimiser(model),
        images,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=from_json(config.learning_rate),
        seed=seed,
    ):
        pass
    row = evaluate_dataset(model.eval(), dataset, ("bound", "quality", "sparsity")).metrics
    return {name: float(row[name]) for name in METRICS}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="mnist-5k")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--latents", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    dataset = data.load(options.dataset)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in KERNELS}
    for seed in range(options.seeds):
        for name in KERNELS:
            with kernels.use(name):
                found[name].append(trained(dataset, options, seed))
    rows = []
    for metric in METRICS:
        native, plain = ([row[metric] for row in found[name]] for name in KERNELS)
        spread = f"{stdev(native):.3f}", f"{stdev(plain):.3f}"
        means = f"{mean(native):.3f}", f"{mean(plain):.3f}"
        rows.append([metric, *means, f"{mean(native) - mean(plain):+.3f}", *spread])
    print(
        f"VSC, {dataset.name}, J = {options.latents}, {options.epochs} epochs, batch "
        f"{options.batch_size}, {options.seeds} seeds. {machine()}.\n"
    )
    head = ["", "compiled", "plain", "difference", "sd over seeds, compiled", "plain"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
