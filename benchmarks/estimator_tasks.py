"""The three tasks of docs/estimator_tasks.md: codes as features, next to scikit-learn's own.

    python benchmarks/estimator_tasks.py [--tasks digits images tumours]

Prints one Markdown table a task; one thread, about ten minutes in all.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import NMF, PCA, MiniBatchDictionaryLearning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sparsevae import data
from sparsevae.estimators import DeterministicCoder, VariationalCoder, VariationalSparseCoder

Array = npt.NDArray[Any]
FEW = 200  # labelled images


@dataclass(frozen=True)
class Split:
    """Rows in the units that a task compares them in, and their labels."""

    train: Array
    test: Array
    labels: Array
    test_labels: Array


def digits(seed: int) -> Split:
    """70 % and 30 % of scikit-learn's digits, 64 counts a row."""
    x, y = load_digits(return_X_y=True)
    return Split(*train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed))


def tumours(seed: int) -> Split:
    """70 % and 30 % of scikit-learn's breast cancer, standardised by the training rows."""
    x, y = load_breast_cancer(return_X_y=True)
    train, test, *labels = train_test_split(x, y, test_size=0.3, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(train)
    return Split(scaler.transform(train), scaler.transform(test), *labels)


def images(seed: int) -> Split:
    """The data set's own split of mnist-5k, grey levels in [0, 1], whatever the seed."""
    found = data.load("mnist-5k")
    train, test = (part.images.astype(np.float32) / 255 for part in (found.train, found.test))
    assert found.train.labels is not None
    assert found.test.labels is not None
    return Split(train, test, found.train.labels, found.test.labels)


def by_regression(codes: Array, test_codes: Array, split: Split, seed: int) -> list[float]:
    """Accuracy of logistic regression on standardised codes."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    return [classifier.fit(codes, split.labels).score(test_codes, split.test_labels)]


def by_neighbours(codes: Array, test_codes: Array, split: Split, seed: int) -> list[float]:
    """Accuracy of 5 nearest neighbours among few labelled rows, and among all."""
    few = np.random.default_rng(seed).choice(len(codes), FEW, replace=False)
    return [
        KNeighborsClassifier(5)
        .fit(codes[chosen], split.labels[chosen])
        .score(test_codes, split.test_labels)
        for chosen in (few, np.arange(len(codes)))
    ]


@dataclass(frozen=True)
class Task:
    """A row of the table of tasks; ``columns`` name what ``classify`` gives."""

    load: Callable[[int], Split]
    components: int
    seeds: int
    columns: tuple[str, ...]
    classify: Callable[[Array, Array, Split, int], list[float]]


TASKS = {
    "digits": Task(digits, 16, 5, ("accuracy",), by_regression),
    "images": Task(images, 64, 3, (f"accuracy, {FEW} labels", "all 4,000"), by_neighbours),
    "tumours": Task(tumours, 8, 5, ("accuracy",), by_regression),
}


def methods(components: int, seed: int) -> dict[str, Any]:
    """Every method by name, at its defaults."""
    given: dict[str, Any] = {"n_components": components, "random_state": seed}
    return {
        "`VariationalSparseCoder`": VariationalSparseCoder(**given),
        "the same, `warm_up=True`": VariationalSparseCoder(warm_up=True, **given),
        "`VariationalCoder`": VariationalCoder(**given),
        "`DeterministicCoder`": DeterministicCoder(**given),
        "PCA": PCA(**given),
        "NMF": make_pipeline(MinMaxScaler(clip=True), NMF(max_iter=1000, **given)),
        "`MiniBatchDictionaryLearning`": MiniBatchDictionaryLearning(**given),
    }


def decoded(method: Any, codes: Array) -> Array:
    """Rows from codes; dictionary learning is a product with its atoms."""
    if isinstance(method, MiniBatchDictionaryLearning):
        return codes @ method.components_
    found: Array = method.inverse_transform(codes)
    return found


def measured(method: Any, split: Split, task: Task, seed: int) -> list[float]:
    """One row of the table: accuracies, error, zeros, CPU seconds to fit."""
    ours = type(method).__module__.startswith("sparsevae")
    train, test = (x if ours else x.reshape(len(x), -1) for x in (split.train, split.test))
    began = time.process_time()
    method.fit(train)
    seconds = time.process_time() - began
    codes, test_codes = method.transform(train), method.transform(test)
    residual = test - decoded(method, test_codes)
    error = (residual**2).sum() / ((test - train.mean(0)) ** 2).sum()
    accuracies = task.classify(codes, test_codes, split, seed)
    return [*accuracies, error, (test_codes == 0).mean(), seconds]


def raw(split: Split, task: Task, seed: int) -> list[float]:
    """The row of the raw columns: nothing is fitted, nothing is lost."""
    train, test = (x.reshape(len(x), -1) for x in (split.train, split.test))
    return [*task.classify(train, test, split, seed), 0.0, (test == 0).mean(), 0.0]


def rows(task: Task) -> Iterator[tuple[str, Array]]:
    """Every method's name and numbers, shape ``(seeds, columns)``."""
    found: dict[str, list[list[float]]] = {}
    for seed in range(task.seeds):
        split = task.load(seed)
        for name, method in methods(task.components, seed).items():
            found.setdefault(name, []).append(measured(method, split, task, seed))
        found.setdefault("raw columns", []).append(raw(split, task, seed))
    yield from ((name, np.array(numbers)) for name, numbers in found.items())


def table(task: Task) -> str:
    """A task's numbers as Markdown."""
    columns = (*task.columns, "error", "zeros", "CPU seconds")
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for name, numbers in rows(task):
        means, deviations = numbers.mean(0), numbers.std(0)
        count = len(task.columns)
        cells = [f"{m:.3f} ± {d:.3f}" for m, d in zip(means[:count], deviations, strict=False)]
        error, zeros, seconds = means[count:]
        lines.append(
            f"| {' | '.join([name, *cells])} | {error:.3f} | {zeros:.2f} | {seconds:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    torch.set_num_threads(1)
    for name in parser.parse_args().tasks:
        print(f"\n### {name}\n\n{table(TASKS[name])}", flush=True)


if __name__ == "__main__":
    main()
