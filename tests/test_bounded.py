"""Large data: what is left out is said, nothing warns, and progress reaches its end."""

import math
import tracemalloc

import numpy as np
import pytest
import torch

from sparsevae.data import Dataset, Split
from sparsevae.errors import DatasetError
from sparsevae.evaluation import evaluate, evaluate_dataset, imputation, limits
from sparsevae.evaluation.diagnostics import statistics
from sparsevae.evaluation.evaluate import GROUPS, NEEDED
from sparsevae.evaluation.meter import Extent, Meter, costs
from sparsevae.metrics import geometry
from sparsevae.models import build
from sparsevae.models.likelihoods import choice
from sparsevae.models.sparse_distributions import Counts
from sparsevae.report import figures
from sparsevae.report.study import Run
from sparsevae.runs.codes import read_codes
from sparsevae.runs.cost import estimate
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.given import raw_rows
from sparsevae.runs.prepare import prepare
from sparsevae.runs.train import train_run, work_of
from sparsevae.storage import arrays


def make(shape, latents=3, name="vsc"):
    torch.manual_seed(0)
    model = build(name, shape, latents, widths=(3, 16)[-len(shape) :], arguments={}).eval()
    model.encoder.head.weight.data *= 20
    return model


def drawings(rows, classes, seed=0):
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (rows, 1, 6, 7)).astype(np.uint8)
    return Split(images, np.arange(rows) % classes)


def many_classes(train, test, classes):
    names = tuple(map(str, range(classes)))
    return Dataset("many", drawings(train, classes), drawings(test, classes, 1), names)


# ------------------------------------------------------------------ classes


def test_a_row_a_class_is_too_few_for_all_that_needs_classes():
    """Warnings are errors here: what a library would warn of is not begun."""
    found = evaluate_dataset(make((1, 6, 7)), many_classes(400, 150, 150))
    row = found.metrics
    assert (row["classes_given"], row["classes_measured"], row["class_pairs"]) == (150, 0, 0)
    of_classes = ("knn_200", "probe_200", "silhouette", "adjusted_rand", "selectivity")
    assert {row[key] for key in (*of_classes, "class_overlap", "path_length")} == {None}
    assert row["mse"] > 0
    assert len(found.notes) == 2
    assert all(word in " ".join(found.notes) for word in ("150", "classifier", "400"))


def test_of_many_classes_a_fixed_hundred_is_measured():
    found = evaluate_dataset(make((1, 6, 7)), many_classes(700, 480, 120))
    row = found.metrics
    assert (row["classes_given"], row["classes_measured"], row["class_pairs"]) == (120, 100, 300)
    assert None not in {row[key] for key in ("knn_200", "probe_200", "silhouette", "path_length")}
    assert any("100 of 120" in note for note in found.notes)


def test_up_to_a_hundred_classes_everything_counts(tiny_dataset):
    counted = limits.counted(tiny_dataset.test.labels)
    np.testing.assert_array_equal(counted.places, np.arange(100))
    assert counted.whole
    assert evaluate_dataset(make((1, 28, 28)), tiny_dataset, ("scope", "sparsity")).notes == ()


def test_of_more_the_most_frequent_count_and_they_alone():
    labels = np.concatenate([np.arange(150), np.arange(30, 110), np.arange(40, 90)])
    counted = limits.counted(labels)
    assert set(range(40, 90)) <= set(counted.classes.tolist()) <= set(range(30, 110))
    np.testing.assert_array_equal(counted.labels, labels[counted.places])
    assert set(counted.labels.tolist()) == set(counted.classes.tolist())


@pytest.mark.parametrize("classes", [2, 25, 26, 100])
def test_pairs_are_of_two_classes_each_and_none_twice(classes):
    starts, ends = limits.class_pairs(classes)
    pairs = {frozenset(pair) for pair in zip(starts.tolist(), ends.tolist(), strict=True)}
    assert len(pairs) == len(starts) == min(limits.PAIRS, math.comb(classes, 2))
    assert {len(pair) for pair in pairs} == {2}


