"""Corruptions do what their parameters say, the same way for the same seed."""

import numpy as np
import pytest

from sparsevae.data.corruptions import gaussian, occlusion, salt_and_pepper
from sparsevae.errors import ConfigurationError

GREY = np.full((400, 1, 12, 9), 0.5, np.float32)
CORRUPTIONS = [
    lambda x, seed: gaussian(x, 0.3, seed),
    lambda x, seed: gaussian(x, 0.3, seed, clip=True),
    lambda x, seed: salt_and_pepper(x, 0.2, seed),
    lambda x, seed: occlusion(x, 4, seed),
]


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_seeded_pure_and_alike_for_fewer_images(corrupt):
    before = GREY.copy()
    first = corrupt(GREY, 3)
    assert first.dtype == np.float32
    assert first.shape == GREY.shape
    np.testing.assert_array_equal(GREY, before)
    np.testing.assert_array_equal(first, corrupt(GREY, 3))
    np.testing.assert_array_equal(first[:17], corrupt(GREY[:17], 3))
    assert (first != corrupt(GREY, 4)).any()
    assert corrupt(GREY.astype(np.float64), 3).dtype == np.float32


def test_gaussian_noise_has_its_spread_and_clipping_bounds_it():
    noise = gaussian(GREY, 0.3, seed=0) - GREY
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert abs(noise.mean()) < 0.01
    clipped = gaussian(GREY, 0.3, seed=0, clip=True)
    np.testing.assert_array_equal(clipped, np.clip(GREY + noise, 0, 1))
    np.testing.assert_array_equal(gaussian(GREY, 0.0, seed=0), GREY)


def test_salt_and_pepper_come_in_equal_parts():
    salted = salt_and_pepper(GREY, 0.2, seed=0)
    assert (salted == 0).mean() == pytest.approx(0.1, abs=0.01)
    assert (salted == 1).mean() == pytest.approx(0.1, abs=0.01)
    assert (salted == 0.5).mean() == pytest.approx(0.8, abs=0.01)
    assert set(np.unique(salt_and_pepper(GREY, 1.0, seed=0))) == {0.0, 1.0}


def test_occlusion_covers_one_whole_square():
    covered = occlusion(GREY, 4, seed=0, grey=0.25)[:, 0] == 0.25
    np.testing.assert_array_equal(covered.sum((1, 2)), np.full(400, 16))
    np.testing.assert_array_equal(covered.any(1).sum(1), np.full(400, 4))
    corners = {(m.any(1).argmax(), m.any(0).argmax()) for m in covered}
    assert len(corners) == (12 - 4 + 1) * (9 - 4 + 1)
    np.testing.assert_array_equal(occlusion(GREY, 0, seed=0), GREY)


@pytest.mark.parametrize(
    ("corrupt", "part"),
    [
        (lambda: gaussian(GREY, -0.1, 0), "sigma is -0.1"),
        (lambda: gaussian(GREY, float("nan"), 0), "sigma is nan"),
        (lambda: salt_and_pepper(GREY, 1.5, 0), "share is 1.5"),
        (lambda: occlusion(GREY, 10, 0), "between 0 and 9 for images of 12x9"),
        (lambda: occlusion(GREY, 2, 0, grey=2.0), "grey is 2.0"),
    ],
)
def test_parameters_out_of_range_are_refused(corrupt, part):
    with pytest.raises(ConfigurationError, match=part):
        corrupt()
