"""Images of any size: shapes that train alike on both kernels, photographs brought to one size."""

import numpy as np
import pytest
import torch
from PIL import Image

from sparsevae.data import readers
from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.networks import kernels
from sparsevae.runs.given import raw_rows
from sparsevae.runs.prepare import prepare
from sparsevae.runs.training import Training, rows_of

SHAPES = [(1, 4, 4), (1, 33, 70), (8, 17, 12), (1, 105, 105), (3, 64, 64)]


def trained(shape, kernel):
    """Weights after one step, by the defaults of any door."""
    images = np.random.default_rng(0).integers(0, 256, (16, *shape)).astype(np.uint8)
    raw = raw_rows(images, channels="first")
    prepared = prepare(raw, test_fraction=0, latents=4, epochs=1, batch_size=16)
    rows = rows_of(prepared.dataset.train)
    with kernels.use(kernel):
        training = Training.begin(prepared.config, rows, torch.device("cpu"))
        training.go_on(rows)
    return training


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_takes_the_same_step_with_both_kernels(shape):
    native, plain = (trained(shape, kernel) for kernel in ("native", "plain"))
    first, second = (t.history[0]["objective"] for t in (native, plain))
    assert first == pytest.approx(second, rel=1e-5)
    assert np.isfinite(first)
    pairs = zip(native.model.parameters(), plain.model.parameters(), strict=True)
    for one, other in pairs:
        assert torch.isfinite(one).all()
        assert (one - other).abs().mean() < 1e-4
    assert native.model.decode(torch.zeros(2, 4)).shape == (2, *shape)


def saved(folder, sizes):
    folder.mkdir()
    for place, (wide, high) in enumerate(sizes):
        levels = np.full((high, wide, 3), 10 * place, np.uint8)
        levels[:, : wide // 2] = 200
        Image.fromarray(levels).save(folder / f"{place}.png")
    return folder


def test_photographs_of_many_sizes_are_scaled_and_their_middle_cut_out(tmp_path):
    folder = saved(tmp_path / "photos", [(40, 20), (20, 20), (16, 64)])
    with pytest.raises(DatasetError, match="--size 64"):
        readers.read(folder)
    raw = readers.read(folder, size=10)
    assert raw.values.shape == (3, 3, 10, 10)
    assert raw.size == 10
    assert "3 of 3 images were brought to 10 x 10 pixels." in raw.notes
    assert (raw.values[0, :, :, :3] == 200).all()  # the middle was cut out
    assert (raw.values[0, :, :, 7:] == 0).all()


def test_images_that_have_the_size_stay_as_they_are(tmp_path):
    folder = saved(tmp_path / "photos", [(12, 12), (12, 12)])
    own, brought = readers.read(folder), readers.read(folder, size=12)
    np.testing.assert_array_equal(own.values, brought.values)
    assert own.sha256 == brought.sha256
    assert not any("brought" in note for note in brought.notes)


def test_sizes_that_make_no_sense_are_refused(tmp_path):
    folder = saved(tmp_path / "photos", [(12, 12), (12, 12)])
    for size in (0, 3, 100_000):
        with pytest.raises(ConfigurationError, match="4 to 4096"):
            readers.read(folder, size=size)
    deep = tmp_path / "deep"
    deep.mkdir()
    for place in range(2):
        Image.fromarray(np.full((12, 12), 900, np.uint16)).save(deep / f"{place}.png")
    with pytest.raises(DatasetError, match="leave size out"):
        readers.read(deep, size=8)
    np.save(tmp_path / "rows.npy", np.zeros((3, 4)))
    with pytest.raises(ConfigurationError, match="'size' is not for that"):
        readers.read(tmp_path / "rows.npy", size=8)


def test_eight_channels_are_read_where_it_is_told_where_they_are(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((5, 9, 10, 8), np.float32))
    assert readers.read(tmp_path / "x.npy", channels="last").values.shape == (5, 8, 9, 10)
