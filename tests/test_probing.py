"""The columns of usefulness: of the right codes, of the right images, blank where undefined."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsevae import data as datasets
from sparsevae.data import Split
from sparsevae.data.scaling import Scaling
from sparsevae.evaluation import Pass, evaluate
from sparsevae.evaluation.baselines import code_names, measured_codes, write_baselines
from sparsevae.evaluation.passes import encode, measure
from sparsevae.evaluation.probes import class_columns, probe_columns
from sparsevae.evaluation.sparsity import uneven_columns
from sparsevae.metrics import clusters, probes, sparseness
from sparsevae.models import build
from sparsevae.storage.files import read_json, write_json

LABELLED = ("probe_200", "probe_200_sd", "knn_200", "knn_200_sd", "silhouette", "adjusted_rand")


@pytest.fixture(scope="module")
def data():
    """500 training and 420 test images of real digits."""
    few = datasets.load("mnist-5k", limit=500)
    return replace(few, test=few.test.take(slice(420)), sha256="")


def make(name="vsc"):
    torch.manual_seed(0)
    model = build(name, (1, 28, 28), 4, widths=(3, 4, 16), arguments={}).eval()
    model.encoder.head.weight.data *= 20  # codes far enough apart to be told
    return model


def measured(model, data):
    one = Pass.of(model, data)
    return {**uneven_columns(one.measured.code), **probe_columns(one)}


def test_columns_of_a_vsc_are_those_of_its_codes_and_of_their_means(data):
    model, labels = make(), data.test.labels
    row, test = measured(model, data), encode(model, data.test.images)
    draws = probes.probe_draws(data.train.labels)
    train = encode(model, data.train.images)[draws]
    probed = probes.probe_accuracies(train, data.train.labels[draws], test, labels, 200)
    neighbours = clusters.neighbour_accuracies(test, labels, 200)[0]
    assert row["probe_200"] == pytest.approx(probed.mean())
    assert row["probe_200_sd"] == pytest.approx(probed.std(ddof=1))
    assert row["knn_200"] == pytest.approx(neighbours.mean())
    assert row["knn_200_sd"] == pytest.approx(neighbours.std(ddof=1))
    assert row["silhouette"] == pytest.approx(clusters.silhouettes(test, labels).mean())
    assert row["hoyer"] == pytest.approx(sparseness.hoyer(test))
    mean = measure(model, data.test.scaled()).mean
    beside = clusters.neighbour_accuracies(mean, labels, 200)[0].mean()
    assert row["knn_200_gamma_mu"] == pytest.approx(beside)
    assert row["knn_200_gamma_mu"] != row["knn_200"]
    assert all(row[name] is not None for name in (*LABELLED, "probe_200_gamma_mu_sd"))


def test_what_needs_more_images_than_there_are_is_blank(data):
    row = measured(make(), data)
    assert row["probe_1000"] is row["probe_5000_sd"] is row["knn_1000_gamma_mu"] is None


@pytest.mark.parametrize("name", ["vae", "top-k"])
def test_a_model_whose_mean_is_its_code_has_one_kind_of_code(name, data):
    row = measured(make(name), data)
    assert row["probe_200"] is not None
    assert {value for name, value in row.items() if "gamma_mu" in name} == {None}
    assert list(row) == list(measured(make(), data))


def test_a_probe_sees_all_labels_and_permuted_ones_teach_nothing(data):
    from sklearn.linear_model import LogisticRegression

    model = make("vae")
    row = measured(model, data)
    train, test = (split.scaled() for split in (data.train, data.test))
    codes = [model.encode(torch.from_numpy(x)).numpy() for x in (train, test)]
    mean, spread = codes[0].mean(0), codes[0].std(0)
    spread[spread == 0] = 1.0
    scaled = [(code - mean) / spread for code in codes]
    accuracies = [
        LogisticRegression(C=strength, max_iter=3000)
        .fit(scaled[0], data.train.labels)
        .score(scaled[1], data.test.labels)
        for strength in probes.STRENGTHS
    ]
    assert min(abs(row["probe_all"] - accuracy) for accuracy in accuracies) < 0.006
    assert row["probe_permuted"] < 0.25 < row["probe_all"]
    assert "probe_all_gamma_mu" not in row


def bare(split, classes=None):
    return Split(split.images, None if classes is None else np.full(len(split), classes))


@pytest.mark.parametrize("classes", [None, 3], ids=["no labels", "one class"])
def test_without_classes_all_that_needs_them_is_blank(classes, data):
    without = replace(data, train=bare(data.train, classes), test=bare(data.test, classes))
    row = measured(make(), without)
    assert {value for name, value in row.items() if name not in SPARSE} == {None}
    assert all(row[name] is not None for name in SPARSE)


SPARSE = ("hoyer", "population_sparseness", "lifetime_sparseness")


def test_no_codes_have_the_same_columns_blank(data):
    row = class_columns(None, "_x")
    assert set(row) >= {"probe_200_x", "probe_200_x_sd", "knn_5000_x", "silhouette_x"}
    assert set(row.values()) == {None}


# ------------------------------------------------------------------ baselines


def test_baselines_are_pixels_and_fewer_components_than_pixels(data):
    names = code_names(data, (4, 50, 2))
    assert names == ["raw pixels", "PCA-2", "PCA-4", "PCA-16", "PCA-50"]
    few = replace(data, train=data.train.take(slice(16)), sha256="")
    assert code_names(few, (2, 900)) == ["raw pixels", "PCA-2"]


def test_baselines_are_scored_like_codes(data):
    rows = measured_codes(data, ["raw pixels", "PCA-16"])
    train, test = (split.scaled().reshape(len(split), -1) for split in (data.train, data.test))
    mean = train.mean(0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:16]
    for name, codes in (("raw pixels", test), ("PCA-16", (test - mean) @ axes.T)):
        found = clusters.neighbour_accuracies(codes, data.test.labels, 200)[0].mean()
        assert rows[name]["knn_200"] == pytest.approx(found, abs=0.002)
        assert rows[name]["hoyer"] == pytest.approx(sparseness.hoyer(codes), abs=1e-3)
        assert rows[name]["probe_200"] > 0.6


def test_baselines_are_measured_once_and_missing_ones_added(tiny_dataset, tmp_path):
    path, said = tmp_path / "baselines.json", []
    write_baselines(tiny_dataset, (2,), path, said.append)
    first = read_json(path)
    assert list(first["probes"]) == ["raw pixels", "PCA-2", "PCA-16", "PCA-50"]
    assert first["images"] == {"train": 300, "test": 100}
    write_baselines(tiny_dataset, (2, 16), path, said.append)
    assert len(said) == 1
    older = {name: value for name, value in first.items() if name != "probes"}
    write_json(path, {**older, "collapse_floor": 1.0, "probes": {"raw pixels": {}}})
    write_baselines(tiny_dataset, (3,), path, said.append)
    again = read_json(path)
    assert list(again["probes"]) == ["raw pixels", "PCA-3", "PCA-16", "PCA-50"]
    assert (again["collapse_floor"], again["probes"]["raw pixels"]) == (1.0, {})
    assert again["probes"]["PCA-16"] == first["probes"]["PCA-16"]
    other = replace(tiny_dataset, train=tiny_dataset.train.take(slice(200)), sha256="")
    write_baselines(other, (2,), path, said.append)
    assert read_json(path)["images"]["train"] == 200


@pytest.mark.slow
@pytest.mark.needs_mnist
@pytest.mark.timeout(3000)  # about a minute on an idle core
def test_pixels_and_components_of_mnist_reach_what_is_known():
    rows = measured_codes(datasets.load("mnist"), ["raw pixels", "PCA-16", "PCA-50"])
    raw, most = rows["raw pixels"], rows["PCA-50"]
    known = {200: 0.741, 1000: 0.881, 5000: 0.938}
    for size, accuracy in known.items():
        assert raw[f"knn_{size}"] == pytest.approx(accuracy, abs=0.01)
        assert most[f"knn_{size}"] > raw[f"knn_{size}"]
    assert raw["probe_5000"] == pytest.approx(0.90, abs=0.01)
    assert rows["PCA-16"]["probe_5000"] == pytest.approx(0.855, abs=0.01)
    assert most["probe_5000"] == pytest.approx(0.90, abs=0.01)


def test_probes_of_too_many_numbers_are_left_out_with_a_sentence(monkeypatch):
    torch.manual_seed(0)
    model = build("ae", (6,), 3, widths=(8,), arguments={}).eval()
    x, labels = np.random.default_rng(0).random((300, 6), dtype=np.float32), np.arange(300) % 2
    train = Split(x, labels, Scaling("none"))
    settings = {"train": train, "groups": ("scope", "probes")}
    assert not evaluate(model, x[:60], labels[:60], **settings).notes
    monkeypatch.setattr(probes, "LARGEST", 200 * 3 * 2 - 1)
    found = evaluate(model, x[:60], labels[:60], **settings)
    assert found.metrics["probe_200"] is None
    (note,) = found.notes
    assert note.startswith("Probes with 200 labelled rows were left out: 3 numbers a code and 2")
