"""Rows and codes that somebody holds in memory: taken as meant, or refused in a sentence."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from scipy import sparse

import sparsevae
from sparsevae import SparseVAE
from sparsevae.errors import ConfigurationError, DatasetError, RunFolderError
from sparsevae.runs.decoding import in_type

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
FRAME = pandas.DataFrame(X, columns=list("abcd"))
GAPS = np.where(X > 1.5, np.nan, X)
COUNTS = RNG.poisson(3.0, (60, 4))


def fit(rows, **settings):
    return sparsevae.fit(rows, latents=3, epochs=1, device="cpu", **settings)


def coder(**settings):
    return SparseVAE(n_components=3, max_iter=1, random_state=0, **settings)


@pytest.fixture(scope="module")
def model():
    return fit(FRAME)


@pytest.fixture(scope="module")
def counted():
    return fit(COUNTS)


def refused(call, error=DatasetError):
    with pytest.raises(error, match=r"^[^\n]+\.$") as caught:
        call()
    return str(caught.value)


# ------------------------------------------------------------------ data frames


@pytest.mark.parametrize("numbers", [X, GAPS])
def test_columns_of_one_name_are_refused_all_at_once(numbers):
    doubled = pandas.DataFrame(np.hstack([numbers, numbers]), columns=list("abcdabxy"))
    for call in (lambda: fit(doubled), lambda: coder().fit(doubled)):
        assert "called 'a', 'b';" in refused(call)


@pytest.mark.parametrize(
    "columns",
    [range(4), pandas.MultiIndex.from_product([["p", "q"], [1, 2]])],
    ids=["int", "multi"],
)
def test_a_frame_with_gaps_may_have_columns_of_any_names(columns):
    rows = pandas.DataFrame(GAPS, columns=columns)
    trained = fit(rows)
    np.testing.assert_array_equal(trained.encode(rows), trained.encode(GAPS))
    filled = trained.impute(rows)
    assert filled.columns.equals(rows.columns)
    assert not filled.isna().to_numpy().any()
    assert coder().fit(rows).impute(rows).shape == rows.shape


@pytest.mark.parametrize(
    "rows",
    [
        FRAME.round().astype("Int64"),
        FRAME.convert_dtypes(),
        FRAME.convert_dtypes(dtype_backend="pyarrow"),
        FRAME.astype(object),
        FRAME.assign(a=FRAME.a.astype(str)),
        FRAME.assign(a=[Decimal(repr(value)) for value in X[:, 0].tolist()]),
    ],
    ids=["Int64", "nullable", "pyarrow", "object", "text", "Decimal"],
)
def test_numbers_of_any_type_are_encoded_as_they_were_fitted(rows):
    trained = fit(rows)
    np.testing.assert_array_equal(trained.encode(rows), trained.encode(rows.astype(float)))
    assert coder().fit(rows).transform(rows).shape == (90, 3)


def test_columns_without_numbers_are_named_all_at_once(model):
    said = refused(lambda: model.encode(FRAME.assign(a="one", c="two")))
    assert "'a' ('one' in row 1), 'c' ('two' in row 1)" in said


def test_columns_that_were_left_out_do_not_come_back():
    rows = FRAME.assign(name=[f"p{place}" for place in range(90)])
    with pytest.warns(UserWarning, match="Left out"):
        fitted = coder().fit(rows)
    assert fitted.inverse_transform(fitted.transform(rows)).shape == (90, 4)
    assert fitted.denoise(rows).shape == fitted.sample(90).shape == (90, 4)


# ------------------------------------------------------------------ what rows are


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("num.csv", r"sparsevae\.data\.read\('num\.csv'\)"),
        (Path("num.csv"), r"sparsevae\.data\.read\('num\.csv'\)"),
        (None, "NoneType"),
        (iter(X), "iterator"),
        ([[1, 2], [3]], "same length"),
        (torch.tensor(X).to_sparse(), "to_dense"),
        (sparse.coo_array(np.arange(3)), r"shape \(3,\)"),
        (X * 1j, "complex"),
    ],
    ids=["str", "Path", "None", "iterator", "ragged", "sparse tensor", "1-D", "complex"],
)
def test_what_are_no_rows_is_one_sentence(rows, named, model):
    for call in (fit, model.encode):
        with pytest.raises(DatasetError, match=named):
            call(rows)


@pytest.mark.parametrize(
    "rows",
    [X.astype(np.longdouble), X.view(np.matrix), torch.tensor(X).bfloat16()],
    ids=["long double", "matrix", "bfloat16"],
)
def test_arrays_of_other_kinds_are_taken(rows):
    assert fit(rows).encode(rows).shape == (90, 3)


def test_masked_values_are_gaps(model):
    rows = np.ma.masked_array(X, X > 1.5)
    trained = fit(rows)
    np.testing.assert_array_equal(trained.encode(rows), trained.encode(GAPS))
    filled = trained.impute(rows)
    np.testing.assert_array_equal(filled[~rows.mask], X[~rows.mask])
    assert (filled[rows.mask] != X[rows.mask]).all()
    assert coder().fit(rows).trained_.data.table is not None
    assert "nan in row" in refused(lambda: model.encode(rows))


def test_a_number_that_is_missing_is_named_by_its_place(model):
    rows = FRAME.copy()
    rows.loc[5, "c"] = np.nan
    assert "row 6, column 'c'" in refused(lambda: model.encode(rows))


def test_rows_where_the_likelihood_is_not_defined_are_refused_by_every_door(counted):
    rows, bits = COUNTS.copy(), (X > 0).astype(int)
    rows[4, 2] = -3
    for call in (counted.encode, counted.reconstruct, counted.elbo, counted.evaluate):
        assert "'poisson' needs counts" in refused(lambda call=call: call(rows))
        assert "row 5, column 3 (counted from 1) is -3" in refused(lambda call=call: call(rows))
    other = bits.copy()
    other[1, 1] = 107
    assert "row 2, column 2 (counted from 1) is 107" in refused(lambda: fit(bits).encode(other))
    settings = {"likelihood": {"kind": "fixed-gaussian", "scale": 0.5}}
    assert "{" not in refused(lambda: fit(rows, likelihood={"kind": "negative-binomial"}))
    assert fit(X, **settings).encode(X).shape == (90, 3)


# ------------------------------------------------------------------ codes


def test_codes_are_found_by_their_names(model):
    codes = model.encode(FRAME)
    table = pandas.DataFrame(codes, columns=["z0", "z1", "z2"])
    for given in (table[["z2", "z0", "z1"]].assign(id="x"), pandas.DataFrame(codes)):
        np.testing.assert_array_equal(model.decode(given), model.decode(codes))
    assert "(90, 4)" in refused(lambda: model.decode(table.assign(z3=0.0, id="x")))
    said = refused(lambda: model.decode(table.rename(columns={"z0": "k"})))
    assert "'z0', 'z1', 'z2', and these are called 'k', 'z1', 'z2'" in said


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e300])
def test_a_code_that_is_not_finite_is_named_by_its_place(number, model, counted):
    codes = np.zeros((5, 3))
    codes[3, 1] = number
    for trained in (model, counted):
        assert "row 4, column 'z1'" in refused(lambda trained=trained: trained.decode(codes))


@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8", "int64", "uint64"])
def test_what_lies_beyond_a_type_is_cut_off_at_its_ends(dtype):
    kind = np.dtype(dtype)
    ends = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    low, high = in_type(np.array([-1e300, 1e300]), kind)
    assert low == ends.min
    assert float(high) == pytest.approx(float(ends.max), rel=1e-6)


# ------------------------------------------------------------------ settings


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda model: model.log_likelihood(FRAME, samples=0), "samples"),
        (lambda model: model.elbo(FRAME, draws=0), "draws"),
        (lambda model: model.sample(2.5), "2.5"),
        (lambda model: model.denoise(FRAME, "a"), "sigma"),
        (lambda model: coder(likelihood=None).fit(X), "not None"),
        (lambda model: fit(X, likelihood={"kind": ["poisson"]}), "poisson"),
        (lambda model: coder(model_arguments=[1]).fit(X), "model_arguments"),
    ],
)
def test_a_setting_of_another_kind_is_one_sentence(call, named, model):
    assert named in refused(lambda: call(model), ConfigurationError)


def test_a_run_that_is_not_there_and_a_file_are_told_apart(tmp_path):
    file = tmp_path / "num.csv"
    file.write_text("a\n")
    assert "is a file" in refused(lambda: sparsevae.load(file), RunFolderError)
    assert "is not there" in refused(lambda: sparsevae.load(tmp_path / "no"), RunFolderError)


def test_all_columns_that_rows_lack_are_named_at_once():
    frame = pandas.DataFrame(np.random.default_rng(0).normal(size=(40, 4)), columns=list("abcd"))
    model = sparsevae.fit(frame, latents=2, epochs=1)
    with pytest.raises(DatasetError, match="the columns 'b', 'd' that these rows lack"):
        model.encode(frame[["a", "c"]])
