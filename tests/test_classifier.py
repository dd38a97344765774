"""The classifier whose features compare images: it learns, is kept, and is the same each time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsevae import data
from sparsevae.data import Split
from sparsevae.evaluation import Pass, classifier
from sparsevae.models import build
from sparsevae.storage import cache


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSEVAE_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*_):
        raise AssertionError("trained again")

    return lambda: monkeypatch.setattr(classifier, "_train", refuse)


def trained(dataset):
    """The classifier of a data set, kept as workers of a study keep it."""
    kept = classifier.file_of(cache.folder() / "classifiers", dataset.sha256)
    return classifier.classifier(dataset.train, len(dataset.classes), kept)


def accuracy(found, split):
    return (found.labels_of(split.scaled()) == split.labels).mean()


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns_more_than_chance_from_few_images(tiny_dataset, empty_cache):
    found = trained(tiny_dataset)
    assert not found.training
    assert accuracy(found, tiny_dataset.test) > 0.6
    labels = found.labels_of(tiny_dataset.test.scaled())
    assert accuracy(found, tiny_dataset.test) == (labels == tiny_dataset.test.labels).mean()


def test_the_unit_of_features_is_the_spread_of_the_training_images(tiny_dataset):
    found = trained(tiny_dataset)
    features = found.features_of(tiny_dataset.train.scaled())
    assert features.shape == (300, classifier.WIDTHS[-1])
    assert features.var(0).sum() == pytest.approx(1, rel=1e-4)
    logits = found(torch.from_numpy(tiny_dataset.test.scaled()))
    head = found.network.head
    again = torch.from_numpy(found.features_of(tiny_dataset.test.scaled())) * found.spread
    torch.testing.assert_close(again @ head.weight.T + head.bias, logits, rtol=1e-4, atol=1e-4)


def test_it_is_trained_once_and_kept(tiny_dataset, empty_cache, no_training):
    before = torch.get_rng_state()
    first = weights(trained(tiny_dataset))
    assert torch.equal(torch.get_rng_state(), before)
    (kept,) = (empty_cache / "classifiers").iterdir()
    assert tiny_dataset.sha256.startswith(kept.name.split("-")[0])
    no_training()
    assert same(first, weights(trained(tiny_dataset)))


def test_it_is_the_same_however_often_it_is_trained(tiny_dataset, empty_cache):
    """And without a file for it nothing is written."""
    first = weights(classifier.classifier(tiny_dataset.train, 10))
    torch.manual_seed(99)
    with torch.no_grad():
        assert same(first, weights(classifier.classifier(tiny_dataset.train, 10)))
    assert not list(empty_cache.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a pickle", b"x" * 1000])
def test_what_is_damaged_in_the_cache_is_made_again(tiny_dataset, empty_cache, content):
    good = weights(trained(tiny_dataset))
    (kept,) = (empty_cache / "classifiers").iterdir()
    kept.write_bytes(content)
    assert same(good, weights(trained(tiny_dataset)))
    assert kept.stat().st_size > 1000


def test_one_of_another_shape_is_made_again(tiny_dataset, empty_cache):
    fewer = replace(tiny_dataset, classes=(*tiny_dataset.classes, "none of them"))
    trained(tiny_dataset)
    assert trained(fewer).network.head.out_features == 11


def test_without_labels_there_is_none(tiny_dataset):
    bare = (Split(split.images) for split in (tiny_dataset.train, tiny_dataset.test))
    train, test = bare
    unlabelled = replace(tiny_dataset, train=train, test=test, classes=(), sha256="")
    model = build("vae", (1, 28, 28), 2, arguments={})
    assert Pass.of(model, unlabelled).classifier is None


def test_images_that_are_all_alike_have_features_of_no_spread(empty_cache):
    grey = Split(np.full((20, 1, 8, 8), 99, np.uint8), np.arange(20) % 3)
    found = trained(data.Dataset("grey", grey, grey, ("a", "b", "c")))
    assert found.spread == 1
    assert np.ptp(found.features_of(grey.scaled()), axis=0).max() == 0


@pytest.mark.slow
@pytest.mark.needs_mnist
def test_on_mnist_it_is_right_in_97_of_100():
    mnist = data.load("mnist")
    assert accuracy(trained(mnist), mnist.test) > 0.97
