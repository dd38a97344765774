"""The generator of faces: the official images pixel for pixel, and laws that need no file."""

import os

import numpy as np
import pytest

from sparsevae.data import load, smiley
from sparsevae.data.bow_tie import TEMPLATE, resized
from sparsevae.errors import DatasetError
from sparsevae.storage import cache

NAME = smiley.OFFICIAL.files[0].name
FOLDERS = [folder / "Smiley" for folder in cache.data_folders()]
needs_file = pytest.mark.skipif(
    not cache.copies(FOLDERS, NAME), reason=f"SPARSEVAE_DATA names no folder with Smiley/{NAME}"
)


@pytest.fixture
def no_folders(monkeypatch, tmp_path):
    monkeypatch.delenv(cache.DATA_VARIABLE, raising=False)
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path))


@needs_file
def test_the_official_images_are_redrawn_pixel_for_pixel():
    official = smiley.official()
    assert official.images.shape == (20_000, 1, 32, 32)
    drawn = smiley.draw(official.sources, official.presence)
    wrong = (drawn != official.images).any(axis=(1, 2, 3))
    assert wrong.sum() == 0


@needs_file
def test_the_data_set_takes_the_official_test_images():
    data = load("smiley")
    assert (len(data.train), len(data.test), data.shape) == (60_000, 20_000, (1, 32, 32))
    np.testing.assert_array_equal(data.test.images, smiley.official().images)
    assert "official" in data.note


def test_without_the_file_test_images_are_generated_with_their_factors_and_it_says_so(no_folders):
    data = load("smiley")
    assert (len(data.train), len(data.test), data.shape) == (60_000, 20_000, (1, 32, 32))
    assert (data.train.labels, data.test.labels, data.classes) == (None, None, ())
    assert data.note.endswith("test images are generated with seed 2.")
    assert set(np.unique(data.train.images)) == {0, 255}
    faces = smiley.sample(20_000, smiley.TEST_SEED)
    np.testing.assert_array_equal(data.test.images, faces.images)
    np.testing.assert_array_equal(~np.isnan(data.test.factors), faces.presence)
    np.testing.assert_array_equal(np.nan_to_num(data.test.factors), faces.sources)
    np.testing.assert_array_equal(data.train.take([3, 1]).factors, data.train.factors[[3, 1]])
    assert data.factor_groups == smiley.GROUPS


def test_a_damaged_official_file_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "Smiley").mkdir()
    (tmp_path / "Smiley" / NAME).write_bytes(b"MATLAB 5.0")
    monkeypatch.setenv(cache.DATA_VARIABLE, os.fspath(tmp_path))
    with pytest.raises(DatasetError, match=NAME):
        smiley.official()


def test_factors_have_the_laws_of_the_paper():
    faces = smiley.sample(20_000, seed=5)
    assert faces.images.dtype == np.uint8
    assert (faces.sources[~faces.presence] == 0).all()
    present = faces.sources[faces.presence]
    assert (abs(present.mean()), present.std()) == pytest.approx((0, 0.5), abs=0.01)
    groups = np.stack([faces.presence[:, g.start] for g in smiley.GROUPS.values()], axis=1)
    _, counts = np.unique(groups, axis=0, return_counts=True)
    assert len(counts) == 16
    assert np.abs(counts - 1250).max() < 5 * np.sqrt(1250)
    for group in smiley.GROUPS.values():
        assert (faces.presence[:, group] == faces.presence[:, [group.start]]).all()


def test_fewer_faces_are_the_first_of_more():
    few, many = smiley.sample(50, seed=7), smiley.sample(1500, seed=7)
    for first, longer in zip(few, many, strict=True):
        np.testing.assert_array_equal(first, longer[:50])
    assert (smiley.sample(50, seed=8).images != few.images).any()


def face(group=None, **values):
    """One face with at most one attribute group; its factors are 0 unless given by position."""
    factors, presence = np.zeros((1, 18)), np.zeros((1, 18), bool)
    if group is not None:
        presence[:, smiley.GROUPS[group]] = True
        for key, value in values.items():
            factors[0, smiley.GROUPS[group].start + int(key[1:])] = value
    return smiley.draw(factors, presence)[0, 0] > 0


def test_a_face_without_attributes_is_the_disc():
    rows, columns = np.mgrid[1:33, 1:33]
    disc = (rows - 16.5) ** 2 + (columns - 16.5) ** 2 <= 100
    np.testing.assert_array_equal(face(), disc)


def lines(mask, axis):
    """The columns (axis 0) or rows (axis 1), counted from 1, in which something is set."""
    return (np.flatnonzero(mask.any(axis)) + 1).tolist()


def test_mean_attributes_lie_where_the_description_puts_them():
    head = face()
    tie, hat = face("bow tie") & ~head, face("hat") & ~head
    eyes, mouth = head & ~face("eyes"), head & ~face("mouth")
    assert (eyes[:, :16].sum(), eyes[:, 16:].sum()) == (12, 12)
    assert lines(eyes, 1) == [13, 14, 15]
    assert lines(mouth, 0) == list(range(12, 21))
    assert lines(mouth, 1) == [21, 22, 23]
    assert lines(hat, 1)[0] == 3  # brim from row 5 on, crown two rows higher
    assert lines(hat, 0) == list(range(9, 25))
    assert lines(hat[:4], 0) == list(range(12, 23))
    assert lines(tie, 1) == [28, 29, 30]
    assert lines(tie, 0) == list(range(11, 23))


def test_factors_move_and_stretch_their_attribute():
    head = face()
    lifted, lower = head & ~face("eyes", e1=-2.0), head & ~face("eyes", e1=2.0)
    np.testing.assert_array_equal(lifted[8:14], lower[12:18])
    assert face("bow tie", a2=1.0).sum() > face("bow tie").sum() > face("bow tie", a2=-1.0).sum()
    assert [lines(face("hat", h5=h5), 1)[0] for h5 in (-1.0, 0.0, 1.0, 9.0)] == [4, 3, 2, 1]


def test_impossible_sizes_leave_the_attribute_out():
    np.testing.assert_array_equal(face("bow tie", a3=-3.0), face())
    np.testing.assert_array_equal(face("eyes", e2=-3.0), face())


def test_the_template_resized_to_itself_is_itself():
    full = resized(np.array([11.0, 5.0]), np.array([17.0, 12.0]))
    np.testing.assert_array_equal(full[0], TEMPLATE > 0)
    assert full[1, :5, :12].any()
    assert not full[1, 5:].any()
    assert not full[1, :, 12:].any()
