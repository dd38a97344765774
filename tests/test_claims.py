"""Claims: the document is what the code does, the rule is the rule, verdicts are computed."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sparsevae.experiments import claims
from sparsevae.experiments.claims.assessment import decide, sound, together
from sparsevae.experiments.claims.seeds import Seed, UnmeasuredError
from sparsevae.metrics.intervals import Interval, mean_interval, share_interval
from sparsevae.models import MODELS
from sparsevae.report.study import baselines_of
from sparsevae.storage.files import read_json, write_json
from sparsevae.studies.reuse import read_archive

DOCUMENT = Path(__file__).parents[1] / "docs/claims.md"
BASELINES = {
    "denoising": {
        "doing nothing": {"clean": 0.0, "0.3 clipped": 0.047},
        "PCA-16": {"clean": 0.027, "0.3 clipped": 0.031},
        "PCA-50": {"clean": 0.011, "0.3 clipped": 0.019},
    }
}
# One row at which every part of every claim holds, by model: the values of the large size.
COMMON = {"silhouette": 0.1, "path_peak_to_mean": 2.0, "class_overlap": 0.9, "hoyer": 0.25}
LARGE = {
    "ae": {
        "mse": 0.003,
        "mse_noise_0.3_clipped": 0.09,
        "exact_zeros": 0.0,
        "path_peak_to_mean": 4,
    },
    "vae": {"mse": 0.008, "mse_noise_0.3_clipped": 0.03, "exact_zeros": 0.0},
    "vsc": {
        "mse": 0.04,
        "mse_noise_0.3_clipped": 0.05,
        "silhouette": 0.6,
        "class_overlap": 0.3,
        "active_per_image": 8.0,
        "selectivity": 0.5,
        "selectivity_permuted": 0.03,
        "used_dimensions": 40,
        "collapsed_decoder": False,
        "always_on": 0,
        "dead": 1,
        "sum_gamma": 8.0,
        "activation_level": 2.0,
        "activation_variation": 1.5,
        "path_peak_to_mean": 3.0,
    },
}
LARGE["vsc-wu"] = {
    **LARGE["vsc"],
    "used_dimensions": 60,
    "activation_level": 1.0,
    "activation_variation": 1.0,
    "path_peak_to_mean": 2.5,
}


def rows(seeds=5, sizes=(2, 64), spread=0.001, **changes):
    """A study in which all claims hold; changes are given as model_metric of the large size."""
    draw = np.random.default_rng(0)
    found = []
    for model, own in LARGE.items():
        for size in sizes:
            for seed in range(seeds):
                row = {**COMMON, **own, **(changes.get(model.replace("-", "_"), {}))}
                row = {
                    name: value * (1 + spread * draw.normal()) if type(value) is float else value
                    for name, value in row.items()
                }
                if size == 2:
                    row["used_dimensions"] = 2
                found.append({**row, "model": model, "latents": size, "seed": seed})
    return found


def verdicts(table, baselines=BASELINES):
    return {claim.name: claim for claim in claims.assess(table, baselines)}


def parts(table, baselines=BASELINES):
    return {part.name: part for claim in claims.assess(table, baselines) for part in claim.parts}


def documented():
    lines = DOCUMENT.read_text(encoding="utf-8").split("## Parts", 1)[1].split("\n\n## ")[0]
    table = [line for line in lines.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table]
    return {row[0]: row[1:] for row in cells[2:]}


def test_the_document_lists_the_parts_of_the_code():
    table = documented()
    assert list(table) == sorted([*(part.name for part in claims.PARTS), "7"])
    for part in claims.PARTS:
        _, number, at, claimed = table[part.name]
        assert claimed == f"{part.side} {part.threshold:g}"
        assert at == part.at
        assert f"`{part.metric}`" in number
        written = set(re.findall(r"VSC-WU|VSC|VAE|AE", number))
        known = {MODELS[model].title for model in part.models}
        assert written <= known
        assert len(part.models) == 4 or written == known


def test_the_document_states_every_claim():
    stated = {name: row[0] for name, row in documented().items() if row[0]}
    for name, statement in stated.items():
        assert statement in claims.CLAIMS.get(name.split(".")[0]) or name.startswith("8.")
    assert len(claims.CLAIMS) == 11
    eight = [row[0] for name, row in documented().items() if name.startswith("8.") and row[0]]
    assert [text.split(":")[0] for text in eight] == ["AE", "VAE", "VSC, VSC-WU"]


def test_the_document_names_the_limits_of_the_rule():
    text = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert f"fewer than **{claims.DECIDING_SEEDS} seeds**" in text
    for words in ("5 times `selectivity_permuted`", "at most 5 % of J", "below J/2"):
        assert words in text


def test_every_claim_holds_where_every_part_does():
    found = verdicts(rows())
    assert {name: claim.verdict for name, claim in found.items()} == dict.fromkeys(
        claims.CLAIMS, "holds"
    )


def test_too_few_seeds_decide_nothing_and_still_show_their_interval():
    found = verdicts(rows(seeds=4))
    assert {claim.verdict for claim in found.values()} == {"not decided"}
    (part,) = found["1"].parts
    assert part.interval.seeds == 4
    assert part.interval.low < part.interval.mean < part.interval.high
    assert part.note == "5 seeds are needed"


def test_one_seed_has_no_interval():
    (part,) = verdicts(rows(seeds=1))["1"].parts
    assert part.interval.low is None
    assert part.verdict == "not decided"


def test_the_opposite_is_said_when_the_whole_interval_lies_there():
    found = parts(rows(ae={"silhouette": 0.5}, vsc={"used_dimensions": 64}))
    assert found["1"].verdict == "does not hold"
    assert found["6.1"].verdict == "does not hold"
    assert found["6.2"].verdict == "does not hold"


def test_an_interval_over_the_threshold_decides_nothing():
    found = parts(rows(ae={"silhouette": 0.25}, spread=0.1))
    assert found["1"].interval.low < 0.25 < found["1"].interval.high
    assert found["1"].verdict == "not decided"


def test_differences_are_paired_by_seed():
    table = rows(spread=0)
    for row in table:  # seeds differ much, models of one seed little
        row["path_peak_to_mean"] = 10.0 * row["seed"] + {"vsc-wu": 1, "vsc": 1.5}.get(
            row["model"], 2
        )
    part = parts(table)["4.1"]
    assert part.interval == pytest.approx((-0.5, -0.5, -0.5, 5))
    assert part.verdict == "holds"


def test_seeds_that_one_model_lacks_do_not_count():
    table = [row for row in rows(seeds=6) if (row["model"], row["seed"]) != ("vae", 0)]
    assert parts(table)["2"].interval.seeds == 5
    assert parts(table)["1"].interval.seeds == 6


def test_the_numbers_are_those_of_the_rows():
    found = parts(rows(spread=0))
    expected = {"5c.1": 8 / 64, "5c.2": 0.5 - 5 * 0.03, "6.1": 24 / 64, "6.2": 20, "8.1": -0.005}
    expected |= {"8.2": 0.09 - 0.047, "8.4": 0.03 - 0.019, "8.5": 0.04 - 0.027}
    for name, value in expected.items():
        assert found[name].interval.mean == pytest.approx(value), name
    assert found["8.1"].models["vae"].mean == pytest.approx(0.008)


def test_what_was_not_run_or_not_measured_is_said():
    found = parts([row for row in rows() if row["latents"] == 64])
    assert found["1"].note == "J = 2 was not run with AE"
    assert found["2"].note == "J = 2 was not run with the same seed of VAE and AE"
    assert found["6.1"].note == "no smaller size was run with VSC"
    assert parts(rows(sizes=(2, 8)))["8.1"].note == "no size of 16 or more has all models"
    assert parts(rows(), {})["8.4"].note == "PCA-50 is not measured"
    bare = [{k: v for k, v in row.items() if k != "hoyer"} for row in rows()]
    assert parts(bare)["5a.2"].note == "hoyer of AE is not measured"
    assert all(part.verdict == "not decided" for part in parts([]).values())


def test_large_is_the_largest_size_that_all_models_of_a_part_have():
    table = rows(sizes=(2, 16, 64))
    table = [row for row in table if (row["model"], row["latents"]) != ("vae", 64)]
    found = parts(table)
    assert (found["5a.1"].size, found["5b.1"].size, found["5c.3"].size) == (64, 16, 16)


@pytest.mark.parametrize(
    "change",
    [
        {"collapsed_decoder": True},
        {"always_on": 1},
        {"dead": 4},
        {"sum_gamma": 40.0},
        {"selectivity": 0.14},
    ],
)
def test_each_condition_of_a_sound_run_counts(change):
    row = {**LARGE["vsc"], "latents": 64}
    assert sound(row)
    assert not sound({**row, **change})


def test_one_setting_that_is_sound_in_every_seed_is_enough():
    found = verdicts(rows(vsc={"dead": 10}))["7"]
    assert found.verdict == "holds"
    assert found.parts[0].note == "VSC-WU, J = 64: 5 of 5 seeds are sound"
    low, high = stats.binomtest(5, 5).proportion_ci(0.95, method="exact")
    assert found.parts[0].interval[1:3] == pytest.approx((low, high))


def test_one_unsound_seed_of_every_setting_refutes_and_few_seeds_do_not_decide():
    table = rows()
    for row in table:
        row["dead"] = 10 if row["seed"] == 0 else row.get("dead")
    assert verdicts(table)["7"].verdict == "does not hold"
    few = [row for row in table if row["seed"] > 1]
    assert verdicts(few)["7"].verdict == "not decided"
    assert verdicts([row for row in table if row["model"] == "ae"])["7"].parts[0].note


@pytest.mark.parametrize("values", [[1.0, 2.0, 4.0], [3.0] * 5, [0.1, -0.4, 0.9, 2.0]])
def test_the_interval_is_that_of_the_t_test(values):
    found = mean_interval(values)
    test = stats.ttest_1samp(values, 0.0) if np.ptp(values) else None
    limits = test.confidence_interval(0.95) if test else (3.0, 3.0)
    assert found[1:3] == pytest.approx(tuple(limits))
    assert found.half_width == pytest.approx((limits[1] - limits[0]) / 2)


@pytest.mark.parametrize("hits", range(6))
def test_the_interval_of_a_share_is_that_of_the_binomial_test(hits):
    limits = stats.binomtest(hits, 5).proportion_ci(0.95, method="exact")
    assert share_interval(hits, 5)[1:3] == pytest.approx(tuple(limits))


@pytest.mark.parametrize(
    ("low", "high", "below", "above"),
    [
        (-2.0, -1.0, "holds", "does not hold"),
        (1.0, 2.0, "does not hold", "holds"),
        (-1.0, 1.0, "not decided", "not decided"),
        (0.0, 1.0, "not decided", "not decided"),
    ],
)
def test_the_rule_looks_at_the_whole_interval(low, high, below, above):
    interval = Interval((low + high) / 2, low, high, 5)
    assert decide(interval, "<", 0) == below
    assert decide(interval, ">", 0) == above
    assert decide(interval._replace(seeds=4), "<", 0) == "not decided"


def test_a_claim_needs_all_its_parts():
    assert together(["holds", "holds"]) == "holds"
    assert together(["holds", "not decided"]) == "not decided"
    assert together([]) == "not decided"
    assert together(["not decided", "does not hold", "holds"]) == "does not hold"


def test_a_seed_knows_what_it_lacks():
    seed = Seed(64, {"ae": {"mse": None}})
    with pytest.raises(UnmeasuredError, match="mse of AE is not measured"):
        seed.metric("ae", "mse")


def test_verdicts_are_written_with_their_numbers(tmp_path):
    for row in rows():
        folder = tmp_path / "runs" / f"{row['model']}-{row['latents']}-seed{row['seed']}"
        folder.mkdir(parents=True)
        write_json(folder / "metrics.json", row)
    write_json(tmp_path / "baselines.json", BASELINES)
    found = read_json(claims.write_verdicts(tmp_path))
    assert found["rule"] == {"interval": 0.95, "seeds_needed": 5}
    assert [claim["claim"] for claim in found["claims"]] == list(claims.CLAIMS)
    part = found["claims"][1]["parts"][0]
    assert part["claimed"] == "< 0"
    assert part["verdict"] == "holds"
    assert part["value"]["low"] < part["value"]["mean"] < part["value"]["high"] < 0
    assert set(part["models"]) == {"ae", "vae", "vsc", "vsc-wu"}


RESULTS = Path(__file__).parents[1] / "results"
ARCHIVES = sorted(path for path in RESULTS.glob("*/runs.jsonl.xz"))


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.parent.name)
def test_kept_results_give_the_kept_verdicts(archive):
    table = [kept.files["metrics.json"] for kept in read_archive(archive)]
    verdicts = claims.assess(table, baselines_of(archive.parent))
    content = json.loads(json.dumps([verdict.content() for verdict in verdicts]))
    assert content == read_json(archive.parent / "verdicts.json")["claims"]
