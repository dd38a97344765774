"""Gates matched over seeds: against every possible matching, and from run folders alone."""

from itertools import permutations

import numpy as np
import pytest

from sparsevae.metrics import stability
from sparsevae.runs.folder import RunFolder
from sparsevae.studies.results import gates_of, stability_rows
from sparsevae.training.config import RunConfig


def gates(count=200, size=4, seed=0, rate=0.3):
    return np.random.default_rng(seed).random((count, size)) < rate


def jaccard_by_sets(a, b):
    one, other = set(np.flatnonzero(a)), set(np.flatnonzero(b))
    return len(one & other) / len(one | other) if one | other else 0.0


def best_by_trying(first, second):
    """The mean over the best of all ways to give every gate of the smaller run a partner."""
    small, large = sorted((first.T, second.T), key=len)
    ways = permutations(range(len(large)), len(small))
    scores = [sum(jaccard_by_sets(small[i], large[k]) for i, k in enumerate(way)) for way in ways]
    return max(scores) / len(large)


def test_jaccard_of_every_pair_is_that_of_sets():
    first, second = gates(size=3), gates(size=5, seed=1)
    first[:, 1] = second[:, 4] = False
    found = stability.jaccard(first, second)
    for j in range(3):
        for i in range(5):
            assert found[j, i] == pytest.approx(jaccard_by_sets(first[:, j], second[:, i]))


@pytest.mark.parametrize("sizes", [(4, 4), (3, 5), (5, 2)])
def test_the_matching_is_the_best_of_all(sizes):
    first, second = gates(size=sizes[0]), gates(size=sizes[1], seed=1)
    second[:, : min(sizes)] |= first[:, min(sizes) - 1 :: -1][:, : min(sizes)]
    expected = best_by_trying(first, second)
    assert stability.matched_jaccard(first, second) == pytest.approx(expected)


def test_the_order_of_gates_does_not_matter_and_dead_ones_do_not_count():
    first = gates(size=6)
    second = np.hstack([first[:, [3, 1, 5, 0, 2, 4]], np.zeros((200, 2), bool)])
    assert stability.matched_jaccard(first, second) == 1.0


def test_a_gate_without_a_partner_counts_as_nothing():
    first = gates(size=4)
    assert stability.matched_jaccard(first, first[:, :3]) == pytest.approx(3 / 4)
    nothing = np.zeros((200, 4), bool)
    assert stability.matched_jaccard(first, nothing) == 0.0
    assert stability.matched_jaccard(nothing, nothing) == 0.0


def test_chance_keeps_the_rates_and_loses_the_images():
    first = gates(count=20_000, size=1, rate=0.3)
    expected = 0.3 * 0.3 / (2 * 0.3 - 0.3 * 0.3)  # of independent gates
    assert stability.matched_jaccard(first, first) == 1.0
    assert stability.chance_jaccard(first, first) == pytest.approx(expected, abs=0.01)
    always = np.ones((200, 3), bool)
    assert stability.chance_jaccard(always, always) == 1.0


# ------------------------------------------------------------------ run folders


def finished(path, on, *, seed=0, gated=True, **settings):
    """A run folder that holds nothing but its configuration and its gates."""
    values = {"dataset": "mnist", "model": "vsc", "latents": on.shape[1], "seed": seed, **settings}
    run = RunFolder(path / f"run{len(list(path.iterdir()))}")
    run.start(RunConfig.checked(values), "abc", (1, 28, 28))
    run.keep_pictures({"gates": np.packbits(on, axis=1), "gated": np.array([gated])})
    return run


def test_gates_come_back_from_their_bits(tmp_path):
    on = gates(size=11)
    np.testing.assert_array_equal(gates_of(finished(tmp_path, on)), on)


def test_gates_of_a_run_are_those_of_its_codes(tiny_run):
    np.testing.assert_array_equal(gates_of(tiny_run), tiny_run.pictures["scatter_codes"] != 0)


def test_seeds_of_one_kind_are_compared_in_pairs(tmp_path):
    first, second, third = gates(), gates(seed=1), gates(seed=2)
    runs = [finished(tmp_path, on, seed=seed) for seed, on in enumerate((first, second, third))]
    (row,) = stability_rows(runs)
    pairs = ((first, second), (first, third), (second, third))
    each = [stability.matched_jaccard(*pair) for pair in pairs]
    assert row["seeds"] == [0, 1, 2]
    assert row["pairs"] == 3
    assert row["stability"] == pytest.approx(np.mean(each))
    assert row["stability_sd"] == pytest.approx(np.std(each, ddof=1))
    by_chance = [stability.chance_jaccard(*pair) for pair in pairs]
    assert row["stability_chance"] == pytest.approx(np.mean(by_chance))


def test_runs_of_other_settings_or_without_gates_are_not_compared(tmp_path):
    on = gates()
    runs = [
        finished(tmp_path, on),
        finished(tmp_path, on, seed=1, epochs=3),
        finished(tmp_path, on, model="vae", gated=False),
        finished(tmp_path, on, seed=1, model="vae", gated=False),
        finished(tmp_path, gates(size=5), seed=1),
    ]
    assert stability_rows(runs) == []
    (row,) = stability_rows([*runs, finished(tmp_path, on, seed=4)])
    assert (row["model"], row["latents"], row["stability"]) == ("vsc", 4, 1.0)
    assert row["stability_sd"] is None


def test_a_run_that_keeps_no_gates_is_left_out(tmp_path):
    run = finished(tmp_path, gates())
    run.keep_pictures({"gated": np.array([True])})
    assert gates_of(run) is None
    (run.path / "pictures.safetensors").unlink()
    assert gates_of(run) is None
