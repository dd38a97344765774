"""Subsets and hold-outs: exact sizes, every class its share, nothing in both sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsevae.data import Dataset, Split, holdout
from sparsevae.data.splits import choose, shuffled, stratified_indices
from sparsevae.errors import ConfigurationError


def numbered(count, labels=None):
    """Images that carry their own number in their first two pixels."""
    images = np.zeros((count, 1, 2, 2), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(count), 256)
    return Split(images, labels)


def numbers(split):
    return split.images[:, 0, 0, 0].astype(int) * 256 + split.images[:, 0, 0, 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.data())
def test_classes_keep_their_shares(classes, data):
    labels = np.array(classes, dtype=np.int64)
    size = data.draw(st.integers(1, len(labels)))
    chosen = stratified_indices(labels, size, seed=data.draw(st.integers(0, 5)))
    assert len(np.unique(chosen)) == size
    for c in range(5):
        exact = (labels == c).sum() * size / len(labels)
        assert abs((labels[chosen] == c).sum() - exact) < 1


def test_a_seed_fixes_the_draw_and_another_changes_it():
    labels = np.arange(1000) % 10
    first, again, other = (stratified_indices(labels, 100, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(np.intersect1d(first, other)) < 40


def test_the_shuffle_is_the_same_everywhere_for_ever():
    np.testing.assert_array_equal(shuffled(8, seed=0), [3, 2, 1, 6, 0, 7, 4, 5])
    np.testing.assert_array_equal(np.sort(shuffled(999, seed=3)), np.arange(999))


@pytest.mark.parametrize("labels", [np.arange(1200) % 10, None], ids=["labels", "no labels"])
def test_holdout_divides_the_training_images(labels):
    train = numbered(1200, labels)
    classes = () if labels is None else tuple("0123456789")
    data = Dataset("made", train, train.take(slice(7)), classes)
    held = holdout(data)
    assert (len(held.train), len(held.test)) == (1100, 100)
    union = np.concatenate([numbers(held.train), numbers(held.test)])
    np.testing.assert_array_equal(np.sort(union), np.arange(1200))
    assert (held.name, held.classes) == ("made", classes)
    assert held.sha256 not in ("", data.sha256)
    assert holdout(data).sha256 == held.sha256 != holdout(data, seed=1).sha256
    if labels is not None:
        np.testing.assert_array_equal(np.bincount(held.test.labels), np.full(10, 10))
        np.testing.assert_array_equal(held.test.labels, numbers(held.test) % 10)


def subset(split, size, seed=0):
    return split.take(choose(split, size, seed))


def test_subset_keeps_the_order_and_the_labels():
    chosen = subset(numbered(500, np.arange(500) % 5), 50, seed=4)
    assert (np.diff(numbers(chosen)) > 0).all()
    np.testing.assert_array_equal(chosen.labels, numbers(chosen) % 5)
    assert len(subset(numbered(500), 50)) == 50


@pytest.mark.parametrize("size", [0, -3, 12, 13])
def test_a_side_without_images_is_refused(size):
    data = Dataset("made", numbered(12), numbered(2))
    with pytest.raises(ConfigurationError, match="between 1 and 11"):
        holdout(data, size)
    with pytest.raises(ConfigurationError, match="between 1 and 5"):
        subset(numbered(5), size)
