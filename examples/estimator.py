"""Sparse codes of a table in a scikit-learn pipeline: fit, look inside, search, sample.

Use: python examples/estimator.py
"""

import argparse

import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sparsevae import SparseVAE

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=None, help="passes over the rows")
parser.add_argument("--limit", type=int, default=None, help="rows at most")


def main() -> None:
    """Fit codes of the wine table and print what they say."""
    options = parser.parse_args()
    wine = load_wine(as_frame=True)
    order = np.random.default_rng(0).permutation(len(wine.data))[: options.limit]
    table, labels = wine.data.iloc[order], wine.target.iloc[order]

    coder = SparseVAE(n_components=6, target_active=2, max_iter=options.epochs, random_state=0)
    codes = coder.set_output(transform="pandas").fit_transform(table)
    print(f"{coder.likelihood_} because: {coder.likelihood_reason_}")
    print(f"{coder.n_iter_} passes, {coder.score(table):.1f} nats a row")
    on = codes.ne(0).groupby(labels).mean().round(2).T
    print(f"\nShare of the wines of each class that have a component on:\n{on.to_string()}")

    pipeline = make_pipeline(coder, LogisticRegression())
    grid = {"sparsevae__model": ["vsc", "vae"], "sparsevae__target_active": [1, 3]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(table, labels)
    print(f"\n{search.best_params_}: {search.best_score_:.2f} of the classes are right")
    drawn = dict(zip(table.columns, coder.sample(3, random_state=0).T.round(2), strict=True))
    print("\nThree wines that nobody made:")
    for column, values in drawn.items():
        print(f"{column:>30} {values}")


if __name__ == "__main__":
    main()
