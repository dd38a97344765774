"""What an engine costs beyond the runs themselves, and the memory of the parent.

    python benchmarks/engines.py ray 10000
    python benchmarks/engines.py local 100 --seconds 1
    python benchmarks/engines.py ray 100 --runs

Tasks do nothing, wait for so many seconds, or are runs of a second or two (900 rows of 24 numbers,
12 epochs, all that is measured), two at a time. The cost is that between the first task that is
done and the last but one, so that the start of workers is apart: what two workers have of that
time, over what their tasks take of it by their own clocks.
"""

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sparsevae.studies.engines import Task, engine

JOBS = 2


@dataclass(frozen=True)
class Timed(Task):
    """Writes down when it began and when it ended."""

    seconds: float
    folder: Path
    seed: int | None = None

    def do(self, on_images, on_warning):
        """Wait, or train a run."""
        began = time.time()
        if self.seed is None:
            time.sleep(self.seconds)
            on_images(1)
        else:
            import numpy as np

            from sparsevae.runs.train import fit

            draw = np.random.default_rng(0)
            rows = draw.normal(size=(900, 6)) @ draw.normal(size=(6, 24))
            out = self.folder / self.name
            fit(rows, latents=4, epochs=12, seed=self.seed, out=out, progress=on_images)
        (self.folder / f"{self.name}.times").write_text(f"{began} {time.time()}")


def cost(folder):
    """How much more time the workers have than their tasks take, as a share."""
    times = [tuple(map(float, path.read_text().split())) for path in folder.glob("*.times")]
    ends = sorted(end for _, end in times)
    first, last = ends[0], ends[-2]
    own = sum(max(0.0, min(end, last) - max(began, first)) for began, end in times)
    return JOBS * (last - first) / own - 1


def main(name, count, seconds, runs):
    """Do so many tasks by an engine."""
    with tempfile.TemporaryDirectory() as place:
        folder, began = Path(place), time.perf_counter()
        seeds = range(count) if runs else [None] * count
        tasks = [Timed(f"task-{i}", (), seconds, folder, seed) for i, seed in enumerate(seeds)]
        done, first = 0, 0.0
        for _ in engine(name)(tasks, JOBS, lambda task, images: None, lambda task, line: None):
            done += 1
            first = first or time.perf_counter()
        took = time.perf_counter() - first
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        beyond = f", {cost(folder):.1%} more than they take" if seconds or runs else ""
    print(
        f"{name}: {done} tasks, {first - began:.1f} s to the first, "
        f"{1000 * took / max(1, done - 1):.1f} ms each{beyond}, parent {peak:.0f} MB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("tasks", type=int)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--runs", action="store_true")
    given = parser.parse_args()
    main(given.engine, given.tasks, given.seconds, given.runs)
