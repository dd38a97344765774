"""Tables with text, dates, booleans and gaps: described, encoded, decoded, filled."""

import pickle
import sys
import warnings
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import sparsevae
from sparsevae import SparseVAE, cli, data
from sparsevae.data.readers.columns import described, is_plain, matching, plain_values
from sparsevae.data.schema import Column, Schema
from sparsevae.errors import ConfigurationError, DatasetError, RunFolderError
from sparsevae.evaluation import bound, evaluate
from sparsevae.evaluation.imputation import Imputer
from sparsevae.models import build
from sparsevae.models.likelihoods import Mixed
from sparsevae.runs.given import raw_rows
from sparsevae.runs.prepare import prepare
from sparsevae.training import loop

SETTINGS = {"latents": 3, "epochs": 3, "seed": 0}


FITTED = (0, 3)  # so few passes may end in an alarm


def main(arguments):
    """Run a command of the command line and give its status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sparsevae", *arguments])
        patch.setattr(loop, "prepare_process", lambda: None)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return ended.value.code or 0


def people(count=60, seed=0):
    """A list of passengers with everything that a table can have."""
    generator = np.random.default_rng(seed)
    frame = pandas.DataFrame(
        {
            "id": np.arange(count) + 1,
            "name": [f"Person {place}" for place in range(count)],
            "sex": generator.choice(["female", "male"], count),
            "age": generator.integers(1, 80, count).astype(float),
            "fare": generator.lognormal(2, 1, count),
            "alone": generator.random(count) < 0.5,
            "boarded": pandas.Timestamp("1912-04-10")
            + pandas.to_timedelta(generator.integers(0, 3, count), unit="D"),
            "survived": generator.integers(0, 2, count),
            "ship": "Titanic",
        }
    )
    frame.loc[::5, "age"] = np.nan
    frame.loc[::7, "sex"] = None
    frame.loc[::11, "boarded"] = pandas.NaT
    return frame


@pytest.fixture(scope="module")
def table():
    return people()


@pytest.fixture(scope="module")
def model(table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sparsevae.fit(table, "vsc", labels="survived", **SETTINGS)


# ------------------------------------------------------------------ the schema


def test_what_columns_are_and_what_is_left_out_in_one_line(table):
    schema, notes = described(table, "it")
    kinds = {column.name: column.kind for column in schema.columns}
    assert kinds == {
        "sex": "category",
        "age": "number",
        "fare": "number",
        "alone": "boolean",
        "boarded": "date",
        "survived": "boolean",
    }
    assert len(notes) == 1
    for name in ("'id'", "'name'", "'ship'"):
        assert name in notes[0]
    assert {column.name for column in schema.columns if column.gaps} == {"sex", "age", "boarded"}


def test_decoding_the_elements_gives_the_table_back(table):
    schema, _ = described(table, "it")
    back = schema.decode(schema.encode(table))
    expected = table[list(schema.names)]
    assert back.isna().to_numpy().tolist() == expected.isna().to_numpy().tolist()
    for name in schema.names:
        there = expected[name].notna()
        assert (back[name][there] == expected[name][there]).all(), name


@given(
    st.lists(
        st.tuples(st.integers(-5, 5), st.sampled_from(["a", "b", "c d"]), st.booleans()),
        min_size=12,
        max_size=30,
    )
)
def test_any_table_of_few_levels_comes_back(rows):
    frame = pandas.DataFrame(rows, columns=["n", "text", "truth"])
    columns = (
        Column("n", "number", (), "int64"),
        Column("text", "category", ("a", "b", "c d")),
        Column("truth", "boolean", (), "bool"),
    )
    back = Schema(columns).decode(Schema(columns).encode(frame))
    assert back.to_dict("list") == frame.to_dict("list")


def test_dates_keep_their_seconds_and_text_that_is_a_date_is_one():
    frame = pandas.DataFrame({"day": ["2024-02-29", "2025-01-01", None] * 3, "x": range(0, 18, 2)})
    schema, _ = described(frame.assign(at=pandas.Timestamp("2001-02-03 04:05:06")), "it")
    assert schema.columns[0] == Column("day", "date", (), "D", True)
    moments = ["2001-02-03T04:05:06", "1969-12-31T00:00:00"]
    times = pandas.DataFrame({"at": pandas.to_datetime(moments * 3)})
    schema, _ = described(times.assign(kind=["a", "b"] * 3), "it")
    assert (schema.decode(schema.encode(times.assign(kind="a")))["at"] == times["at"]).all()


def test_a_level_that_training_rows_lack_is_a_gap(table):
    schema, _ = described(table, "it")
    values = schema.encode(table.assign(sex="other"))
    place = schema.elements.index("sex=female")
    assert np.isnan(values[:, place : place + 2]).all()
    train = np.flatnonzero(table["sex"].to_numpy() == "male")
    kept, left = schema.seen(schema.encode(table), train)
    assert dict(zip(kept.names, kept.columns, strict=True))["sex"].levels == ("male",)
    female = np.flatnonzero(table["sex"].to_numpy() == "female")
    assert np.isnan(left[female][:, kept.elements.index("sex=male")]).all()


def test_training_rows_alone_decide_the_scaling(table):
    raw = raw_rows(table[["age", "fare", "sex"]])
    prepared = prepare(raw, epochs=1, test_fraction=0.3)
    train = prepared.dataset.train.scaled()
    numbers = train[:, :2]
    np.testing.assert_allclose(np.nanmean(numbers, 0), 0, atol=1e-5)
    np.testing.assert_allclose(np.nanstd(numbers, 0), 1, atol=1e-5)


@pytest.mark.parametrize(
    "frame",
    [
        pandas.DataFrame({"a": [1, 2, 3], "b": [0.5, 0.1, 0.2]}),
        pandas.DataFrame({"a": [True, False, True]}),
    ],
)
def test_numbers_without_gaps_need_no_schema(frame):
    assert is_plain(frame)
    assert raw_rows(frame).schema is None


def test_text_beside_numbers_is_left_out_and_the_numbers_stay_as_they_are():
    frame = pandas.DataFrame({"a": [1.5, 2.0, 3.0], "note": ["x y", "q", "zz"]})
    schema, _ = described(frame, "it")
    np.testing.assert_array_equal(plain_values(frame, schema), frame[["a"]].to_numpy())
    with pytest.warns(UserWarning, match="Left out: 'note'"):
        raw = raw_rows(frame)
    assert raw.schema is None
    assert raw.columns == ("a",)


def test_names_and_patterns():
    names = ["x1", "x2", "y[0]", "y0"]
    assert matching(names, ["y[0]", "x*"], "it") == ["y[0]", "x1", "x2"]
    with pytest.raises(DatasetError, match="no column 'z"):
        matching(names, ["z*"], "it")


# ------------------------------------------------------------------ the likelihood


def drawn(rows=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 2 * 7, generator=generator)


def test_the_probabilities_of_every_block_sum_to_one():
    p = Mixed(drawn(), booleans=1, levels=(3, 2))
    for at, width in ((2, 3), (5, 2)):
        total = torch.zeros(4)
        for level in range(width):
            x = torch.full((4, 7), float("nan"))
            x[:, at : at + width] = 0
            x[:, at + level] = 1
            total += p.log_prob(x).exp()
        torch.testing.assert_close(total, torch.ones(4))
    both = torch.full((2, 4, 7), float("nan"))
    both[0, :, 1], both[1, :, 1] = 0, 1
    torch.testing.assert_close(
        p.log_prob(both[0]).exp() + p.log_prob(both[1]).exp(), torch.ones(4)
    )


def test_numbers_score_as_scipys_normal_distribution():
    from scipy.stats import norm

    p, x = Mixed(drawn(), booleans=1, levels=(3, 2)), torch.zeros(4, 7)
    expected = norm.logpdf(0, p.loc.numpy(), p.scale.numpy())
    np.testing.assert_allclose(p.element_log_prob(x)[:, :1], expected, rtol=1e-4)


@pytest.mark.parametrize("hidden", [[0], [1], [2, 3, 4], [0, 5, 6], list(range(7))])
def test_a_gap_scores_nothing_and_has_no_gradient(hidden):
    raw = drawn().requires_grad_()
    x = torch.tensor([[0.3, 1.0, 0, 1, 0, 1, 0]]).repeat(4, 1)
    x[:, hidden] = float("nan")
    score = Mixed(raw, booleans=1, levels=(3, 2)).element_log_prob(x)
    assert (score[:, hidden] == 0).all()
    score.sum().backward()
    assert raw.grad.isfinite().all()
    assert (raw.grad[:, hidden] == 0).all()


def test_draws_have_the_mean():
    p = Mixed(drawn(1), booleans=1, levels=(3, 2))
    torch.manual_seed(0)
    draws = p.sample(torch.Size((4000,)))
    torch.testing.assert_close(draws.mean(0), p.mean, atol=0.08, rtol=0)
    assert set(draws[..., 1:].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    "setting", [{"levels": [9, 9]}, {"levels": [0]}, {"booleans": -1}, {"levels": "ab"}]
)
def test_a_wrong_layout_is_one_sentence(setting):
    arguments = {"likelihood": {"kind": "mixed", **setting}}
    with pytest.raises(ConfigurationError, match="mixed"):
        build("vae", (7,), 2, arguments=arguments)


@pytest.mark.parametrize("name", ["ae", "vae", "vsc", "top-k"])
def test_the_value_under_a_gap_never_matters(name):
    """Rows that differ only where a number is missing cannot be told apart, gradients included."""
    torch.manual_seed(0)
    arguments = {"likelihood": {"kind": "mixed", "booleans": 1, "levels": [3]}}
    model = build(name, (6,), 2, arguments=arguments)
    x = torch.randn(5, 6)
    x[:, 2:] = torch.tensor([1.0, 0, 1, 0])
    gaps = torch.rand(5, 6) < 0.4
    gaps[:, 3:] = gaps[:, 3:4]
    seen = x.masked_fill(gaps, float("nan"))
    torch.manual_seed(1)
    model.loss(seen).objective.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    untouched = model.encode(seen)
    for other in (x + 7, -x):  # whatever stood there
        torch.testing.assert_close(
            model.encode(torch.where(gaps, torch.nan, torch.where(gaps, other, x))), untouched
        )


def test_a_column_that_had_no_gap_in_training_says_nothing_by_a_gap_before_it_is_trained():
    model = build("vae", (4,), 2, arguments={"likelihood": "mixed"})
    x = torch.zeros(3, 4)
    torch.testing.assert_close(
        model.encode(x), model.encode(torch.where(torch.eye(4)[:3] > 0, torch.nan, x))
    )


# ------------------------------------------------------------------ doors


def test_a_data_frame_goes_in_and_a_data_frame_comes_out(model, table):
    codes = model.encode(table)
    assert codes.shape == (60, 3)
    for frame in (model.decode(codes), model.reconstruct(table), model.sample(5)):
        assert list(frame.columns) == ["sex", "age", "fare", "alone", "boarded"]
        assert set(frame["sex"]) <= {"female", "male"}
        assert frame["alone"].dtype == bool
        assert frame["age"].dtype.kind == "i"
        assert frame["boarded"].dtype.kind == "M"
        assert not frame.isna().to_numpy().any()
    assert model.log_likelihood(table, samples=3).shape == (60,)


def test_filling_gaps_touches_nothing_else(model, table):
    shuffled = table.sample(frac=1, random_state=0)
    filled = model.impute(shuffled)
    assert list(filled.columns) == list(table.columns)
    assert (filled.index == shuffled.index).all()
    for name in table.columns:
        known = shuffled[name].notna()
        assert (filled[name][known] == shuffled[name][known]).all(), name
    assert not filled[["sex", "age", "boarded"]].isna().to_numpy().any()


def test_a_density_counts_only_what_is_there(model, table):
    """In units of a tenth, a row's density falls by log 10 for every number that is there."""
    row = table[["sex", "age", "fare", "alone", "boarded"]].iloc[[1, 5]]
    volumes = model.data.scaling.log_volumes(model.scaled(model.values(row)))
    logs = np.log(model.data.scaling.scale)
    np.testing.assert_allclose(volumes[0], logs.sum())
    np.testing.assert_allclose(volumes[1], logs.sum() - logs[0], rtol=1e-9)


