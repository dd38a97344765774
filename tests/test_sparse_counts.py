"""Counts in sparse matrices: scored given totals of rows, read from files, never dense whole."""

import math

import numpy as np
import pandas
import pytest
import torch
from scipy import sparse, stats

import sparsevae
from sparsevae import SparseVAE, data
from sparsevae.errors import DatasetError
from sparsevae.models import likelihoods
from sparsevae.models.likelihoods import LibraryPoisson, NegativeBinomial
from sparsevae.models.likelihoods.totals import choose_counts, overdispersion
from sparsevae.runs.given import raw_rows
from sparsevae.runs.prepare import prepare
from sparsevae.runs.train import rows_of
from sparsevae.storage.sparse import SparseRows
from sparsevae.training.streams import StreamedRows

SETTINGS = {"latents": 3, "epochs": 2, "seed": 0}


def counts(rows=80, columns=12, seed=0, dispersion=1.0):
    """Counts that vary more than a Poisson's, most of them 0."""
    generator = np.random.default_rng(seed)
    rate = generator.lognormal(-2, 1, columns) * generator.lognormal(0, 0.5, (rows, 1))
    x = generator.poisson(rate * generator.gamma(dispersion, 1 / dispersion, (rows, columns)))
    x[:, 0] += 1  # no row is empty
    return x


@pytest.fixture(scope="module")
def x():
    return counts(dispersion=0.1)


def raw_of(family, rows=5, columns=4):
    generator = torch.Generator().manual_seed(0)
    width = columns * (2 if family is NegativeBinomial else 1)
    return torch.randn(rows, width, generator=generator)


# ------------------------------------------------------------------ densities


def test_a_negative_binomial_scores_as_scipys():
    p, value = NegativeBinomial(raw_of(NegativeBinomial)), torch.tensor([[0.0, 3, 1, 12]] * 5)
    mean = 16 * p.log_share.exp().double().numpy()
    theta = p.log_dispersion.exp().double().numpy()
    expected = stats.nbinom.logpmf(value.numpy(), theta, theta / (theta + mean))
    np.testing.assert_allclose(p.element_log_prob(value).numpy(), expected, rtol=2e-4, atol=1e-5)


def test_a_poisson_of_shares_scores_as_scipys():
    p, value = LibraryPoisson(raw_of(LibraryPoisson)), torch.tensor([[0.0, 3, 1, 12]] * 5)
    expected = stats.poisson.logpmf(value.numpy(), 16 * p.log_share.exp().double().numpy())
    np.testing.assert_allclose(p.element_log_prob(value).numpy(), expected, rtol=2e-4, atol=1e-5)


def test_a_negative_binomial_without_dispersion_is_a_poisson():
    raw, value = raw_of(LibraryPoisson), torch.tensor([[0.0, 3, 1, 2]] * 5)
    wide = torch.cat([raw, torch.full_like(raw, 10.0)], 1)
    torch.testing.assert_close(
        NegativeBinomial(wide).log_prob(value),
        LibraryPoisson(raw).log_prob(value),
        atol=0.02,
        rtol=1e-3,
    )


@pytest.mark.parametrize("family", [LibraryPoisson, NegativeBinomial])
def test_decoded_rows_have_the_total_of_the_setting_and_draws_their_mean(family):
    p = family(raw_of(family), total=50.0)
    torch.testing.assert_close(p.mean.sum(1), torch.full((5,), 50.0))
    torch.manual_seed(0)
    draws = p.sample(torch.Size((4000,)))
    torch.testing.assert_close(draws.mean(0), p.mean, atol=1.5, rtol=0.15)


@pytest.mark.parametrize("family", [LibraryPoisson, NegativeBinomial])
def test_gradients_are_finite_and_an_empty_row_scores_nothing(family):
    raw = raw_of(family).requires_grad_()
    value = torch.tensor([[0.0, 3, 1, 12]] * 5)
    value[0] = 0
    score = family(raw).log_prob(value)
    assert abs(score[0].item()) < 1e-4
    score.sum().backward()
    assert raw.grad.isfinite().all()


def test_gradients_of_the_negative_binomial_are_those_of_the_formula():
    raw = raw_of(NegativeBinomial).double().requires_grad_()
    value = torch.tensor([[0.0, 3, 1, 12]] * 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda r: NegativeBinomial(r).element_log_prob(value), raw)


# ------------------------------------------------------------------ which family


