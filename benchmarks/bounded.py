"""What large data cost: the time of each case, the share of measuring in it, the most memory.

Every case is a process of its own that does what ``sparsevae fit`` does to data made here, with
defaults but for a single pass over the rows: the time of training is that of the pass times the
passes that a default run makes. Times are of the processor. Run it with the names of cases, or
without for all:

    python benchmarks/bounded.py [strokes photographs classes columns latents rows]
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw


def strokes(folder: Path) -> dict[str, Any]:
    """4,000 drawings of 105 x 105 pixels in 964 folders."""
    random = np.random.default_rng(0)
    kinds = [[random.uniform(0.15, 0.85, (4, 2)) for _ in range(2)] for _ in range(964)]
    for place in range(4000):
        kind = place % len(kinds)
        image = Image.new("L", (105, 105), 255)
        draw = ImageDraw.Draw(image)
        for stroke in kinds[kind]:
            points = (stroke + random.normal(0, 0.02, stroke.shape)) * 105
            draw.line([(x, y) for x, y in points.tolist()], fill=0, width=3, joint="curve")
        target = folder / "data" / f"{kind:03}"
        target.mkdir(parents=True, exist_ok=True)
        image.save(target / f"{place:04}.png")
    return {"path": folder / "data"}


def photographs(folder: Path) -> dict[str, Any]:
    """2,000 patches of 32 x 32 pixels of two photographs in colour."""
    from sklearn.datasets import load_sample_images

    random, photos = np.random.default_rng(0), load_sample_images().images
    (folder / "data").mkdir()
    for place in range(2000):
        photo = photos[place % 2]
        y, x = random.integers(0, photo.shape[0] - 32), random.integers(0, photo.shape[1] - 32)
        patch = Image.fromarray(photo[y : y + 32, x : x + 32])
        patch.save(folder / "data" / f"{place:04}.png")
    return {"path": folder / "data"}


def _prototypes(rows: int, classes: int, side: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    kinds = random.uniform(0, 255, (classes, side, side))
    labels = np.arange(rows) % classes
    images = kinds[labels] + random.normal(0, 20, (rows, side, side))
    return {"images": images.clip(0, 255).astype(np.uint8), "labels": labels}


def classes(folder: Path) -> dict[str, Any]:
    """20,000 images of 12 x 12 pixels of 1,000 classes."""
    np.savez(folder / "data.npz", **_prototypes(20_000, 1000, 12))
    return {"path": folder / "data.npz"}


def columns(folder: Path) -> dict[str, Any]:
    """5,000 rows of 2,000 columns, 64 latents."""
    random = np.random.default_rng(0)
    x = random.normal(size=(5000, 20)) @ random.normal(size=(20, 2000))
    np.save(folder / "data.npy", (x + random.normal(size=x.shape)).astype(np.float32))
    return {"path": folder / "data.npy", "latents": 64}


def latents(folder: Path) -> dict[str, Any]:
    """5,000 images of 12 x 12 pixels of 10 classes, 1,024 latents."""
    np.savez(folder / "data.npz", **_prototypes(5000, 10, 12))
    return {"path": folder / "data.npz", "latents": 1024}


def rows(folder: Path) -> dict[str, Any]:
    """200,000 rows of 100 columns, all of them measured after training on nine tenths."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200_000, 10)) @ random.normal(size=(10, 100))
    np.save(folder / "data.npy", x.astype(np.float32))
    return {"path": folder / "data.npy", "again": True}


CASES: dict[str, Callable[[Path], dict[str, Any]]] = {
    case.__name__: case for case in (strokes, photographs, classes, columns, latents, rows)
}


def measure(name: str, kept: str | None = None) -> None:
    """Do one case in this process and print its line of the table."""
    from sparsevae.data import read
    from sparsevae.report import draw, figures, traverse
    from sparsevae.runs.folder import RunFolder
    from sparsevae.runs.prepare import prepare
    from sparsevae.runs.train import train_run

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(kept or temporary)
        settings = CASES[name](Path(temporary))
        path, again = settings.pop("path"), settings.pop("again", False)
        prepared = prepare(read(path), **{"latents": 16, **settings})
        passes, config = prepared.config.epochs, prepared.config.model_copy(update={"epochs": 1})
        spans = {"training": 0.0, "measuring": 0.0}
        last, total, done = time.process_time(), len(prepared.dataset.train), 0

        def progress(images: int) -> None:
            nonlocal last, done
            now, done = time.process_time(), done + images
            spans["training" if done <= total else "measuring"] += now - last
            last = now

        run = RunFolder(folder / "run")
        train_run(
            config,
            prepared.dataset,
            run,
            data=prepared.data,
            progress=progress,
            device="cpu",
        )
        measured = time.process_time()
        draw(run)
        figures.save(traverse(run), folder / "traverse.png")
        drawing = time.process_time() - measured
        if again:
            from sparsevae import load

            load(run.path).evaluate(read(path))
    training, measuring = passes * spans["training"], spans["measuring"]
    share = measuring / (training + measuring)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    about = (CASES[name].__doc__ or "").rstrip(".")
    times = f"{training:.0f} s | {measuring:.0f} s | {drawing:.0f} s"
    print(f"| {about} | {passes} | {times} | {share:.0%} | {most:.1f} GB |", flush=True)


def main(names: list[str]) -> None:
    """Print a table of cases, each in a process of its own."""
    print("| data | passes | training | measuring | drawing | share of measuring | memory |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name in names or CASES:
        subprocess.run([sys.executable, __file__, "--one", name], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(*sys.argv[2:])
    else:
        main(sys.argv[1:])