def test_the_importance_weighted_bound_is_in_units_of_its_own_rows(model, table):
    """Rows that come later and lack numbers do not move the bound of the first ones."""
    names = ["sex", "age", "fare", "alone", "boarded"]
    first = model.values(table[names])
    later = np.full_like(first, np.nan)
    later[:, -2:] = first[:, -2:]
    settings = {"scaling": model.data.scaling, "groups": ("bound",)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bound, "IMAGES", len(first))
        alone = evaluate(model.model, first, **settings).metrics
        both = evaluate(model.model, np.concatenate([first, later]), **settings).metrics
    for name in ("importance_weighted_bound", "inference_slack"):
        assert both[name] == pytest.approx(alone[name], abs=0.3), name
    assert both["negative_elbo"] < alone["negative_elbo"] - 1


def test_every_door_gives_the_same_weights(table, tmp_path):
    frame = table.drop(columns=["id", "name", "ship"])
    frame.to_csv(tmp_path / "people.csv", index=False)
    whole = frame.assign(boarded=frame["boarded"].dt.strftime("%Y-%m-%d"))
    arguments = ["--latents", "3", "--epochs", "3", "--test-fraction", "0"]
    paths = [str(tmp_path / "people.csv"), "--out", str(tmp_path / "r")]
    assert main(["fit", *paths, *arguments]) in FITTED
    by_command = sparsevae.load(tmp_path / "r")
    by_function = sparsevae.fit(whole, **SETTINGS)
    estimator = SparseVAE(n_components=3, max_iter=3, random_state=0).fit(whole)
    for other in (by_function, estimator.trained_):
        for name, weight in by_command.model.state_dict().items():
            torch.testing.assert_close(other.model.state_dict()[name], weight, atol=0, rtol=0)
    assert isinstance(estimator.inverse_transform(estimator.transform(whole)), pandas.DataFrame)
    assert not estimator.impute(whole).isna().to_numpy().any()


