"""The table of metrics: what evaluation returns, what the document says, who spells a key."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import sparsevae
from sparsevae import evaluation
from sparsevae.data import Split
from sparsevae.errors import ConfigurationError
from sparsevae.evaluation import ALL_GROUPS, Pass, evaluate, evaluate_dataset
from sparsevae.metrics import keys, table
from sparsevae.models import build

ROOT = Path(__file__).parents[1]
SOURCE = Path(sparsevae.__file__).parent
# Words that mean something else elsewhere too: rows of a history, arrays, fields of settings.
COMMON = {
    *("dataset", "split", "model", "prior", "alpha", "latents", "seed", "recipe", "epochs"),
    *("kernel", "seconds", "parameters", "reconstruction", "kl", "loss", "dead", "sap"),
    *("target_active", "sum_gamma", "always_on", "selectivity", "silhouette", "pixel_variance"),
}


def make(name="vsc", shape=(1, 28, 28), **arguments):
    torch.manual_seed(0)
    return build(name, shape, 3, widths=(3, 4, 16)[-len(shape) :], arguments=arguments).eval()


def with_factors(dataset):
    """The same images as if two factors had made them."""
    values = np.random.default_rng(0).normal(size=(len(dataset.test), 2))
    test = Split(dataset.test.images, dataset.test.labels, factors=values)
    groups = {"one": slice(0, 1), "other": slice(1, 2)}
    return replace(dataset, test=test, factor_groups=groups, sha256="")


def test_evaluation_returns_every_metric_and_no_other(tiny_dataset):
    found = evaluate_dataset(make(), with_factors(tiny_dataset))
    expected = {row.key for row in table.METRICS if row.group != "run"}
    assert set(found.metrics) == expected


def test_every_group_returns_its_own_metrics(tiny_dataset):
    one = Pass.of(make(), with_factors(tiny_dataset))
    for group, columns in evaluation.evaluate.__globals__["GROUPS"].items():
        expected = {row.key for row in table.METRICS if row.group == group}
        assert set(columns(one)) == expected, group


def test_rows_are_complete_and_keys_differ():
    rows = table.METRICS
    assert len({row.key for row in rows}) == len(rows)
    for row in rows:
        assert row.title
        assert row.definition.endswith(".")
        assert row.group in (*ALL_GROUPS, "run")
        assert row.better in ("", "lower", "higher")
        assert row.display in ("headline", "report", "file")
    with pytest.raises(ConfigurationError, match="no metric 'nothing'"):
        table.metric("nothing")


def test_named_keys_have_rows():
    named = {v for k, v in vars(keys).items() if k.isupper()} - {
        keys.GATED_MEAN,
        keys.NOISE,
        keys.SALT_PEPPER,
        keys.OCCLUSION,
        keys.DENOISED,
    }
    assert named <= {row.key for row in table.METRICS}


def test_the_document_has_the_tables_as_they_are():
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    assert table.filled(text) == text
    groups = {row.group for row in table.METRICS}
    assert set(re.findall(r"<!-- metrics: ([a-z]+) -->", text)) == groups


def test_keys_are_spelt_where_they_are_computed_and_nowhere_else():
    known = {row.key for row in table.METRICS} - COMMON
    spelt = []
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE).as_posix()
        if place.startswith(("metrics/", "evaluation/")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in known:
                spelt.append(f"{place}:{node.lineno} {node.value}")
    assert spelt == []


@pytest.mark.usefixtures("rows_of_this_test_stay")
def test_a_metric_is_one_function_and_one_row(tiny_dataset):
    """The walk-through of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## A new metric")[1]
    block = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    exec(block, {})
    one = Pass.of(make(), tiny_dataset)
    row = evaluation.evaluate_pass(one, ("sparsity",)).metrics
    assert row["largest_entry"] == np.abs(one.measured.code).max()
    assert table.metric("largest_entry").group == "sparsity"
    with pytest.raises(ConfigurationError, match="key of its own"):
        exec(block, {})


# ------------------------------------------------------------------ groups cost what they need


def test_who_asks_for_little_pays_for_little(tiny_dataset, monkeypatch):
    one = Pass.of(make(), tiny_dataset)
    evaluation.evaluate_pass(one, ("sparsity",))
    assert "measured" in vars(one)
    assert not {"decoded", "classifier", "frame"} & set(vars(one))


def test_rows_alone_are_enough(tiny_dataset):
    x = tiny_dataset.test.scaled()
    found = evaluate(make(), x)
    assert found.metrics["mse"] > 0
    assert found.metrics["probe_200"] is found.metrics["frechet_classifier"] is None
    assert found.diagnosis is not None
    few = evaluate(make(), x, groups=("bound",))
    assert few.metrics["negative_elbo"] == found.metrics["negative_elbo"]
    assert (few.arrays, few.diagnosis) == ({}, None)
    with pytest.raises(ConfigurationError, match="no 'bounds'"):
        evaluate(make(), x, groups=("bounds",))


def test_parts_of_a_pass_are_the_same_together_and_alone(tiny_dataset):
    together = evaluate_dataset(make(), tiny_dataset).metrics
    for group in ALL_GROUPS:
        alone = evaluate_dataset(make(), tiny_dataset, (group,)).metrics
        assert alone == {key: together[key] for key in alone}
