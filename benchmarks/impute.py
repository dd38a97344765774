"""Gaps filled by the model, beside scikit-learn's imputers: root mean squared error and accuracy.

    python benchmarks/impute.py [--seeds 3] [--tables wine,digits]

A fifth of the values of a table is hidden at random. Every imputer is fitted to the table with its
gaps and fills them; the error is over the hidden values, in standard deviations of their columns.
Levels of categories are scored by the share that is right, booleans too. What scikit-learn's
imputers get of categories is one-hot, and they fill in the largest.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas
from sklearn import datasets
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 (opens the next import)
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

import sparsevae
from sparsevae.training import loop

SHARE = 0.2


def houses(count: int = 2000, seed: int = 0) -> pandas.DataFrame:
    """Districts as in the California table: a place, incomes and rooms that follow from it."""
    generator = np.random.default_rng(seed)
    place = generator.random((count, 2))
    coast = np.exp(-3 * place[:, 0]) + 0.3 * np.sin(6 * place[:, 1])
    income = np.exp(0.4 * coast + generator.normal(0, 0.35, count))
    rooms = 3 + 1.5 * income + generator.normal(0, 0.6, count)
    population = np.exp(generator.normal(7, 0.6, count))
    households = population / (2.2 + 0.3 * generator.random(count))
    value = np.exp(0.9 * np.log(income) + 0.7 * coast + generator.normal(0, 0.15, count))
    age = 50 - 20 * place[:, 0] + generator.normal(0, 6, count)
    names = ("west", "north", "income", "rooms", "population", "households", "value", "age")
    columns = (*place.T, income, rooms, population, households, value, age)
    return pandas.DataFrame(dict(zip(names, columns, strict=True)))


def passengers(count: int = 1000, seed: int = 0) -> pandas.DataFrame:
    """A made list of passengers: class decides fare, deck and age, and with sex who survives."""
    generator = np.random.default_rng(seed)
    place = generator.choice(3, count, p=(0.25, 0.25, 0.5))
    sex = generator.choice(2, count, p=(0.6, 0.4))
    fare = np.array([60.0, 20.0, 8.0])[place] * generator.lognormal(0, 0.3, count)
    age = np.array([40, 32, 25])[place] + generator.normal(0, 9, count)
    deck = (place + (generator.random(count) < 0.15)).clip(0, 2)
    odds = -1 + 2.5 * sex - 1.0 * place - 0.02 * (age - 30)
    days = generator.integers(0, 3, count) + 2 * (place == 2)
    return pandas.DataFrame(
        {
            "fare": fare,
            "age": age.round(),
            "boarded": pandas.Timestamp("1912-04-08") + pandas.to_timedelta(days, unit="D"),
            "survived": generator.random(count) < 1 / (1 + np.exp(-odds)),
            "sex": np.array(["male", "female"])[sex],
            "class": np.array(["first", "second", "third"])[place],
            "deck": np.array(["upper", "middle", "lower"])[deck],
        }
    )


def _own(load: Callable[..., Any]) -> Callable[[], pandas.DataFrame]:
    return lambda: load(as_frame=True).data


TABLES: dict[str, Callable[[], pandas.DataFrame]] = {
    "wine": _own(datasets.load_wine),
    "breast_cancer": _own(datasets.load_breast_cancer),
    "diabetes": _own(datasets.load_diabetes),
    "digits": _own(datasets.load_digits),
    "houses": houses,
    "passengers": passengers,
}


def hidden(frame: pandas.DataFrame, seed: int) -> np.ndarray:
    """Which values are hidden; at least one of every row stays."""
    generator = np.random.default_rng(seed)
    gaps = generator.random(frame.shape) < SHARE
    gaps[np.arange(len(frame)), generator.integers(0, frame.shape[1], len(frame))] = False
    return gaps


def with_gaps(frame: pandas.DataFrame, gaps: np.ndarray) -> pandas.DataFrame:
    """The table with nothing where values are hidden."""
    return frame.mask(pandas.DataFrame(gaps, frame.index, frame.columns))


def model(frame: pandas.DataFrame, seed: int, **settings: Any) -> pandas.DataFrame:
    """Gaps filled by a model with its default settings."""
    return sparsevae.fit(frame, seed=seed, **settings).impute(frame)


def sklearns(imputer: Any) -> Callable[[pandas.DataFrame, int], pandas.DataFrame]:
    """An imputer of scikit-learn on standardised elements of the table."""

    def fill(frame: pandas.DataFrame, seed: int) -> pandas.DataFrame:
        from sparsevae.data.readers.columns import described

        schema, _ = described(frame, "the table")
        values = schema.encode(frame)
        scaling = schema.scaling(values)
        shift, scale = scaling.columns(2)
        own = imputer.__class__(**imputer.get_params())
        if "random_state" in own.get_params():
            own.set_params(random_state=seed)
        filled = own.fit_transform((values - shift) / scale)
        whole = schema.decode(filled * scale + shift)
        return frame.fillna(whole)

    return fill


FILLERS: dict[str, Callable[[pandas.DataFrame, int], pandas.DataFrame]] = {
    "sparsevae vsc": model,
    "sparsevae vae": partial(model, model="vae"),
    "IterativeImputer": sklearns(IterativeImputer(max_iter=10)),
    "KNNImputer": sklearns(KNNImputer()),
    "column mean": sklearns(SimpleImputer()),
}


def scores(
    frame: pandas.DataFrame, filled: pandas.DataFrame, gaps: np.ndarray
) -> tuple[float, float]:
    """RMSE over hidden numbers in standard deviations, and the share of hidden levels right."""
    squares: list[np.ndarray] = []
    right: list[np.ndarray] = []
    for place, name in enumerate(frame.columns):
        true, own, some = frame[name], filled[name], gaps[:, place]
        if true.dtype.kind in "iufM":
            if true.dtype.kind == "M":
                true, own = (pandas.to_datetime(v).astype("int64") for v in (true, own))
            spread = true.std(ddof=0)
            if true[~some].nunique() > 1:  # what is seen to be constant is left out
                errors = (true - own.astype(float))[some] / spread
                squares.append(np.asarray(errors, float) ** 2)
        else:
            right.append(np.asarray(true.astype(str) == own.astype(str))[some])
    accuracy = float(np.concatenate(right).mean()) if right else float("nan")
    return float(np.sqrt(np.concatenate(squares).mean())), accuracy


def main() -> None:
    """Fill gaps of every table with every imputer and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", default=",".join(TABLES))
    options = parser.parse_args()
    loop.prepare_process()
    warnings.simplefilter("ignore")
    print("| table | imputer | RMSE | levels right | seconds |\n|---|---|---|---|---|")
    means: dict[str, list[float]] = {name: [] for name in FILLERS}
    for table in options.tables.split(","):
        frame = TABLES[table]()
        for name, fill in FILLERS.items():
            results, start = [], time.perf_counter()
            for seed in range(options.seeds):
                gaps = hidden(frame, seed)
                results.append(scores(frame, fill(with_gaps(frame, gaps), seed), gaps))
            seconds = (time.perf_counter() - start) / options.seeds
            error, accuracy = np.mean(results, axis=0)
            means[name].append(float(error))
            levels = "" if np.isnan(accuracy) else f"{accuracy:.1%}"
            print(f"| {table} | {name} | {error:.3f} | {levels} | {seconds:.1f} |", flush=True)
    for name, errors in means.items():
        print(f"| mean | {name} | {np.mean(errors):.3f} | | |")


if __name__ == "__main__":
    main()
