"""Make the trained model that comes with the package: the default VSC on MNIST, in half precision.

    python tools/make_starting_model.py --work /tmp/starting

MNIST is read from ``SPARSEVAE_DATA`` or downloaded. Training takes about ten minutes and can be
stopped and taken up again in the same working folder; the weights are then rounded to float16,
the log-odds of pseudo-images to 8 bits, and what is measured and pictured is the rounded model.
"""

import argparse
import hashlib
import shutil
from pathlib import Path

import numpy as np
import torch

from sparsevae import data
from sparsevae.evaluation.denoising import Denoiser
from sparsevae.models import Model
from sparsevae.runs import bundled
from sparsevae.runs.folder import PICTURES, Arrays, RunFolder, identity
from sparsevae.runs.train import keep_numbers
from sparsevae.runs.training import Training, rows_of
from sparsevae.runs.weights import WEIGHTS
from sparsevae.storage.files import write_tensors
from sparsevae.training import recipes
from sparsevae.training.config import StudyConfig

NAME = "mnist-vsc-64"
LARGEST = 2_000_000  # bytes of the folder
IMAGES = ("prior.pixel_odds",)
CODES = 64  # of test images, kept for the explorer
KEPT_PICTURES = (
    *("axis_values", "ablation_cost", "base_codes", "examples", "example_indices"),
    *("scatter_codes", "scatter_labels", "class_code", "class_gamma", "class_mean"),
    *("gamma_mean", "gated"),
)


def trained(dataset: data.Dataset, work: RunFolder) -> Training:
    """The default VSC of 64 dimensions, from its last checkpoint where there is one."""
    study = StudyConfig(dataset="mnist", models=("vsc",), latents=(64,))
    (config,) = recipes.runs(study, "mnist", len(dataset.train))
    work.start(config, dataset.sha256, dataset.shape)
    images = rows_of(dataset.train)
    training = Training.begin(config, images, torch.device("cpu"))
    training.restore(work, images)
    training.go_on(images, after_epoch=lambda: training.save(work))
    return training


def rounded(model: Model) -> dict[str, torch.Tensor]:
    """Round every weight to the nearest float16, of pseudo-images to 8 bits; the small tensors."""
    small = {}
    for name, tensor in model.state_dict().items():
        small[name] = tensor.to(torch.float8_e4m3fn if name in IMAGES else torch.float16)
        tensor.copy_(small[name])
    return small


def small(pictures: Arrays) -> Arrays:
    """What the explorer and the pictures of dimensions need, codes of a few images, in halves."""
    kept = {name: pictures[name] for name in KEPT_PICTURES if name in pictures}
    kept |= {name: a.astype(np.float16) for name, a in kept.items() if a.dtype.kind == "f"}
    for name in ("scatter_codes", "scatter_labels"):
        kept[name] = kept[name][:CODES]
    return kept


def write(training: Training, dataset: data.Dataset, target: RunFolder) -> None:
    """Write the run folder, and the checksums of its files beside them."""
    shutil.rmtree(target.path, ignore_errors=True)
    model, config = training.model.eval(), training.config
    weights = rounded(model)
    target.start(config, dataset.sha256, dataset.shape)
    target.save_weights(model, training.history)
    keep_numbers(target, model, dataset, identity(config, model, training.history))
    write_tensors(target.path / WEIGHTS, weights, {})
    pictures = small(target.pictures)
    (target.path / PICTURES).unlink()
    (target.path / Denoiser.file).unlink()  # as large as the weights; `with_clean` makes another
    target.keep_pictures(pictures)
    files = sorted(path for path in target.path.iterdir() if path.is_file())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (target.path / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Train, round, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the training run")
    work = RunFolder(parser.parse_args().work)
    torch.set_num_threads(1)  # numbers do not depend on the number of cores
    dataset, target = data.load("mnist"), RunFolder(bundled.FOLDER / NAME)
    write(trained(dataset, work), dataset, target)
    size = sum(path.stat().st_size for path in target.path.iterdir())
    if size > LARGEST:
        raise SystemExit(f"{target.path} has {size:,} bytes, more than {LARGEST:,}.")
    print(f"{target.path}: {size:,} bytes, bound {target.metrics['negative_elbo']:.2f} nats")


if __name__ == "__main__":
    main()
