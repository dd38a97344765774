"""The benchmark of a graphics card, every part of it on the CPU, with capture played."""

import json
import sys
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sparsevae.training import loop, step

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import gpu


class PlayedGraph:
    """Calls that were kept instead of done, and are done at every replay."""

    def __init__(self):
        self.calls, self.replays = [], 0

    def replay(self):
        self.replays += 1
        for call in self.calls:
            call()


class PlayedStream:
    def __init__(self, device=None):
        pass

    def wait_stream(self, other):
        pass


@pytest.fixture
def played(monkeypatch):
    """CUDA's capture as a play on the CPU: what is captured is kept, and done when replayed."""
    graphs, usual = [], step.EagerStep.__call__

    def new_graph():
        graphs.append(PlayedGraph())
        return graphs[-1]

    @contextmanager
    def capture(graph):
        def keep(eager, chosen, progress):
            graph.calls.append(partial(usual, eager, chosen, progress))

        step.EagerStep.__call__ = keep
        yield
        step.EagerStep.__call__ = usual

    monkeypatch.setattr(torch.cuda, "CUDAGraph", new_graph)
    monkeypatch.setattr(torch.cuda, "Stream", PlayedStream)
    monkeypatch.setattr(torch.cuda, "current_stream", PlayedStream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", capture)
    monkeypatch.setattr(loop, "fastest", step.CapturedStep)
    return graphs


@pytest.fixture
def bench(monkeypatch, tiny_dataset):
    monkeypatch.setattr(gpu, "WIDTHS", (4, 8, 16))
    monkeypatch.setattr(gpu, "LATENTS", 4)
    monkeypatch.setattr(gpu, "BATCH", 32)
    train, test = tiny_dataset.train.images[:200], tiny_dataset.test.images[:50]
    return gpu.Bench(torch.device("cpu"), train, test, "digits", epochs=2, steps=4)


@pytest.mark.parametrize("name", gpu.TITLES)
def test_a_captured_training_follows_the_eager_one(name, bench, played):
    config = gpu.configuration(name)
    captured = gpu.trained(bench, config, 2)[0].state_dict()
    (graph,) = played
    assert graph.replays == 2 * (200 // 32) - step.WARM_UP_STEPS  # odd-sized steps are eager
    with gpu.taken_eagerly():
        eager = gpu.trained(bench, config, 2)[0].state_dict()
    for weight, tensor in eager.items():
        torch.testing.assert_close(
            captured[weight], tensor, rtol=0.05, atol=5e-4
        )  # progress is float32


def test_every_part_gives_numbers_and_the_table_shows_them(bench, played, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "TITLES", {"vsc": "VSC"})
    monkeypatch.setattr(gpu, "images_of", lambda count: ("digits", bench.train, bench.test))
    monkeypatch.setattr(gpu, "together", lambda bench: {"four models": {"seconds": 1.0}})
    monkeypatch.setitem(gpu.PARTS, "Several models on one card", gpu.together)
    assert gpu.main(["--quick", "--device", "cpu", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "gpu.json").read_text())
    parts = list(found["parts"].values())
    assert all(parts)
    assert parts[0]["vsc"] == {"gradients": 0.0, "losses": 0.0, "resumed": 0.0}
    assert parts[2]["float32"]["negative ELBO"] > 0
    text = (tmp_path / "gpu.md").read_text()
    assert "| vsc |" in text
    assert "VSC, linear" in text


def test_a_part_that_comes_too_late_is_said_to_be_missing(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "BUDGET", 0.0)
    monkeypatch.setattr(gpu, "images_of", lambda count: ("digits", bench.train, bench.test))
    assert gpu.main(["--quick", "--device", "cpu", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "gpu.md").read_text().count("No time was left") == len(gpu.PARTS)


def test_models_train_side_by_side_in_processes(bench, monkeypatch):
    monkeypatch.setattr(gpu, "TITLES", {"ae": "AE"})
    found = gpu.together(gpu.Bench(bench.device, bench.train, bench.test, "digits", 1, 1))
    assert all(seconds > 0 for seconds in found["four models"].values())


def test_a_device_that_is_not_there_is_said(capsys):
    assert gpu.main(["--device", "cuda:77"]) == 2
    assert "is not on this machine" in capsys.readouterr().err


def test_noise_of_the_host_is_the_same_whatever_asks_for_it():
    drawn = []
    for _ in range(2):
        torch.manual_seed(0)
        with gpu.DrawnOnTheHost():
            drawn.append(torch.randn_like(SimpleNamespace(x=torch.zeros(3)).x))
    assert torch.equal(*drawn)
