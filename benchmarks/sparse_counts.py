"""Single-cell-like counts in a sparse matrix: time, memory, zeros of codes, programmes found.

    python benchmarks/sparse_counts.py [--rows 20000] [--columns 2000] [--epochs 10]

Cells run a few of 20 known programmes, each of which raises 60 genes; counts are negative
binomial given a depth of their own, and 95 % of them are 0. Memory is the peak of the process
above what it has after `import torch` and with the sparse matrix. Linux only.
"""

import argparse
import time

import numpy as np
from memory import MEGABYTE, memory
from scipy import sparse

PROGRAMMES, GENES, ON = 20, 60, 0.15
DEPTH = 130  # counts a cell in the median


def cells(rows: int, columns: int, seed: int = 0) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Counts, and how strongly each cell runs each programme, (N, programmes)."""
    generator = np.random.default_rng(seed)
    base = generator.lognormal(0, 1, columns)
    raised = np.zeros((PROGRAMMES, columns))
    for programme in raised:
        chosen = generator.choice(columns, min(GENES, columns // 4), replace=False)
        programme[chosen] = generator.uniform(5, 20, len(chosen))
    shape = (rows, PROGRAMMES)
    runs = (generator.random(shape) < ON) * generator.gamma(4, 0.25, shape)
    depth = DEPTH * generator.lognormal(0, 0.4, rows)
    blocks = []
    for start in range(0, rows, 1000):
        part = slice(start, start + 1000)
        rate = base + runs[part] @ raised
        rate *= depth[part, None] / rate.sum(1, keepdims=True)
        rate *= generator.gamma(2.0, 0.5, rate.shape)
        blocks.append(sparse.csr_matrix(generator.poisson(rate).astype(np.float32)))
    return sparse.vstack(blocks, format="csr"), runs


def main() -> None:
    """Fit, encode and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--columns", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--latents", type=int, default=32)
    options = parser.parse_args()
    import sparsevae
    from sparsevae.training import loop

    loop.prepare_process()
    counts, runs = cells(options.rows, options.columns)
    sparsevae.fit(counts[:64], epochs=1, latents=2)  # what is loaded at the first step
    base, start = memory("VmRSS"), time.perf_counter()
    model = sparsevae.fit(counts, latents=options.latents, epochs=options.epochs)
    seconds, start = time.perf_counter() - start, time.perf_counter()
    codes = model.encode(counts)
    encoding, peak = time.perf_counter() - start, memory("VmHWM") - base
    used = codes.std(0) > 0
    together = np.abs(np.corrcoef(codes[:, used].T, runs.T)[: used.sum(), used.sum() :])
    best = together.max(0) if used.any() else np.zeros(PROGRAMMES)
    zeros = 1 - counts.nnz / counts.shape[0] / counts.shape[1]
    lines = {
        "counts": f"{options.rows:,} x {options.columns:,}, {zeros:.1%} zeros",
        "likelihood": str(model.likelihood),
        "training": f"{seconds:.0f} s for {options.epochs} epochs",
        "encoding": f"{encoding:.1f} s",
        "peak above torch and the matrix": f"{peak / MEGABYTE:.0f} MB",
        "the matrix, sparse": f"{(counts.data.nbytes + counts.indices.nbytes) / MEGABYTE:.0f} MB",
        "the matrix, dense": f"{4 * options.rows * options.columns / MEGABYTE:.0f} MB",
        "codes that are 0": f"{(codes == 0).mean():.1%}",
        "dimensions in use": f"{used.sum()} of {options.latents}",
        "programmes with |correlation| above 0.7": f"{(best > 0.7).sum()} of {PROGRAMMES}",
    }
    print("| | |\n|---|---|")
    for name, value in lines.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