def test_every_command_takes_a_run_on_a_mixed_table(table, tmp_path, capsys):
    place = tmp_path / "people.csv"
    table.to_csv(place, index=False)
    run, at = str(tmp_path / "run"), str(place)
    fit = ["fit", at, "--labels", "surv*", "--drop", "f*", "--latents", "2", "--epochs", "2"]
    assert main([*fit, "--out", run]) in FITTED
    said = capsys.readouterr().out
    assert said.count("Left out") == 1
    assert "Gaps in 'sex', 'age', 'boarded'" in said
    for arguments in (
        ["encode", run, at, "--out", f"{tmp_path}/codes.csv"],
        ["decode", run, f"{tmp_path}/codes.csv", "--out", f"{tmp_path}/decoded.csv"],
        ["reconstruct", run, at, "--out", f"{tmp_path}/again.parquet"],
        ["sample", run, "--count", "3", "--out", f"{tmp_path}/new.csv"],
        ["impute", run, at, "--out", f"{tmp_path}/filled.csv"],
        ["evaluate", run, at, "--labels", "survived", "--out", f"{tmp_path}/numbers.json"],
        ["traverse", run, "--out", f"{tmp_path}/effects.png"],
    ):
        assert main(arguments) == 0, capsys.readouterr().err
    elements = data.read(tmp_path / "people.csv", labels="surv*", drop=["f*"]).schema.elements
    for arguments in (
        ["decode", run, f"{tmp_path}/codes.csv", "--out", f"{tmp_path}/floats.csv"],
        ["reconstruct", run, at, "--out", f"{tmp_path}/floats.npy"],
        ["sample", run, "--count", "3", "--out", f"{tmp_path}/drawn.csv"],
    ):
        assert main([*arguments, "--floats"]) == 0, capsys.readouterr().err
    for name in ("floats.csv", "drawn.csv"):
        assert tuple(pandas.read_csv(tmp_path / name, index_col=False).columns) == elements
    assert np.load(tmp_path / "floats.npy").shape == (len(table), len(elements))
    filled = pandas.read_csv(tmp_path / "filled.csv")
    assert not filled.isna().to_numpy().any()
    assert len(pandas.read_csv(tmp_path / "new.csv")) == 3
    assert set(pandas.read_parquet(tmp_path / "again.parquet")["sex"]) <= {"female", "male"}


