"""Train a sparse model on digits, look at its codes, and draw which dimensions mean what.

Use: python examples/quick_start.py --epochs 25 --out vsc
"""

import argparse
from pathlib import Path

import sparsevae
from sparsevae.studies.study import run_study
from sparsevae.training.config import StudyConfig

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=25)
parser.add_argument("--limit", type=int, default=None)
parser.add_argument("--out", type=Path, default=Path("quick-start"))


def main() -> None:
    """Run a study of one model and print what it found."""
    options = parser.parse_args()
    study = StudyConfig(
        dataset="mnist-5k",
        models=("vsc",),
        latents=(16,),
        batch_size=64,
        epochs=options.epochs,
        limit=options.limit,
    )
    run_study(study, options.out)
    run = sparsevae.RunFolder(options.out / "runs" / "mnist-5k-vsc-16-seed0")
    shown = ("negative_elbo", "mse", "used_dimensions", "active_per_image", "selectivity")
    for name in shown:
        print(f"{name:>18} {run.metrics[name]:.4g}")
    sheet = sparsevae.figures.activated_dimensions(sparsevae.figures.Run.read(run))
    sparsevae.figures.save(sheet, options.out / "codes.png")
    print(f"Pictures: {options.out / 'codes.png'} and {options.out / 'report.html'}")


if __name__ == "__main__":
    main()
