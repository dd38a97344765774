"""The decoded plane of other dimensions, from a run folder alone."""

import shutil

import numpy as np
import pytest
import torch

from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.evaluation.pictures import grey
from sparsevae.report import draw
from sparsevae.report.grids import moved
from sparsevae.runs.folder import RunFolder


def moved_grid(run, dimensions, image):
    return moved(run.pictures, run.load(), run.data, dimensions, image)


@pytest.fixture
def run(tiny_run, tmp_path):
    return RunFolder(shutil.copytree(tiny_run.path, tmp_path / "run"))


def test_the_grid_moves_the_dimensions_that_are_asked_for(run):
    arrays, model = moved_grid(run, (3, 1), image=2), run.load()
    assert arrays["grid_dimensions"].tolist() == [3, 1]
    code = arrays["base_codes"][2].copy()
    code[3], code[1] = arrays["axis_values"][3, 4], arrays["axis_values"][1, 9]
    image = model.decode(torch.from_numpy(code)[None]).numpy()[0]
    np.testing.assert_allclose(arrays["grid"][4, 9].astype(int), grey(image), atol=1)
    np.testing.assert_array_equal(arrays["scatter"], arrays["scatter_codes"][:, [3, 1]])


def test_the_first_row_and_column_have_their_spike_off(run):
    arrays, model = moved_grid(run, (0, 2), image=None), run.load()
    assert np.isnan(arrays["grid_values"][:, 0]).all()
    code = arrays["base_codes"][-1].copy()
    code[[0, 2]] = 0
    image = model.decode(torch.from_numpy(code)[None]).numpy()[0]
    np.testing.assert_allclose(arrays["grid"][0, 0].astype(int), grey(image), atol=1)


def test_the_grid_of_a_run_is_that_of_its_two_most_used_dimensions_at_its_first_example(run):
    kept, decoded = run.pictures, moved_grid(run, None, image=0)
    assert set(decoded) == set(kept)
    for name, array in decoded.items():
        np.testing.assert_array_equal(array, kept[name])


def test_only_figures_are_written(run):
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    for path in draw(run, (3, 1), image=2):
        assert path.parent == run.path / "figures"
    after = {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    assert after == before


@pytest.mark.parametrize(("dimensions", "image"), [((0, 4), 0), ((-1, 2), 0), ((0, 1), 99)])
def test_what_is_not_there_is_refused(run, dimensions, image):
    with pytest.raises(ConfigurationError, match="0 to"):
        moved_grid(run, dimensions, image)


def test_a_run_without_weights_or_pictures_is_refused(run):
    (run.path / "pictures.safetensors").unlink()
    with pytest.raises(RunFolderError, match="keeps no pictures"):
        moved_grid(run, (0, 1), None)
    (run.path / "weights.safetensors").unlink()
    with pytest.raises(RunFolderError, match="keeps no weights"):
        moved_grid(run, (0, 1), None)