def test_overlap_in_one_product_is_the_mean_over_pairs():
    means = np.abs(np.random.default_rng(0).normal(size=(40, 5)))
    rows = means / np.linalg.norm(means, axis=1, keepdims=True)
    cosines = [rows[a] @ rows[b] for a in range(40) for b in range(a)]
    assert geometry.class_overlap(means) == pytest.approx(np.mean(cosines))


# ------------------------------------------------------------------ rows


def test_of_more_rows_than_are_held_a_fixed_sample_is_measured(monkeypatch):
    monkeypatch.setattr(limits, "HELD", 120 * 8)
    x = np.random.default_rng(0).random((300, 8), dtype=np.float32)
    found = evaluate(make((8,)), x, groups=("scope", "quality"))
    assert (found.metrics["rows_given"], found.metrics["rows_measured"]) == (300, 120)
    assert found.notes == ("Of 300 rows a fixed sample of 120 was measured.",)
    some = x[limits.sample(300, 120)]
    alone = evaluate(make((8,)), some, groups=("quality",)).metrics
    assert alone["mse"] == found.metrics["mse"]


def test_large_rows_are_taken_a_few_at_a_time():
    for elements in (1, 784, 11_025, 10**7):
        rows = limits.rows_at_once(elements, 1000)
        assert rows == 1 or rows * elements <= limits.AT_ONCE
    assert limits.rows_ablated(1000, 784, 16_384) == limits.FEWEST


# ------------------------------------------------------------------ progress and cost


@pytest.mark.parametrize("groups", [(*GROUPS, "pictures"), ("bound",), ("parameters",)])
def test_progress_rises_to_the_whole(groups, tiny_dataset):
    told = []
    evaluate_dataset(make((1, 28, 28)), tiny_dataset, groups, progress=told.append)
    assert told == sorted(set(told))
    assert told[-1:] == ([1.0] if groups != ("parameters",) else [])
    assert all(0 < share <= 1 for share in told)
    if "probes" in groups:
        assert len(told) > 50
        assert max(np.diff([0, *told])) < 0.5


def test_every_part_that_is_needed_has_a_cost():
    known = costs(Extent.of(1000, 4000, (1, 28, 28), 16, 10))
    assert {part for parts in NEEDED.values() for part in parts} <= set(known)
    assert min(known.values()) > 0


def test_a_meter_counts_parts_inside_of_parts_once():
    told = []
    meter = Meter(told.append)
    meter.expect({"outer": 1.0, "inner": 3.0})
    with meter.part("outer"):
        with meter.part("inner"):
            meter.tick(0.5)
        meter.tick(0.5)
    assert told == [0.375, 0.75, 0.875, 1.0]


@pytest.fixture(scope="module")
def prepared():
    x = np.random.default_rng(0).normal(size=(120, 5))
    return prepare(raw_rows(x), latents=2, epochs=2, batch_size=20)


def test_a_run_counts_as_many_images_as_it_says(prepared, tmp_path):
    done = []
    config, dataset = prepared.config, prepared.dataset
    train_run(config, dataset, RunFolder(tmp_path), data=prepared.data, progress=done.append)
    assert sum(done) == work_of(config, dataset)
    assert RunFolder(tmp_path).diagnosis["notes"] == []


