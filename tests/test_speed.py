"""The compiled kernels are worth having: paired measurements, for an idle machine."""

import time
from statistics import median

import pytest
import torch

from sparsevae import data
from sparsevae.models.schedules import Constant
from sparsevae.networks import kernels
from sparsevae.runs.training import new_model
from sparsevae.training.config import RunConfig
from sparsevae.training.loop import train
from sparsevae.training.step import make_optimiser

AT_LEAST = 1.25
ROUNDS = 7
IMAGES = 2560


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seconds(kernel, model, optimiser, images):
    """Processor time of one epoch, which other work on the machine changes less than the clock."""
    with kernels.use(kernel), torch.random.fork_rng():
        epochs = train(
            model,
            optimiser,
            images,
            epochs=1,
            batch_size=256,
            learning_rate=Constant(1e-3),
            seed=0,
        )
        began = time.process_time()
        next(epochs)
        return time.process_time() - began


@pytest.mark.speed
@pytest.mark.skipif(kernels.kernel_name() == "plain", reason="no C++ compiler")
@pytest.mark.parametrize("widths", [(16, 32, 64), (16, 32, 256)])
def test_compiled_kernels_train_faster(one_thread, widths):
    images = torch.from_numpy(data.load("mnist-5k").train.images[:IMAGES])
    config = RunConfig(dataset="mnist-5k", model="vae", latents=32, widths=widths)
    model = new_model(config, images)
    trained = (model, make_optimiser(model), images)
    seconds("native", *trained)  # compiles where that was not done, and warms the caches up
    ratios = [seconds("plain", *trained) / seconds("native", *trained) for _ in range(ROUNDS)]
    assert median(ratios) >= AT_LEAST, f"ratios of the rounds: {sorted(ratios)}"
