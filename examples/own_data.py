"""A table of one's own: fit a sparse model, look at its codes, take them back to the units.

Run it with ``python examples/own_data.py``; ``--epochs 1`` is quick.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from sklearn.datasets import load_wine

from sparsevae import OpenRun
from sparsevae.data import read
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import prepare
from sparsevae.runs.train import train_run

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=200)
parser.add_argument("--limit", type=int, default=None, help="only the first so many rows")
options = parser.parse_args()

with TemporaryDirectory() as folder:
    table = Path(folder) / "wine.csv"
    wine = load_wine(as_frame=True)
    rows = wine.data.assign(kind=wine.target).sample(frac=1, random_state=0)
    rows.head(options.limit or len(rows)).to_csv(table, index=False)

    raw = read(table, labels="kind")
    prepared = prepare(raw, model="vsc", latents=6, epochs=options.epochs)
    print("\n".join(prepared.told))
    run = RunFolder(Path(folder) / "run")
    train_run(prepared.config, prepared.dataset, run, data=prepared.data)

    opened = OpenRun.open(run.path)
    codes = opened.encode(raw.values[:5])
    print("codes of five wines, 0 where a dimension is off:")
    print(codes.round(2))
    print("alcohol, and what is left of it after the code:")
    print(raw.values[:5, 0], opened.decode(codes)[:, 0].round(2))
