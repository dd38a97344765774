"""Denoising of a data set's test images: models beside what knows second moments alone.

    python benchmarks/denoising.py mnist mnist-vsc-64 demo/runs/mnist-5k-vae-16-seed0

prints a Markdown table of squared errors an image, for noise as it comes and clipped, σ = 0.3 and
0.5. Models are names that come with the package or run folders.
"""

import argparse

import sparsevae
from sparsevae import RunFolder
from sparsevae.metrics import bounds
from sparsevae.metrics.images import mse
from sparsevae.metrics.table import DENOISED

SEED = 0  # of the noise that a study's columns have


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--limit", type=int, help="the first so many test images")
    options = parser.parse_args()
    data = sparsevae.data.load(options.dataset)
    train, test = data.train.scaled(), data.test.scaled()[: options.limit]
    columns = bounds.gaussian_columns(test, DENOISED, SEED)
    del columns["clean"]
    rows = bounds.TrivialDenoisers(train, data.train.labels).rows(test, columns)
    for name in options.models:
        trained = sparsevae.load(name)
        if trained.path is None or RunFolder(trained.path).denoiser is None:
            trained = trained.with_clean(data.train.images[:4000])
        coded, restored = {}, {}
        for column, corrupted in columns.items():
            noisy = 255 * corrupted.images
            sigma = 255 * corrupted.variance**0.5
            coded[column] = mse(test, trained.reconstruct(noisy, own_type=False) / 255)
            restored[column] = mse(test, trained.denoise(noisy, sigma, own_type=False) / 255)
        rows |= {f"{name}, decoded code": coded, f"{name}, denoise": restored}
    print(f"| {len(test):,} images | " + " | ".join(columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for name, row in rows.items():
        errors = " | ".join(f"{row[column] * test[0].size:.2f}" for column in columns)
        print(f"| {name} | {errors} |")


if __name__ == "__main__":
    main()
