"""Whole models on compiled kernels against PyTorch's own operations: gradients and loss curves."""

import pytest
import torch

from sparsevae import data
from sparsevae.models import MODELS
from sparsevae.models.schedules import Constant
from sparsevae.networks import kernels
from sparsevae.runs.training import new_model
from sparsevae.training.config import RunConfig
from sparsevae.training.step import TERMS, EagerStep, make_optimiser, unit_interval

BATCH = 256
STEPS = 100
TRUNKS = ((16, 32, 64), (16, 32, 256))

pytestmark = pytest.mark.skipif(
    kernels.kernel_name() == "plain", reason="no C++ compiler: nothing to compare"
)


@pytest.fixture(scope="module")
def images():
    return torch.from_numpy(data.load("mnist-5k").train.images)


def model_of(name, images, widths, latents=32):
    config = RunConfig(dataset="mnist-5k", model=name, latents=latents, widths=widths)
    return new_model(config, images)


def loss_curve(kernel, name, images, widths):
    """The objective of every step, (STEPS,)."""
    order = torch.randint(len(images), (STEPS, BATCH), generator=torch.Generator().manual_seed(1))
    totals, curve = torch.zeros(len(TERMS)), []
    with kernels.use(kernel), torch.random.fork_rng():
        torch.manual_seed(2)
        model = model_of(name, images, widths)
        step = EagerStep(model, make_optimiser(model), images, Constant(1e-3), "float32", totals)
        for index, chosen in enumerate(order):
            totals.zero_()
            step(chosen, index / STEPS)
            curve.append(totals[TERMS.index("objective")].item() / BATCH)
    return torch.tensor(curve)


def gradients(kernel, model, x):
    """Of a sum that reaches every weight of both networks and draws nothing, in one vector."""
    model.zero_grad()
    with kernels.use(kernel):
        features = model.encoder(x)
        score = model.likelihood(features[:, : model.latents]).log_prob(x)
        (features.square().sum(1) - score).mean().backward()
    weights = [*model.encoder.parameters(), *model.decoder.parameters()]
    return torch.cat([weight.grad.flatten() for weight in weights]).double()


@pytest.mark.parametrize("widths", TRUNKS)
def test_the_curve_of_a_vae_is_that_of_plain_operations(images, widths):
    native, plain = (loss_curve(kernel, "vae", images, widths) for kernel in ("native", "plain"))
    assert plain[-10:].mean() < 0.5 * plain[0]  # it has learned: the curve is not flat
    # After some 70 steps a last digit may decide a ReLU, and plain operations leave their own
    # curve by as much when a weight changes by 1e-7: so the distance of the curves is held.
    assert (native - plain).norm() <= 1e-4 * plain.norm()
    torch.testing.assert_close(native[:50], plain[:50], rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("widths", TRUNKS)
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_as_close_to_float64_as_those_of_plain_operations(images, widths, name):
    model, x = model_of(name, images, widths), unit_interval(images[:BATCH])
    native, plain = (gradients(kernel, model, x) for kernel in ("native", "plain"))
    exact = gradients("plain", model.double(), x.double())
    error, tolerated = ((found - exact).norm() for found in (native, plain))
    assert error <= 2 * tolerated
