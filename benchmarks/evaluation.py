"""What one evaluation costs, part by part.

    python benchmarks/evaluation.py [--latents 64] [--models vsc] [--keep NUMBERS.json]
    python benchmarks/evaluation.py --against NUMBERS.json

A model is trained on MNIST and measured on its 10,000 test images with all groups of metrics, on
one thread. Seconds are those of the processor; a part does not count the parts inside of it. The
classifier is trained before, as the first run of a study does it. With ``--keep`` the metrics are
written to a file; with ``--against`` every column is compared with those of a file, the relative
differences above one millionth are printed.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from contest import settings
from rounds import TITLES, machine, table

from sparsevae import data
from sparsevae.evaluation import Pass, evaluate_pass
from sparsevae.evaluation.meter import Meter
from sparsevae.models import Model
from sparsevae.networks import kernels
from sparsevae.runs.training import Training, rows_of

WIDTHS, BATCH, SAME = (16, 32, 256), 256, 1e-6


class Clock(Meter):
    """A meter that keeps the processor's seconds of every part."""

    def __init__(self) -> None:
        super().__init__()
        self.spent: dict[str, float] = {}
        self.open: list[str] = []
        self.since = time.process_time()

    def _turn(self) -> None:
        now = time.process_time()
        if self.open:
            self.spent[self.open[-1]] = self.spent.get(self.open[-1], 0.0) + now - self.since
        self.since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A part is at work, and the one around it is not."""
        self._turn()
        self.open.append(name)
        with super().part(name):
            yield
        self._turn()
        self.open.pop()


def trained(name: str, latents: int, epochs: int) -> Model:
    """A model of a study's default recipe, trained for few epochs."""
    config = settings(name, WIDTHS, latents, BATCH).model_copy(update={"epochs": epochs})
    images = rows_of(data.load("mnist").train)
    training = Training.begin(config, images, torch.device("cpu"))
    training.go_on(images)
    return training.model.eval()


def measured(model: Model, classifier: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Metrics and the seconds of every part."""
    clock = Clock()
    one = Pass.of(model, data.load("mnist"), classifier_file=classifier, meter=clock)
    return evaluate_pass(one).metrics, clock.spent


def differences(new: dict[str, Any], old: dict[str, Any]) -> list[tuple[str, ...]]:
    """Columns that differ by more than one millionth, and by how much of the old one."""
    found = []
    for key in sorted({*new, *old}):
        a, b = new.get(key), old.get(key)
        numbers = isinstance(a, float) and isinstance(b, float)
        if a != b and not (numbers and math.isclose(a, b, rel_tol=SAME)):
            share = f"{a / b - 1:.1e}" if numbers and b else "-"
            found.append((key, f"{b}", f"{a}", share))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latents", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--models", default="vsc", help="joined by commas")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--against", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    kernels.keep_freed_memory()
    names = given.models.split(",")
    with tempfile.TemporaryDirectory() as folder:
        classifier = Path(folder) / "classifier.safetensors"
        models = {name: trained(name, given.latents, given.epochs) for name in names}
        first = Pass.of(models[names[0]], data.load("mnist"), classifier_file=classifier)
        assert first.classifier is not None  # trained now, and kept for those that are measured
        found = {name: measured(model, classifier) for name, model in models.items()}
    if given.keep:
        given.keep.write_text(json.dumps({name: metrics for name, (metrics, _) in found.items()}))
    print(f"10,000 images (MNIST), J = {given.latents}, {given.epochs} epochs, trunk 16-32-256,")
    print(f"one thread, kernel {kernels.kernel_name()}. {machine()}.\n")
    seconds = [spent for _, spent in found.values()]
    every = {part for spent in seconds for part in spent}
    parts = sorted(every, key=lambda part: -seconds[0].get(part, 0))
    rows = [[part, *(f"{spent.get(part, 0):.2f} s" for spent in seconds)] for part in parts]
    rows.append(["all", *(f"{sum(spent.values()):.2f} s" for spent in seconds)])
    print(table(["part", *(TITLES.get(name, name) for name in names)], rows))
    if given.against:
        before = json.loads(given.against.read_text())
        for name, (metrics, _) in found.items():
            print(f"\n{name}, columns that differ:")
            print(table(["column", "before", "now", "by"], differences(metrics, before[name])))


if __name__ == "__main__":
    main()