def test_a_run_on_a_mixed_table_opens_in_the_explorer(table, tmp_path):
    pytest.importorskip("starlette")
    from sparsevae.explorer.backend import Study

    place = tmp_path / "people.csv"
    table.to_csv(place, index=False)
    arguments = ("--labels", "survived", "--latents", "2", "--epochs", "2")
    assert main(["fit", str(place), *arguments, "--out", str(tmp_path / "run")]) in FITTED
    study = Study([tmp_path / "run"])
    assert not np.isnan(study.rows.values).any()
    assert study.rows.labels is not None
    assert len(study.facts()["columns"]) == study.rows.values.shape[1]


def test_an_array_with_gaps_is_filled_as_an_array():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(50, 1)) @ generator.normal(size=(1, 4))
    gaps = np.where(generator.random(x.shape) < 0.2, np.nan, x)
    gaps[0] = x[0]
    model = sparsevae.fit(gaps, **SETTINGS)
    filled = model.impute(gaps)
    np.testing.assert_array_equal(filled[~np.isnan(gaps)], gaps[~np.isnan(gaps)])
    assert np.isfinite(filled).all()
    assert model.decode(model.encode(gaps)).shape == x.shape


def test_gaps_are_filled_better_than_by_the_mean_of_a_column():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 2)) @ generator.normal(size=(2, 6))
    x += 0.1 * generator.normal(size=x.shape)
    hidden = generator.random(x.shape) < 0.2
    model = sparsevae.fit(np.where(hidden, np.nan, x), "vae", latents=4, epochs=150, seed=0)
    error = (model.impute(np.where(hidden, np.nan, x)) - x)[hidden]
    assert (error**2).mean() < 0.35 * x[hidden].var()


