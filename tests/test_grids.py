"""The decoded plane of other dimensions, from a run folder alone, which stays as it is."""

import numpy as np
import pytest
import torch

from sparsevae import report
from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.evaluation.pictures import grey
from sparsevae.report.grids import MOST, decoded_lines, moved
from sparsevae.report.study import COST
from sparsevae.runs.folder import RunFolder


@pytest.fixture(scope="module")
def values(tiny_run):
    """Arrays, model and data of the tiny run."""
    return tiny_run.pictures, tiny_run.load(), tiny_run.data


def test_the_grid_moves_the_dimensions_that_are_asked_for(values):
    before, model, _ = values
    arrays = moved(*values, (3, 1), 2)
    assert arrays["grid_dimensions"].tolist() == [3, 1]
    code = arrays["base_codes"][2].copy()
    code[3], code[1] = arrays["axis_values"][3, 4], arrays["axis_values"][1, 9]
    image = model.decode(torch.from_numpy(code)[None]).numpy()[0]
    np.testing.assert_allclose(arrays["grid"][4, 9].astype(int), grey(image), atol=1)
    np.testing.assert_array_equal(arrays["scatter"], before["scatter_codes"][:, [3, 1]])


def test_the_first_row_and_column_have_their_spike_off(values):
    arrays = moved(*values, (0, 2))
    assert np.isnan(arrays["grid_values"][:, 0]).all()
    code = arrays["base_codes"][-1].copy()
    code[[0, 2]] = 0
    image = values[1].decode(torch.from_numpy(code)[None]).numpy()[0]
    np.testing.assert_allclose(arrays["grid"][0, 0].astype(int), grey(image), atol=1)


def test_other_arrays_stay_as_they_are(values, tiny_run):
    after = moved(*values, None, 0)
    assert set(after) == set(values[0])
    for name, array in tiny_run.pictures.items():
        np.testing.assert_array_equal(after[name], array)
        np.testing.assert_array_equal(values[0][name], array)


@pytest.mark.parametrize(("dimensions", "image"), [((0, 4), 0), ((-1, 2), 0), ((0, 1), 99)])
def test_what_is_not_there_is_refused(values, dimensions, image):
    with pytest.raises(ConfigurationError, match="0 to"):
        moved(*values, dimensions, image)


def test_a_run_without_pictures_or_of_a_table_is_refused(values):
    arrays, model, data = values
    with pytest.raises(RunFolderError, match="keeps no pictures"):
        moved({}, model, data)
    with pytest.raises(RunFolderError, match="of a table"):
        decoded_lines({"effects": arrays[COST]}, model, data)


def test_lines_are_of_the_most_used_dimensions_and_have_a_limit(values):
    lines = decoded_lines(*values, [2, 0])
    assert lines["dimensions"].tolist() == [2, 0]
    assert lines["images"].shape[:2] == lines["values"].shape
    with pytest.raises(ConfigurationError, match=f"room for {MOST} dimensions, not {MOST + 1}"):
        decoded_lines(*values, [0] * (MOST + 1))


def test_drawing_another_plane_writes_figures_and_nothing_else(tiny_run, tmp_path):
    folder = tmp_path / "study" / "runs" / "run"
    folder.mkdir(parents=True)
    for path in tiny_run.path.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    before = {path: path.read_bytes() for path in folder.iterdir()}
    plain = {path.name: path.read_bytes() for path in report.draw(folder)}
    other = {path.name: path.read_bytes() for path in report.draw(folder, (3, 1), "mean")}
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert set(plain) == set(other)
    assert "latent_space.png" in plain
    assert [name for name in plain if plain[name] != other[name]] == [
        "latent_space.png",
        "latent_space.svg",
    ]
    (folder / "weights.safetensors").unlink()
    with pytest.raises(RunFolderError, match="keeps no weights"):
        report.draw(RunFolder(folder), (0, 1))