def test_the_spread_beyond_a_poissons_decides():
    generator = np.random.default_rng(0)
    flat = generator.poisson(generator.lognormal(0, 0.5, (1500, 1)) * np.full(30, 2.0))
    assert abs(overdispersion(flat) - 1) < 0.03
    assert choose_counts(flat)[0]["kind"] == "library-poisson"
    spread = counts(1500, 30, dispersion=0.1)
    assert choose_counts(spread)[0] == {
        "kind": "negative-binomial",
        "total": float(np.median(spread.sum(1))),
    }


def test_a_dense_table_of_counts_is_settled_as_ever(x):
    assert likelihoods.choose(x)[0] == "poisson"
    assert likelihoods.choose(SparseRows(sparse.csr_matrix(x)))[0]["kind"] == "negative-binomial"


def test_a_total_that_is_left_open_is_the_training_rows_median(x):
    model = sparsevae.fit(x, likelihood="negative-binomial", **SETTINGS)
    assert model.likelihood["total"] == np.median(x.sum(1))
    np.testing.assert_allclose(
        model.decode(model.encode(x), own_type=False).sum(1), np.median(x.sum(1)), rtol=1e-4
    )


# ------------------------------------------------------------------ sparse rows


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array])
def test_sparse_and_dense_rows_give_the_same_weights_and_codes(x, form):
    own = sparsevae.fit(form(x), **SETTINGS)
    dense = sparsevae.fit(x, likelihood=own.likelihood, **SETTINGS)
    for name, weight in dense.model.state_dict().items():
        torch.testing.assert_close(own.model.state_dict()[name], weight, atol=0, rtol=0)
    np.testing.assert_array_equal(own.encode(form(x)), dense.encode(x))
    np.testing.assert_array_equal(own.elbo(form(x)), dense.elbo(x))


def test_the_estimator_takes_sparse_rows(x):
    matrix = sparse.csr_array(x)
    coder = SparseVAE(n_components=3, max_iter=2, random_state=0).fit(matrix)
    own = sparsevae.fit(matrix, **SETTINGS)
    np.testing.assert_array_equal(coder.transform(matrix), own.encode(matrix))
    assert np.isfinite(coder.score(matrix))


def test_rows_become_dense_as_batches_are_taken(x):
    prepared = prepare(raw_rows(sparse.csr_matrix(x)), test_fraction=0.2)
    rows = rows_of(prepared.dataset.train)
    assert isinstance(rows, StreamedRows)
    chosen = torch.tensor([3, 0, 7])
    np.testing.assert_array_equal(
        rows.index_select(0, chosen).numpy(), prepared.dataset.train.images[np.array([3, 0, 7])]
    )


def test_a_run_on_a_sparse_file_is_measured_like_one_on_dense_rows(x, tmp_path):
    matrix = sparse.csr_matrix(x)
    sparse.save_npz(tmp_path / "counts.npz", matrix)
    raw = data.read(tmp_path / "counts.npz")
    np.testing.assert_array_equal(raw.values[:], x)
    run = sparsevae.fit(raw, out=tmp_path / "a", test_fraction=0.2, **SETTINGS)
    dense = sparsevae.fit(
        x, out=tmp_path / "b", test_fraction=0.2, likelihood=run.likelihood, **SETTINGS
    )
    ours, theirs = (sparsevae.RunFolder(m.path).metrics for m in (run, dense))
    for key in ("negative_elbo", "mse", "kl", "used_dimensions"):
        assert ours[key] == pytest.approx(theirs[key])


def test_duplicates_are_summed_and_other_orders_are_alike(x):
    coordinates = sparse.coo_matrix(
        (np.r_[x[0], x[0]], (np.zeros(24, int), np.r_[0:12, 0:12])), shape=(2, 12)
    )
    np.testing.assert_array_equal(raw_rows(coordinates).values[:][0], 2 * x[0])


# ------------------------------------------------------------------ files


def write_h5ad(path, x, layout="csr"):
    """What anndata writes, by h5py alone."""
    h5py = pytest.importorskip("h5py")
    matrix = sparse.csr_matrix(x) if layout == "csr" else sparse.csc_matrix(x)
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs["encoding-type"], group.attrs["shape"] = f"{layout}_matrix", x.shape
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        for table, count in (("obs", len(x)), ("var", x.shape[1])):
            part = file.create_group(table)
            part.attrs["_index"] = "_index"
            names = [f"{table}{place}" for place in range(count)]
            part.create_dataset("_index", data=names, dtype=text)
            part.attrs.create("column-order", ["kind"] if table == "obs" else [], dtype=text)
        kind = file["obs"].create_group("kind")
        kind.create_dataset("categories", data=["B", "T"], dtype=text)
        kind["codes"] = np.arange(len(x)) % 2
    return path


