"""Training steps: schedules as tensors give what schedules as numbers give; precision."""

import pytest
import torch

from sparsevae import models
from sparsevae.errors import ConfigurationError
from sparsevae.models.schedules import OneCycle
from sparsevae.training import step


def one_step(tiny_dataset, progress, precision="float32"):
    """Weights, sums of terms and learning rate after one step of a warmed-up VSC."""
    torch.manual_seed(0)
    arguments = {"warm_up": {"kind": "ramp", "start": 0.1, "end": 0.9}}
    model = models.build("vsc", (1, 28, 28), 5, widths=(4, 8, 16), arguments=arguments)
    optimiser, totals = step.make_optimiser(model), torch.zeros(len(step.TERMS))
    images = torch.from_numpy(tiny_dataset.train.images)
    take = step.EagerStep(model, optimiser, images, OneCycle(2e-3), precision, totals)
    step.fastest(take, 32)(torch.arange(32), progress)
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    return weights, totals, float(optimiser.param_groups[0]["lr"])


def test_progress_as_a_tensor_gives_the_same_step(tiny_dataset):
    number, tensor = (one_step(tiny_dataset, value) for value in (0.5, torch.tensor(0.5)))
    torch.testing.assert_close(tensor[0], number[0])
    torch.testing.assert_close(tensor[1], number[1])
    assert tensor[2] == pytest.approx(number[2])


def test_bfloat16_is_near_float32_and_not_the_same(tiny_dataset):
    full, half = (one_step(tiny_dataset, 0.5, name)[1] for name in ("float32", "bf16"))
    assert not torch.equal(full, half)
    torch.testing.assert_close(half, full, rtol=0.02, atol=0.5)


@pytest.mark.parametrize("trunk", ["mlp", "linear"])
@torch.no_grad()
def test_under_bfloat16_rare_gates_open_as_often_as_they_say(trunk):
    torch.manual_seed(0)
    model = models.build("vsc", (5,), 200, trunk=trunk, arguments={"lateral_steps": 0})
    head = model.encoder.head
    for parameter in head.parameters():
        parameter.zero_()
    (head.shift[0] if trunk == "linear" else head.bias[:200]).fill_(-6.5)
    with torch.autocast("cpu", torch.bfloat16):
        q = model.posterior(torch.rand(2000, 5))
        mask = q.draw()[1]
    expected = float(q.spike_probability.double().sum())
    assert expected > 500
    assert float(mask.sum()) == pytest.approx(expected, abs=5 * expected**0.5)


def test_tf32_needs_a_cuda_device(tiny_dataset):
    with pytest.raises(ConfigurationError, match="CUDA"):
        one_step(tiny_dataset, 0.5, "tf32")


def test_pixels_become_floats_in_the_unit_interval():
    grey = torch.tensor([0, 51, 255], dtype=torch.uint8)
    torch.testing.assert_close(step.unit_interval(grey), torch.tensor([0.0, 0.2, 1.0]))
    already = torch.tensor([0.25])
    assert step.unit_interval(already) is already


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_captured_step_follows_the_eager_one(tiny_dataset):
    from sparsevae.models.schedules import Constant
    from sparsevae.training.loop import train

    def losses(capture):
        torch.manual_seed(0)
        model = models.build("vae", (1, 28, 28), 5, widths=(4, 8, 16), arguments={}).cuda()
        images = torch.from_numpy(tiny_dataset.train.images)
        images = images.cuda() if capture else images  # a step on host images is not captured
        optimiser = step.make_optimiser(model)
        settings = {"epochs": 4, "batch_size": 50, "learning_rate": Constant(1e-3), "seed": 0}
        return [row["objective"] for row in train(model, optimiser, images, **settings)]

    assert losses(capture=True) == pytest.approx(losses(capture=False), rel=0.05)


def test_a_likelihood_that_draws_sees_zeros_and_ones_of_the_steps_generator():
    seen = []

    def losses(seed):
        torch.manual_seed(3)
        arguments = {"likelihood": "drawn-bernoulli"}
        model = models.build("vae", (4,), 2, widths=(5,), arguments=arguments)
        model.loss, own = lambda x, progress: (seen.append(x), own(x, progress))[1], model.loss
        totals, images = torch.zeros(len(step.TERMS)), torch.full((50, 4), 0.3)
        optimiser = step.make_optimiser(model)
        take = step.EagerStep(model, optimiser, images, OneCycle(2e-3), "float32", totals)
        torch.manual_seed(seed)
        for _ in range(2):
            take(torch.arange(50), 0.0)
        return totals

    assert torch.equal(losses(1), losses(1))
    first, second, again, *_ = seen
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert float(first.mean()) == pytest.approx(0.3, abs=0.1)
    assert not torch.equal(losses(1), losses(2))