def test_the_cost_is_known_before_and_changes_nothing(prepared):
    before = torch.get_rng_state()
    cost = estimate(prepared.config, prepared.dataset, "cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert cost.steps == 2 * math.ceil(len(prepared.dataset.train) / 20)
    assert 0 < cost.step < 5
    assert cost.seconds > cost.steps * cost.step
    assert "steps of" in cost.sentence
    assert "GB of memory" in cost.sentence


# ------------------------------------------------------------------ pictures and files


def test_a_map_of_many_classes_and_dimensions_says_what_it_leaves_out():
    random = np.random.default_rng(0)
    profile = {f"class_{name}": random.random((1000, 1024)) for name in ("code", "gamma", "mean")}
    arrays = {**profile, "gated": np.array([True]), "ablation_cost": random.random(1024)}
    config = prepare(raw_rows(random.random((9, 4))), latents=2, epochs=1).config
    sheet = figures.activated_dimensions(Run(config, arrays=arrays))
    panels = [ax for ax in sheet.axes if ax.get_title(loc="left")]
    assert len(panels) == 3
    for ax in panels:
        assert ax.images[0].get_array().shape == (40, 64)
        assert ax.get_ylabel() == "40 most frequent of 1,000 classes"
        assert ax.get_xlabel() == "the 64 of 1,024 dimensions that the decoder needs most"
    assert max(sheet.get_size_inches()) < 30


def test_a_map_of_many_columns_says_so_beside_it():
    random = np.random.default_rng(0)
    arrays = {"effects": random.normal(size=(1024, 2000)), "ablation_cost": random.random(1024)}
    config = prepare(raw_rows(random.random((9, 4))), latents=2, epochs=1).config
    sheet = figures.column_effects(Run(config, arrays=arrays))
    (ax,) = [ax for ax in sheet.axes if ax.get_title(loc="left")]
    assert ax.images[0].get_array().shape == (60, 64)
    assert ax.get_ylabel() == "the 60 of 2,000 columns that change most"
    title = ax.title if ax.title.get_text() else ax._left_title
    assert title.get_window_extent(sheet.page.get_renderer()).x1 < sheet.bbox.x1


def test_a_small_file_of_codes_does_not_become_rows_without_end(tmp_path):
    """2 million rows that are all 0, in 10 kB: their codes have room, their images have none."""
    rows, path = 2_000_000, tmp_path / "codes.npz"
    parts = {
        "indptr": np.zeros(rows + 1, np.int32),
        "indices": np.zeros(0, np.int32),
        "data": np.zeros(0, np.float32),
        "shape": np.array([rows, 3]),
        "format": np.array(b"csr"),
    }
    np.savez_compressed(path, **parts)
    assert path.stat().st_size < 20_000
    with pytest.raises(DatasetError, match="write fewer"):
        read_codes(path, 3, elements=100_000)
    assert len(read_codes(path, 3)[0]) == rows


# ------------------------------------------------------------------ memory


def test_divergences_from_many_components_are_taken_a_few_rows_at_a_time(monkeypatch):
    torch.manual_seed(0)
    given = {"prior": "mixture", "pseudo_inputs": 7}
    model, x = build("vsc", (5,), 4, arguments=given).eval(), torch.rand(20, 5)
    whole = statistics._against_prior(model, x)
    taken, plain = [], statistics._divergences
    monkeypatch.setattr(statistics, "_divergences", lambda q, *a: taken.append(q) or plain(q, *a))
    monkeypatch.setattr(limits, "AT_ONCE", 3 * 7 * 4)
    for few, all_at_once in zip(statistics._against_prior(model, x), whole, strict=True):
        np.testing.assert_allclose(few, all_at_once, rtol=1e-5, atol=1e-7)
    assert [len(q.loc) for q in taken] == [3] * 6 + [2]


def test_gaps_are_filled_a_few_rows_at_a_time_where_codes_are_wide(monkeypatch):
    given = {"likelihood": "mixed"}
    model = build("vsc", (5,), 300, trunk="mlp", widths=(16,), arguments=given).eval()
    taken, plain = [], imputation.drawn_and_scored
    spy = lambda m, q, *a: taken.append(len(q.loc)) or plain(m, q, *a)  # noqa: E731
    monkeypatch.setattr(imputation, "drawn_and_scored", spy)
    monkeypatch.setattr(imputation, "DECODED", 4 * 10 * 600)
    imputation.expected(model, np.zeros((10, 5), np.float32), draws=10)
    assert taken == [4, 4, 2]


def test_a_share_of_entropy_needs_little_beside_the_rows(monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK_VALUES", 2**16)
    x = np.random.default_rng(0).random((3000, 500), dtype=np.float32)
    tracemalloc.start()
    share = choice.hidden_share(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes
    assert share == pytest.approx(0.5 / math.log(2), rel=1e-3)  # E[h] is ½ nat, h(½) is log 2


def test_many_arrivals_are_counted_and_none_is_held():
    torch.manual_seed(0)
    counts = Counts(torch.full((20_000,), 60.0)).rsample()
    assert float(counts.mean()) == pytest.approx(60, abs=0.3)
    assert float(counts.var()) == pytest.approx(60, rel=0.05)
