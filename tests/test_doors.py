"""One protocol: the command line, fit and the estimator give one model, bit for bit."""

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV
from tests.test_own_data import TRAINED, command

import sparsevae
from sparsevae.data import read
from sparsevae.errors import DatasetError
from sparsevae.estimators import SparseVAE
from sparsevae.models import MODELS
from sparsevae.runs.prepare import held_out
from sparsevae.runs.train import fit
from sparsevae.training import faults
from sparsevae.training.defaults import settle

RNG = np.random.default_rng(0)
TABLE = load_wine().data
COUNTS = RNG.poisson(RNG.gamma(2.0, 1.0, (60, 7)))
IMAGES = RNG.integers(0, 256, (40, 9, 10), dtype=np.uint8)
DATA = {"table": TABLE, "counts": COUNTS, "images": IMAGES}
SETTLED = ("epochs", "batch_size", "recipe", "widths", "trunk", "learning_rate", "arguments")


def weights_of(run):
    return safetensors.torch.load_file(run / "weights.safetensors")


def same(found, expected):
    return found.keys() == expected.keys() and all(
        torch.equal(found[name], expected[name]) for name in expected
    )


@pytest.mark.parametrize("kind", DATA)
def test_every_door_gives_the_same_weights(kind, tmp_path):
    path, out = tmp_path / f"{kind}.npy", tmp_path / "run"
    np.save(path, DATA[kind])
    options = ("--latents", 3, "--epochs", 2, "--seed", 5, "--out", out)
    assert command("fit", path, *options) in TRAINED
    expected, settings = weights_of(out), {"latents": 3, "epochs": 2, "seed": 5, "device": "cpu"}

    split = fit(DATA[kind], test_fraction=0.1, **settings)
    assert same(split.model.state_dict(), expected)

    train, _ = held_out(read(path), 0.1)
    rows = DATA[kind][train]
    alone = fit(rows, **settings)
    assert same(alone.model.state_dict(), expected)

    estimator = SparseVAE(n_components=3, max_iter=2, random_state=5).fit(rows)
    assert same(estimator.trained_.model.state_dict(), expected)
    configs = [sparsevae.load(out).config, split.config, alone.config, estimator.trained_.config]
    for name in SETTLED:
        assert len({str(getattr(config, name)) for config in configs}) == 1, name
    scalings = {
        str(m.data.scaling) for m in (sparsevae.load(out), split, alone, estimator.trained_)
    }
    assert len(scalings) == 1


@pytest.mark.parametrize("kind", DATA)
def test_what_is_open_is_settled_alike_at_every_door(kind):
    """Nothing is trained: the configurations of untrained models are compared."""
    values = DATA[kind] if kind != "images" else DATA[kind][:, None]
    settled = settle(values)
    estimator = SparseVAE(max_iter=1).fit(DATA[kind])
    open_ones = {"epochs", "restarts", "dataset", "seed"}
    wanted = settled.config.model_dump(exclude=open_ones)
    got = estimator.trained_.config.model_dump(exclude=open_ones)
    assert got == wanted
    assert estimator.scaling_ == settled.scaling


def test_held_out_rows_have_no_say():
    rows = RNG.integers(0, 2, (40, 3)).astype(float)
    train, test = held_out(sparsevae.runs.given.raw_rows(rows), 0.1)
    rows[test] = 7.25
    with pytest.raises(DatasetError, match="needs values from 0 to 1"):
        fit(rows, epochs=1, test_fraction=0.1)
    found = fit(rows, epochs=1, test_fraction=0.1, likelihood="gaussian")
    np.testing.assert_allclose(found.data.scaling.shift, rows[train].mean(0), rtol=1e-9)
    assert found.data.high == 1


# ------------------------------------------------------------------ one body


@pytest.fixture(scope="module")
def wine():
    frame = load_wine(as_frame=True).data
    return frame, fit(frame, latents=3, epochs=2)


def test_arrays_frames_and_tensors_give_the_same_codes(wine):
    frame, trained = wine
    codes = trained.encode(frame)
    turned = frame[frame.columns[::-1]]
    for rows in (frame.to_numpy(), turned, torch.tensor(frame.to_numpy())):
        np.testing.assert_array_equal(trained.encode(rows), codes)
    with pytest.raises(DatasetError, match="'ash'"):
        trained.encode(frame.rename(columns={"ash": "dust"}))
    with pytest.raises(DatasetError, match="missing or infinite"):
        trained.encode(frame.mask(frame > 1000))
    with pytest.raises(DatasetError, match="rows of 13 columns"):
        trained.encode(frame.to_numpy()[:, :4])
    with pytest.raises(DatasetError, match="numbers"):
        trained.encode(pd.DataFrame({"a": ["x"]}))


def test_no_rows_are_no_codes(wine):
    frame, trained = wine
    assert trained.encode(frame[:0]).shape == (0, 3)
    assert trained.decode(np.empty((0, 3))).shape == (0, 13)


@pytest.mark.parametrize("shape", [(10, 9), (1, 10, 9), (3, 10, 9)], ids=str)
def test_images_are_taken_in_every_layout(shape):
    images = RNG.integers(0, 256, (20, *shape), dtype=np.uint8)
    trained = fit(images, "ae", latents=2, epochs=1, widths=(4, 8))
    codes = trained.encode(images)
    if len(shape) == 3:
        np.testing.assert_array_equal(trained.encode(np.moveaxis(images, 1, 3)), codes)
    restored = trained.decode(codes)
    assert restored.dtype == np.uint8
    assert restored.shape == (20, *trained.model.shape)


