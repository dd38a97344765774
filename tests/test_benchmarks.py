"""Benchmarks are compared with those of before by their ratios."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from sparsevae import data
from sparsevae.networks.trunks import count_parameters
from sparsevae.runs.training import new_model
from sparsevae.training.config import StudyConfig
from sparsevae.training.recipes import runs

FOLDER = Path(__file__).parents[1] / "benchmarks"
PRINTED = """Some words.

| model | images/s | ratio |
| --- | ---: | ---: |
| VAE | 22,015 | 2.23 |
| VSC | 16,243 | 2.08 |

| operation | of peak | backward | of peak |
| --- | ---: | ---: | ---: |
| linear | 0.70 | 577 | 0.73 |
"""


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("benchmarks_main", FOLDER / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ratios_are_read_from_tables_and_times_are_not(benchmarks):
    assert benchmarks.ratios("Training", PRINTED) == {
        "Training 1: VAE, ratio": 2.23,
        "Training 1: VSC, ratio": 2.08,
        "Training 2: linear, of peak": 0.70,
        "Training 2: linear, of peak again": 0.73,
    }


def test_what_got_slower_beyond_noise_is_said(benchmarks):
    old, new = {"a": 2.0, "b": 1.0, "gone": 1.0}, {"a": 1.85, "b": 0.89, "new": 0.1}
    assert list(benchmarks.slower(new, [old])) == [["b", "1.00", "0.89"]]
    assert [row[0] for row in benchmarks.slower(new, [old, {"a": 2.2, "b": 0.9}])] == ["a"]


def test_a_run_is_kept_and_compared(benchmarks, monkeypatch, tmp_path, capsys):
    script = tmp_path / "script.py"
    script.write_text(f"print({PRINTED!r})")
    monkeypatch.setattr(benchmarks, "STEPS", (("Training", str(script), (), ()),))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--out", str(tmp_path / "old.json")])
    benchmarks.main()
    kept = json.loads((tmp_path / "old.json").read_text())
    kept["ratios"]["Training 1: VSC, ratio"] = 2.5
    (tmp_path / "old.json").write_text(json.dumps(kept))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--compare", str(tmp_path / "old.json")])
    benchmarks.main()
    out = capsys.readouterr().out
    assert "1 of 4 ratios got smaller beyond noise." in out
    assert "| Training 1: VSC, ratio | 2.50 | 2.08 |" in out


@pytest.mark.parametrize("name", ["ae", "vae", "vsc", "vsc-wu"])
def test_the_usual_loop_trains_the_default_of_every_model(benchmarks, name):
    import plain

    config = runs(StudyConfig.checked({"models": (name,), "latents": (6,)}), "mnist-5k")[0]
    images = data.load("mnist-5k").train.images[:512]
    usual, own = plain.plain_model(config, images), new_model(config, torch.from_numpy(images))
    assert count_parameters(usual) == count_parameters(own)
    seen = []
    plain.usual_loop(config, images, seen.append, epochs=1)
    assert sum(seen) == len(images)