def test_covariances_of_residuals_give_the_conditional_mean_of_a_normal():
    """With no ridge, every row's estimate is that of conditioning on what is seen."""
    generator = np.random.default_rng(0)
    root = generator.normal(size=(5, 5))
    covariance, r = root @ root.T, generator.normal(size=(100_000, 5)) @ root.T
    hidden = generator.random(r.shape) < 0.3
    found = Imputer.of_residuals(torch.from_numpy(r), torch.from_numpy(hidden), 0.0)
    gaps = np.where(hidden, np.nan, r)[:50]
    estimates = found.rest(torch.from_numpy(gaps)).numpy()
    for row, estimate, gone in zip(r, estimates, hidden, strict=False):
        some, seen = covariance[np.ix_(gone, ~gone)], covariance[np.ix_(~gone, ~gone)]
        wanted = some @ np.linalg.solve(seen, row[~gone]) if gone.any() and not gone.all() else 0
        np.testing.assert_allclose(estimate[gone], wanted, atol=0.15)
        assert (estimate[~gone] == 0).all()


def test_what_a_code_leaves_over_is_regressed_on_and_kept(tmp_path):
    """Sixteen columns of eight factors through a code of two: the rest follows from the others."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 8)) @ generator.normal(size=(8, 16))
    hidden = generator.random(x.shape) < 0.2
    gaps = np.where(hidden, np.nan, x)
    model = sparsevae.fit(gaps, "vae", latents=2, epochs=40, seed=0, device="cpu")
    filled = model.impute(gaps)
    alone = replace(model, clean=None)
    assert alone.imputer is None
    errors = [float(((each - x)[hidden] ** 2).mean()) for each in (filled, alone.impute(gaps))]
    assert errors[0] < 0.8 * errors[1]

    kept = sparsevae.load(model.save(tmp_path / "kept"))
    np.testing.assert_allclose(kept.impute(gaps), filled, rtol=1e-5)
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(copied.impute(gaps), filled, rtol=1e-5)
    (tmp_path / "kept" / "imputer.safetensors").write_bytes(b"no tensors")
    with pytest.raises(RunFolderError, match="damaged"):
        sparsevae.load(tmp_path / "kept").impute(gaps)


def test_residuals_that_say_nothing_are_left_out():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 4))
    x = np.where(generator.random(x.shape) < 0.2, np.nan, x)
    assert not sparsevae.fit(x, **SETTINGS).imputer.cross.any()


# ------------------------------------------------------------------ mistakes


def test_a_model_of_complete_numbers_fills_nothing():
    model = sparsevae.fit(np.random.default_rng(0).normal(size=(20, 3)), **SETTINGS)
    with pytest.raises(DatasetError, match="without gaps"):
        model.impute(np.full((2, 3), np.nan))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda frame: frame.drop(columns="age"), "'age'"),
        (lambda frame: frame.assign(age="old"), "'old'"),
        (lambda frame: frame.assign(boarded="soon"), "'soon'"),
        (lambda frame: frame.assign(alone=3), "true or false"),
        (lambda frame: frame.assign(fare=np.inf), "'inf'"),
    ],
)
def test_rows_of_another_kind_are_one_sentence(model, table, change, named):
    with pytest.raises(DatasetError, match=named):
        model.encode(change(table))


def test_all_columns_that_are_wrong_are_named_at_once(model, table):
    wrong = table.assign(age="old", alone=3, fare=np.inf)
    with pytest.raises(DatasetError, match=r"'age' holds 'old'.*'fare' holds.*'alone' holds"):
        model.encode(wrong)
    with pytest.raises(DatasetError, match="the columns 'age', 'alone' that these rows lack"):
        model.encode(table.drop(columns=["age", "alone"]))


def test_a_warning_names_levels_that_the_model_has_not_seen(model, table):
    other = table.assign(sex="unknown")
    with pytest.warns(UserWarning, match="'sex': 60 of 60 values are levels"):
        codes = model.encode(other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(codes, model.encode(table.assign(sex=None)))


def test_the_command_says_once_that_levels_were_not_seen(table, tmp_path, capsys):
    place, run = tmp_path / "people.csv", str(tmp_path / "run")
    table.to_csv(place, index=False)
    fit = ["fit", str(place), "--drop", "f*", "--latents", "2", "--epochs", "2", "--out", run]
    assert main(fit) in FITTED
    table.assign(sex="unknown").to_csv(place, index=False)
    for command, ending in (("impute", "csv"), ("encode", "npy")):
        capsys.readouterr()
        assert main([command, run, str(place), "--out", f"{tmp_path}/out.{ending}"]) == 0
        said = capsys.readouterr()
        assert (said.out + said.err).count("levels that the model has not seen") == 1


def test_nothing_to_learn_from_is_one_sentence_that_names_all_columns(tmp_path):
    place = tmp_path / "names.csv"
    place.write_text("name,ship\na b,T\nc,T\ne,T\n")
    with pytest.raises(DatasetError, match=r"'name' \(text of 3.*'ship' \(constant\)"):
        data.read(place)


def test_another_likelihood_is_refused_for_gaps(table):
    with (
        pytest.raises(ConfigurationError, match="'mixed'"),
        pytest.warns(UserWarning, match="Left out"),
    ):
        sparsevae.fit(table, likelihood="gaussian")