def test_results_do_not_depend_on_blocks(wine, monkeypatch):
    frame, trained = wine
    codes, rows = trained.encode(frame), trained.reconstruct(frame)
    monkeypatch.setattr("sparsevae.storage.arrays.BLOCK_VALUES", 13 * 50)
    monkeypatch.setattr("sparsevae.runs.trained.BLOCK_VALUES", 13 * 50)
    np.testing.assert_allclose(trained.encode(frame), codes, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trained.reconstruct(frame), rows, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_fitted_estimator_is_saved_and_used_by_every_command(name, tmp_path):
    estimator = SparseVAE(name, n_components=3, max_iter=1, random_state=0).fit(TABLE)
    run, rows = estimator.trained_.save(tmp_path / "run"), tmp_path / "rows.npy"
    np.save(rows, TABLE)
    assert command("encode", run, rows, "--out", tmp_path / "codes.npy") == 0
    codes = np.load(tmp_path / "codes.npy")
    np.testing.assert_array_equal(codes, estimator.transform(TABLE))
    assert command("decode", run, tmp_path / "codes.npy", "--out", tmp_path / "back.npy") == 0
    np.testing.assert_allclose(
        np.load(tmp_path / "back.npy"), estimator.inverse_transform(codes), rtol=1e-5, atol=1e-4
    )
    loaded = sparsevae.load(run)
    assert loaded.save(tmp_path / "again") == tmp_path / "again"
    np.testing.assert_array_equal(sparsevae.load(tmp_path / "again").encode(TABLE), codes)


def test_saved_models_become_reports_cards_and_programs(wine, tmp_path):
    _, trained = wine
    run = trained.save(tmp_path / "run")
    assert command("report", run) == 0
    copy = sparsevae.save_pretrained(trained, tmp_path / "copy", "me/wine")
    assert "none were held out" in (copy / "README.md").read_text()
    assert [path.suffix for path in trained.export(tmp_path / "out", "torch")][:1] == [".pt2"]


def test_a_run_is_trained_into_a_folder_and_found_finished_there(tmp_path):
    settings = {"latents": 2, "epochs": 1, "test_fraction": 0.1, "out": tmp_path / "run"}
    first = fit(TABLE, labels=load_wine().target, **settings)
    before = (tmp_path / "run" / "metrics.json").read_bytes()
    again = fit(TABLE, labels=load_wine().target, **settings)
    np.testing.assert_array_equal(first.encode(TABLE), again.encode(TABLE))
    assert (tmp_path / "run" / "metrics.json").read_bytes() == before
    assert first.data.classes == ("0", "1", "2")


# ------------------------------------------------------------------ raw units


@pytest.mark.parametrize("scaling", ["minmax", "standard"])
def test_a_column_in_other_units_changes_the_score_by_its_logarithm(scaling):
    train, test = TABLE[::2], TABLE[1::2].copy()
    scores = []
    for factor in (1.0, 1000.0):
        units = np.where(np.arange(13) == 2, factor, 1.0)
        coder = SparseVAE(n_components=3, max_iter=5, scaling=scaling, random_state=0)
        scores.append(coder.fit(train * units).score(test * units))
    assert scores[0] - scores[1] == pytest.approx(np.log(1000), abs=1e-3)


def test_rows_far_outside_the_training_range_score_worse():
    coder = SparseVAE(n_components=3, max_iter=5, scaling="minmax", random_state=0).fit(TABLE)
    assert coder.score(TABLE * 3) < coder.score(TABLE) - 50


def test_the_importance_weighted_bound_is_in_raw_units_and_no_less_than_the_elbo(wine):
    frame, trained = wine
    elbo, bound = trained.elbo(frame, draws=20), trained.log_likelihood(frame, samples=200)
    assert elbo.shape == bound.shape == (178,)
    assert bound.mean() > elbo.mean() - 0.05
    other = fit(frame * 10, latents=3, epochs=2)
    shift = bound.mean() - other.log_likelihood(frame * 10, samples=200).mean()
    assert shift == pytest.approx(13 * np.log(10), rel=1e-3)


# ------------------------------------------------------------------ one estimator


def test_a_search_goes_over_models():
    search = GridSearchCV(
        SparseVAE(n_components=2, max_iter=2, random_state=0),
        {"model": ["vsc", "vae"], "target_active": [None, 1]},
        cv=2,
        error_score="raise",
    ).fit(TABLE)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.trained_.config.model in ("vsc", "vae")


def test_a_fit_in_memory_says_when_an_epoch_is_trained_anew(monkeypatch):
    once, finite = iter([False]), faults.all_finite
    monkeypatch.setattr(faults, "all_finite", lambda model: next(once, finite(model)))
    rows = np.random.default_rng(0).normal(size=(60, 4))
    with pytest.warns(UserWarning, match=r"epoch 1: .* trained anew from where it began, at 0\.5"):
        trained = fit(rows, latents=2, epochs=2, device="cpu")
    assert [row["learning_rate_factor"] for row in trained.history] == [0.5, 0.5]
