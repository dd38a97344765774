"""What readers make of files as people have them, and what they say of it."""

import numpy as np
import pandas
import pytest
from scipy import sparse

from sparsevae.data import readers


def numbers(count=12):
    """Rows of two columns of numbers."""
    generator = np.random.default_rng(0)
    return pandas.DataFrame(generator.normal(size=(count, 2)).round(3), columns=["a", "b"])


@pytest.mark.parametrize("text", [False, True])
def test_the_index_of_a_parquet_file_is_left_out(tmp_path, text):
    frame = numbers().sample(frac=1, random_state=0)
    if text:
        frame["kind"] = list("pq") * 6
    frame.to_parquet(tmp_path / "t.parquet")
    raw = readers.read(tmp_path / "t.parquet")
    assert raw.columns[:2] == ("a", "b")
    assert "The data frame's index was left out: '__index_level_0__'." in raw.notes
    asked = readers.read(tmp_path / "t.parquet", columns=["a", "__index_level_0__"])
    assert asked.columns == ("a", "__index_level_0__")


@pytest.mark.parametrize("form", ["bsr", "coo", "csc", "csr", "dia"])
def test_sparse_matrices_in_every_format(tmp_path, form):
    dense = np.random.default_rng(0).poisson(0.5, (12, 4))
    sparse.save_npz(tmp_path / "t.npz", sparse.csr_matrix(dense).asformat(form))
    assert (readers.read(tmp_path / "t.npz").values.matrix.toarray() == dense).all()
