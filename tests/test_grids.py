"""The decoded plane of other dimensions, from a run folder alone."""

import shutil

import numpy as np
import pytest
import torch

from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.evaluation.pictures import grey
from sparsevae.report.grids import move_grid
from sparsevae.runs.folder import RunFolder


@pytest.fixture
def run(tiny_run, tmp_path):
    return RunFolder(shutil.copytree(tiny_run.path, tmp_path / "run"))


def test_the_grid_moves_the_dimensions_that_are_asked_for(run):
    before = run.pictures
    move_grid(run, (3, 1), image=2)
    arrays, model = run.pictures, run.load()
    assert arrays["grid_dimensions"].tolist() == [3, 1]
    code = arrays["base_codes"][2].copy()
    code[3], code[1] = arrays["axis_values"][3, 4], arrays["axis_values"][1, 9]
    image = model.decode(torch.from_numpy(code)[None]).numpy()[0]
    np.testing.assert_allclose(arrays["grid"][4, 9].astype(int), grey(image), atol=1)
    np.testing.assert_array_equal(arrays["scatter"], before["scatter_codes"][:, [3, 1]])


def test_the_first_row_and_column_have_their_spike_off(run):
    move_grid(run, (0, 2), image=None)
    arrays, model = run.pictures, run.load()
    assert np.isnan(arrays["grid_values"][:, 0]).all()
    code = arrays["base_codes"][-1].copy()
    code[[0, 2]] = 0
    image = model.decode(torch.from_numpy(code)[None]).numpy()[0]
    np.testing.assert_allclose(arrays["grid"][0, 0].astype(int), grey(image), atol=1)


def test_other_arrays_stay_as_they_are(run):
    before = run.pictures
    move_grid(run, None, image=0)
    after = run.pictures
    assert set(after) == set(before)
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


@pytest.mark.parametrize(("dimensions", "image"), [((0, 4), 0), ((-1, 2), 0), ((0, 1), 99)])
def test_what_is_not_there_is_refused(run, dimensions, image):
    with pytest.raises(ConfigurationError, match="0 to"):
        move_grid(run, dimensions, image)


def test_a_run_without_weights_or_pictures_is_refused(run):
    (run.path / "pictures.safetensors").unlink()
    with pytest.raises(RunFolderError, match="keeps no pictures"):
        move_grid(run, (0, 1), None)
    (run.path / "weights.safetensors").unlink()
    with pytest.raises(RunFolderError, match="keeps no weights"):
        move_grid(run, (0, 1), None)
