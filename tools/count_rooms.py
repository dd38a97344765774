"""Count the rooms that a training run and an evaluation enter.

    python tools/count_rooms.py

A room counts when one of its functions is called, not when a module is imported. Both act on a
small table in memory; `errors` and the public names of the package are no rooms.
"""

import sys
import tempfile
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

import sparsevae
from sparsevae.runs.train import fit

HOME = str(Path(sparsevae.__file__).parent)


def rooms(act) -> Counter[str]:
    """Calls of functions by room while `act` runs."""
    seen: Counter[str] = Counter()

    def called(frame, event, _argument):
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(HOME) and frame.f_code.co_name != "<module>":
            room, inside, _ = name.removeprefix(f"{HOME}/").partition("/")
            if inside:
                seen[room] += 1

    threading.setprofile(called)
    sys.setprofile(called)
    act()
    sys.setprofile(None)
    threading.setprofile(None)
    return seen


def counted() -> dict[str, list[str]]:
    """The rooms that each act enters, most calls first."""
    rows = np.random.default_rng(0).normal(size=(60, 6))
    labels = np.arange(60) % 3
    kept = []
    train = rooms(lambda: kept.append(fit(rows, latents=3, epochs=1, device="cpu")))
    (model,) = kept
    again = partial(fit, rows, latents=3, epochs=1, device="cpu", labels=labels)
    with tempfile.TemporaryDirectory() as folder:
        run = rooms(lambda: again(out=f"{folder}/run"))
    measure = partial(sparsevae.evaluate, model.model, rows, labels, scaling=model.data.scaling)
    parts = {
        "training in memory": train,
        "a whole run: trained, measured and kept": run,
        "evaluation of a network": rooms(measure),
        "evaluation through a trained model": rooms(lambda: model.evaluate(rows, labels)),
    }
    return {name: [room for room, _ in counts.most_common()] for name, counts in parts.items()}


if __name__ == "__main__":
    for name, found in counted().items():
        print(f"{name}: {len(found)} ({', '.join(found)})")
