"""What an engine costs beyond the runs themselves: empty tasks, and the parent's memory.

python benchmarks/engines.py ray 10000
"""

import resource
import sys
import time
from dataclasses import dataclass

from sparsevae.studies.engines import Task, engine


@dataclass(frozen=True)
class Empty(Task):
    """Does nothing."""

    def do(self, on_images, on_warning):
        """Count one image."""
        on_images(1)


def main(name, count):
    """Do so many empty tasks by an engine."""
    began = time.perf_counter()
    tasks = [Empty(f"task-{i}", ()) for i in range(count)]
    done, first = 0, 0.0
    for _ in engine(name)(tasks, 2, lambda task, images: None, lambda task, line: None):
        done += 1
        first = first or time.perf_counter()
    each = (time.perf_counter() - first) / max(1, done - 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}: {done} tasks, {first - began:.1f} s to the first, {1000 * each:.1f} ms each, "
        f"parent {peak:.0f} MB"
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
