"""A whole MNIST study, against the usual loop extrapolated from two epochs of every run.

    python benchmarks/study.py [--epochs 25] [--trained 25]

The study is the command `sparsevae study`: 4 models x 2 latent sizes, evaluation and report
included, two processes. With fewer epochs `--trained` than `--epochs` the time of the missing
ones is added, each as long as the last that was trained. The usual loop trains the same runs in
two processes for two epochs each; its time for all epochs is extrapolated, and it evaluates
nothing. The result is Markdown.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rounds import TITLES, Result, answer, machine, start, table

LATENTS = (2, 64)
PROCESSES = 2
MEASURED_EPOCHS = 2
COMMAND = "from sparsevae.cli import main; main()"


def study_seconds(epochs: int, trained: int, images: int) -> tuple[float, float]:
    """Wall time of the command from its start to the report, and the sum of all epochs' times."""
    sizes = ",".join(str(latents) for latents in LATENTS)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", COMMAND, "study", "--dataset", "mnist"]
        command += ["--latents", sizes, "--epochs", str(trained), "--jobs", str(PROCESSES)]
        command += ["--limit", str(images), "--device", "cpu", "--out", "study"]
        began = time.perf_counter()
        # A folder of its own, so that no finished runs of an earlier study are taken over.
        subprocess.run(command, check=True, stdout=sys.stderr, cwd=folder)
        whole = time.perf_counter() - began
        paths = Path(folder).glob("study/runs/*/history.json")
        runs = [[row["seconds"] for row in json.loads(path.read_text())] for path in paths]
    missing = sum((epochs - trained) * run[-1] for run in runs)
    return whole + missing / PROCESSES, sum(map(sum, runs)) + missing


def usual(model: str, latents: int, images: int) -> Callable[[], Result]:
    """What trains a run of the study with the usual loop for some epochs."""
    given = ("usual", model, "--widths", "16,32,256", "--latents", str(latents))
    amount = ("--images", str(images), "--epochs", str(MEASURED_EPOCHS))
    return lambda: answer(start("contest.py", *given, *amount))


def usual_seconds(epochs: int, images: int) -> Iterator[tuple[str, int, float]]:
    """Model, latent size and extrapolated seconds, two of them trained at any time."""
    runs = [(model, latents) for latents in LATENTS for model in TITLES]
    with ThreadPoolExecutor(PROCESSES) as pool:
        waiting = [pool.submit(usual(*run, images)) for run in runs]
        for (model, latents), future in zip(runs, waiting, strict=True):
            yield model, latents, epochs * images / future.result()["speed"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--images", type=int, default=60_000, help="training images")
    parser.add_argument("--trained", type=int, help="epochs that the study really trains")
    options = parser.parse_args()
    trained = options.trained or options.epochs
    whole, training = study_seconds(options.epochs, trained, options.images)
    runs = list(usual_seconds(options.epochs, options.images))
    total = sum(seconds for _, _, seconds in runs) / PROCESSES
    rows = [
        [f"usual loop, {TITLES[model]}, J = {latents}", f"{seconds:.0f} s"]
        for model, latents, seconds in runs
    ]
    rows += [
        ["usual loop, training of all runs, divided by 2 processes", f"{total:.0f} s"],
        ["`sparsevae study`, training, divided by 2 processes", f"{training / PROCESSES:.0f} s"],
        ["`sparsevae study`: training, evaluation, report", f"{whole:.0f} s"],
        ["share", f"{whole / total:.2f}"],
    ]
    print(
        f"{options.epochs} epochs of {options.images:,} images, trunk 16-32-256, batch 256; the "
        f"usual loop is extrapolated from {MEASURED_EPOCHS} epochs a run, the study from "
        f"{trained}. {machine()}.\n"
    )
    print(table(["", "time"], rows))


if __name__ == "__main__":
    main()