@pytest.mark.parametrize("layout", ["csr", "csc"])
def test_an_h5ad_file_is_read_with_names_and_labels(x, tmp_path, layout):
    raw = data.read(write_h5ad(tmp_path / "cells.h5ad", x, layout), labels="kind")
    np.testing.assert_array_equal(raw.values[:], x)
    assert raw.columns[:2] == ("var0", "var1")
    assert raw.classes == ("B", "T")
    assert raw.labels[:3].tolist() == [0, 1, 0]


@pytest.mark.parametrize("levels", [[2, 10], [False, True]])
def test_categories_of_an_h5ad_file_need_be_no_text(x, tmp_path, levels):
    h5py = pytest.importorskip("h5py")
    with h5py.File(write_h5ad(tmp_path / "cells.h5ad", x), "a") as file:
        del file["obs/kind/categories"]
        file["obs/kind/categories"] = np.array(levels)
    assert data.read(tmp_path / "cells.h5ad", labels="kind").classes == tuple(map(str, levels))


def test_an_annotated_object_is_taken_as_it_is(x):
    class Annotated:
        X = sparse.csr_matrix(x)
        obs = pandas.DataFrame({"kind": ["B", "T"] * 40})
        var_names = tuple(f"gene{place}" for place in range(12))
        n_obs = 80

        def __len__(self):
            return 80

    raw = raw_rows(Annotated(), "kind")
    assert raw.columns[0] == "gene0"
    assert raw.classes == ("B", "T")
    model = sparsevae.fit(Annotated(), labels="kind", **SETTINGS)
    assert model.encode(Annotated()).shape == (80, 3)


@pytest.mark.parametrize("name", ["cells.h5ad", "counts.npz"])
def test_a_damaged_file_is_one_sentence(name, tmp_path, x):
    pytest.importorskip("h5py")
    place = tmp_path / name
    if name.endswith("npz"):
        sparse.save_npz(place, sparse.csr_matrix(x))
    else:
        write_h5ad(place, x)
    content = place.read_bytes()
    place.write_bytes(content[: len(content) // 2] + b"\0" * 40)
    with pytest.raises(DatasetError):
        data.read(place)


def test_indices_outside_of_the_shape_are_one_sentence(tmp_path, x):
    place = tmp_path / "counts.npz"
    matrix = sparse.csr_matrix(x)
    matrix.indices[0] = 5000
    np.savez(
        place,
        format=np.array(b"csr"),
        shape=np.array(x.shape),
        data=matrix.data,
        indices=matrix.indices,
        indptr=matrix.indptr,
    )
    with pytest.raises(DatasetError, match="sparse matrix"):
        data.read(place)


def test_a_number_that_is_not_finite_is_one_sentence(x):
    matrix = sparse.csr_matrix(x.astype(float))
    matrix.data[0] = np.nan
    with pytest.raises(DatasetError, match="not finite"):
        raw_rows(matrix)


@pytest.mark.parametrize("log_theta", [2.0, 3.9, 5.0, 8.0, 12.0, 15.0])
def test_a_large_dispersion_costs_no_precision(log_theta):
    torch.manual_seed(0)
    value = torch.poisson(torch.full((64, 30), 3.0))
    raw = torch.cat([torch.zeros(64, 30), torch.full((64, 30), log_theta)], 1).requires_grad_()
    found = NegativeBinomial(raw).element_log_prob(value)
    mean, theta = value.double().mean(1, keepdim=True).numpy(), math.exp(log_theta)
    right = stats.nbinom.logpmf(value.double().numpy(), theta, theta / (theta + mean))
    np.testing.assert_allclose(found.detach().numpy(), right, atol=5e-5)
    double = raw.detach().double().requires_grad_()
    NegativeBinomial(double).element_log_prob(value.double()).sum().backward()
    found.sum().backward()
    torch.testing.assert_close(raw.grad.double(), double.grad, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("model", ["vae", "vsc"])
def test_a_run_on_counts_is_measured_whole_and_has_no_noise_that_is_added(model, x, tmp_path):
    raw = raw_rows(sparse.csr_matrix(x))
    trained = sparsevae.fit(raw, model, **SETTINGS)
    assert trained.model.family.reading == "logs"
    row = trained.evaluate(raw).metrics
    assert math.isfinite(row["mse"])
    assert not [name for name in row if "noise" in name and row[name] is not None]
    trained.save(tmp_path / "run")
    assert sparsevae.fit(raw, model, **SETTINGS, input_noise=0.5).model.input_noise == 0.5
