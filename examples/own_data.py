"""A table of one's own: fit a sparse model, look at its codes, take them back to the units.

Run it with ``python examples/own_data.py``; ``--epochs 1`` is quick.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from sklearn.datasets import load_wine

import sparsevae

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=200)
parser.add_argument("--limit", type=int, default=None, help="only the first so many rows")
options = parser.parse_args()

wine = load_wine(as_frame=True).data.sample(frac=1, random_state=0)
table = wine.head(options.limit or len(wine))
model = sparsevae.fit(table, "vsc", latents=6, epochs=options.epochs)
print(f"{model.likelihood} because: {model.data.reason}")

codes = model.encode(table.head())
print("codes of five wines, 0 where a dimension is off:")
print(codes.round(2))
print("alcohol, and what is left of it after the code:")
print(table["alcohol"].head().to_numpy(), model.decode(codes)[:, 0].round(2))
print(f"{model.log_likelihood(table, samples=50).mean():.1f} nats a wine, at least")

with TemporaryDirectory() as folder:
    saved = model.save(Path(folder) / "wine")  # `sparsevae encode wine rows.npy` goes on from here
    print((sparsevae.load(saved).encode(table.head()) == codes).all())
