"""The loop: every image once an epoch, true means, the same numbers after an interruption."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from sparsevae import models
from sparsevae.errors import ConfigurationError, DeviceError
from sparsevae.models import Terms
from sparsevae.models.distributions import Point
from sparsevae.models.priors import NoPrior
from sparsevae.models.schedules import Constant, OneCycle
from sparsevae.runs import training
from sparsevae.runs.folder import RunFolder
from sparsevae.training import loop, step
from sparsevae.training.config import RunConfig

SHAPE, IMAGES = (1, 9, 8), 22
EACH = pytest.mark.parametrize("name", models.MODELS)


class Witness(models.Model):
    """Remembers the batches and the progress that the loop gives it; has one weight."""

    def __init__(self):
        super().__init__(SHAPE, 1, outputs=1, prior=NoPrior(), widths=(1,))
        self.weight = nn.Parameter(torch.zeros(1))
        self.batches, self.progress = [], []

    def posterior(self, x, progress=1.0):
        return Point(x.flatten(1).sum(1, keepdim=True) + self.weight)

    def loss(self, x, progress=1.0):
        self.batches.append(x.clone())
        self.progress.append(progress)
        per_image = self.posterior(x).loc[:, 0]
        return Terms(per_image, 2 * per_image, per_image.detach().mean(), 0.0)


def images(count=IMAGES, seed=0):
    grey = np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    return torch.from_numpy(grey)


def train(model, data, optimiser=None, **changes):
    settings = {"epochs": 2, "batch_size": 5, "learning_rate": Constant(1e-3), "seed": 0}
    optimiser = optimiser or step.make_optimiser(model)
    return list(loop.train(model, optimiser, data, **(settings | changes)))


def make(name="vsc", **arguments):
    torch.manual_seed(0)
    return models.build(name, SHAPE, 3, widths=(3, 8), arguments=arguments)


def equal(model, other):
    pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


# ------------------------------------------------------------------ order and progress


def test_every_epoch_sees_every_image_once_in_another_order():
    witness, data = Witness(), images()
    train(witness, data, epochs=3)
    assert [len(batch) for batch in witness.batches] == [5, 5, 5, 5, 2] * 3
    epochs = [torch.cat(witness.batches[start : start + 5]) for start in (0, 5, 10)]
    for seen in epochs:
        order = torch.cdist(seen.flatten(1), data.flatten(1) / 255).argmin(1)
        assert sorted(order.tolist()) == list(range(IMAGES))
        torch.testing.assert_close(seen, data[order].float() / 255)
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[1], epochs[2])


def test_progress_runs_from_zero_to_one_in_equal_steps():
    witness = Witness()
    train(witness, images(), epochs=3)
    np.testing.assert_allclose(witness.progress, np.arange(15) / 14)
    assert (witness.progress[0], witness.progress[-1]) == (0.0, 1.0)


def test_a_run_of_one_step_starts_at_zero():
    witness = Witness()
    train(witness, images(), epochs=1, batch_size=100)
    assert witness.progress == [0.0]


def test_the_rate_follows_its_schedule():
    """Adam moves a weight of constant gradient by exactly its rate."""
    witness, cycle, seen = Witness(), OneCycle(0.1), []
    train(
        witness,
        images(),
        learning_rate=cycle,
        on_batch=lambda count: seen.append(-float(witness.weight.detach())),
    )
    rates = np.diff([0.0, *seen])
    expected = [cycle(step / 9) for step in range(10)]
    np.testing.assert_allclose(rates, expected, rtol=1e-3, atol=1e-7)


def test_the_caller_hears_of_every_batch():
    seen = []
    train(Witness(), images(), on_batch=seen.append)
    assert seen == [5, 5, 5, 5, 2] * 2


# ------------------------------------------------------------------ history


def test_history_rows_are_means_over_images_and_the_last_batch_counts_by_its_size():
    rows = train(Witness(), images(), learning_rate=Constant(0.0))
    mean = float((images().flatten(1).double() / 255).sum(1).mean())
    assert [row["epoch"] for row in rows] == [1, 2]
    for row in rows:
        assert row["reconstruction"] == pytest.approx(mean, rel=1e-5)
        assert row["kl"] == pytest.approx(2 * mean, rel=1e-5)
        assert row["penalty"] == pytest.approx(mean, rel=1e-5)
        assert row["objective"] == pytest.approx(2 * mean, rel=1e-5)
        assert row["seconds"] > 0


def test_history_is_what_the_model_says_of_all_images():
    model, data = make("ae"), images()
    (row,) = train(model, data, epochs=1, learning_rate=Constant(0.0))
    with torch.no_grad():
        expected = float(model.loss(data / 255).objective)
    assert row["objective"] == row["reconstruction"] == pytest.approx(expected, rel=1e-5)
    assert row["kl"] == row["penalty"] == 0.0


@EACH
def test_training_lowers_the_loss(name):
    two = images(2).repeat(20, 1, 1, 1)
    rows = train(make(name), two, epochs=15, learning_rate=Constant(1e-2))
    assert rows[-1]["objective"] < rows[0]["objective"] - 1.0


# ------------------------------------------------------------------ the same numbers


@EACH
def test_a_seed_fixes_the_weights_and_another_changes_them(name):
    first, again, other = make(name), make(name), make(name)
    histories = [train(first, images()), train(again, images()), train(other, images(), seed=1)]
    for row in (row for history in histories for row in history):
        del row["seconds"]
    assert equal(first, again)
    assert histories[0] == histories[1] != histories[2]
    assert not equal(first, other)


def test_floats_train_like_the_grey_levels_they_come_from():
    grey, floats = make(), make()
    train(grey, images())
    train(floats, images().float() / 255)
    assert equal(grey, floats)


@EACH
def test_taken_up_again_after_any_epoch_it_ends_the_same(name):
    whole = make(name)
    rows = train(whole, images(), epochs=3)
    for done in (1, 2):
        model = make(name)
        optimiser = step.make_optimiser(model)
        settings = {"epochs": 3, "batch_size": 5, "learning_rate": Constant(1e-3), "seed": 0}
        epochs = loop.train(model, optimiser, images(), **settings)
        for _ in range(done):
            next(epochs)
        state = copy.deepcopy(model.state_dict())
        moments = {key: t.clone() for key, t in step.optimiser_tensors(optimiser).items()}
        torch.manual_seed(12345)  # a new process has another generator
        fresh = make(name)
        fresh.load_state_dict(state)
        optimiser = step.make_optimiser(fresh)
        step.restore_optimiser(optimiser, moments)
        rest = train(fresh, images(), optimiser, epochs=3, start=done)
        assert equal(fresh, whole)
        assert [row["objective"] for row in rest] == [row["objective"] for row in rows[done:]]


def test_moments_come_back_in_the_memory_order_of_their_weights():
    """Checkpoints store plain rows, while the weights of full maps are channels-last."""
    model = make()
    optimiser = step.make_optimiser(model)
    train(model, images(), optimiser)
    moments = step.optimiser_tensors(optimiser)
    assert len(moments) == 3 * len(list(model.parameters()))
    plain = {
        key: tensor.clone(memory_format=torch.contiguous_format) for key, tensor in moments.items()
    }
    restored = step.make_optimiser(model)
    step.restore_optimiser(restored, plain)
    for weight in model.parameters():
        before, after = optimiser.state[weight], restored.state[weight]
        assert set(before) == set(after)
        for key, tensor in before.items():
            assert torch.equal(after[key], tensor)
            assert after[key].stride() == tensor.stride()


def test_no_two_epochs_of_any_seeds_share_their_noise():
    firsts = []
    for seed in (0, 1, 2**31 - 1):
        for epoch in (-1, 0, 1, 24):
            loop.seed_epoch(seed, epoch)
            firsts.append(float(torch.rand(1, dtype=torch.float64)))
    assert len(set(firsts)) == len(firsts)


# ------------------------------------------------------------------ devices


def test_devices_by_name():
    assert loop.device("cpu") == torch.device("cpu")
    assert loop.device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["toaster", "cuda:77", "", "cpu:"])
def test_an_absent_device_is_one_sentence(name):
    with pytest.raises(DeviceError, match=r"is not on this machine; use .*\.$") as caught:
        loop.device(name)
    assert repr(name) in str(caught.value)


# ------------------------------------------------------------------ numbers that are not finite


class Fragile(Witness):
    """A part of its loss is not a number in one step, until its rate was halved often enough."""

    def __init__(self, part="kl", until=1, step=7):
        super().__init__()
        self.part, self.until, self.step = part, until, step

    def loss(self, x, progress=1.0):
        terms = super().loss(x, progress)
        bad = round(progress * 14) == self.step and self.rate() > 1e-3 * 0.5**self.until * 1.01
        wrong = {self.part: getattr(terms, self.part) * float("nan")} if bad else {}
        return dataclasses.replace(terms, **wrong)

    def rate(self):
        return self.optimiser.param_groups[0]["lr"]


def fragile(rows, model=None, optimiser=None, **arguments):
    model = model or Fragile(**arguments)
    optimiser = optimiser or step.make_optimiser(model)
    model.optimiser, said, images_done = optimiser, [], []
    factor = rows[-1].get("learning_rate_factor", 1.0) if rows else 1.0
    more = train(
        model,
        images(),
        optimiser,
        epochs=3,
        start=len(rows),
        factor=factor,
        say=said.append,
        on_batch=images_done.append,
    )
    return model, more, said, sum(images_done)


@pytest.mark.parametrize("part", ["reconstruction", "kl", "penalty"])
def test_a_number_that_is_not_finite_is_named_and_the_epoch_is_trained_at_half_the_rate(part):
    model, rows, said, done = fragile([], part=part)
    assert [row.get("learning_rate_factor") for row in rows] == [None, 0.5, 0.5]
    assert done == 3 * IMAGES
    (line,) = said
    assert line.startswith(f"epoch 2: the {part} of a batch is not finite")
    assert line.endswith("at 0.5 of the learning rate.")
    assert ("whose gradient is not is weight" in line) == (part != "penalty")
    assert torch.isfinite(model.weight).all()


def test_a_run_taken_up_after_a_fault_ends_the_same():
    whole, rows, _, _ = fragile([])
    model = Fragile()
    model.optimiser = optimiser = step.make_optimiser(model)
    settings = {"epochs": 3, "batch_size": 5, "learning_rate": Constant(1e-3), "seed": 0}
    epochs = loop.train(model, optimiser, images(), **settings)
    begun = [next(epochs), next(epochs)]
    again = Fragile()
    again.load_state_dict(model.state_dict())
    restored = step.make_optimiser(again)
    step.restore_optimiser(restored, step.optimiser_tensors(optimiser))
    _, more, said, _ = fragile(begun, model=again, optimiser=restored)
    assert not said
    assert torch.equal(again.weight, whole.weight)
    assert more[0]["learning_rate_factor"] == rows[2]["learning_rate_factor"] == 0.5
    assert more[0]["objective"] == rows[2]["objective"]


@pytest.mark.parametrize("taken", [1, 4])
def test_a_run_stopped_in_an_epoch_that_fails_ends_the_same(taken, tmp_path, monkeypatch):
    """Before the number that is not finite, when it cannot be saved any more, and behind it."""
    monkeypatch.setattr(training, "PAUSE", 0.0)
    config = RunConfig(
        dataset="x", model="ae", latents=1, epochs=3, batch_size=5, learning_rate=1e-3
    )

    def begun():
        torch.manual_seed(0)
        model = Fragile()
        model.optimiser = step.make_optimiser(model)
        return training.Training(config, model, model.optimiser)

    whole, stopped, again = begun(), begun(), begun()
    lines, said, folder = [], [], RunFolder(tmp_path)
    whole.go_on(images(), say=lines.append)

    def between():
        if len(stopped.history) == 1 and stopped.middle.taken == taken:
            stopped.save(folder)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.go_on(images(), between=between)
    assert bool(torch.isfinite(stopped.model.weight).all()) == (taken == 1)
    again.restore(folder, images())
    again.go_on(images(), say=said.append)
    assert equal(again.model, whole.model)
    assert said == lines
    for ours, theirs in zip(again.history, whole.history, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


def test_after_three_faults_it_stops_with_a_diagnosis():
    with pytest.raises(ConfigurationError, match=r"epoch 2, also at 0\.125 .*the kl of a batch"):
        fragile([], until=9)


def test_data_that_are_not_finite_are_the_diagnosis():
    data = images().float() / 255
    data[3] = float("nan")
    with pytest.raises(ConfigurationError, match="the data hold a number that is not finite"):
        train(make(), data)
