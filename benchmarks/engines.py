"""What an engine costs beyond the runs themselves, and the memory of the parent.

    python benchmarks/engines.py ray 10000
    python benchmarks/engines.py local 100 --seconds 1

Tasks do nothing, or wait for so many seconds, two at a time; the cost is counted from the first
one that is done, so that the start of workers is apart.
"""

import argparse
import resource
import time
from dataclasses import dataclass

from sparsevae.studies.engines import Task, engine

JOBS = 2


@dataclass(frozen=True)
class Waiting(Task):
    """Does nothing for a while."""

    seconds: float

    def do(self, on_images, on_warning):
        """Wait, and count one image."""
        time.sleep(self.seconds)
        on_images(1)


def main(name, count, seconds):
    """Do so many tasks by an engine."""
    began = time.perf_counter()
    tasks = [Waiting(f"task-{i}", (), seconds) for i in range(count)]
    done, first = 0, 0.0
    for _ in engine(name)(tasks, JOBS, lambda task, images: None, lambda task, line: None):
        done += 1
        first = first or time.perf_counter()
    took = time.perf_counter() - first
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ideal = (done - JOBS) / JOBS * seconds
    beyond = f", {took / ideal - 1:.1%} more than they wait" if ideal else ""
    print(
        f"{name}: {done} tasks, {first - began:.1f} s to the first, "
        f"{1000 * took / max(1, done - 1):.1f} ms each{beyond}, parent {peak:.0f} MB"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine")
    parser.add_argument("tasks", type=int)
    parser.add_argument("--seconds", type=float, default=0.0)
    given = parser.parse_args()
    main(given.engine, given.tasks, given.seconds)
