"""The compiled kernels compute what PyTorch computes, and leave to it what they cannot do."""

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from sparsevae.networks import kernels

SIZES = [(28, 28), (14, 14), (7, 7), (8, 8), (5, 5), (13, 10), (1, 1), (2, 3), (1, 9)]
CHANNELS = [(1, 16), (16, 32), (2, 3), (3, 1), (5, 5), (32, 16), (17, 33), (1, 1)]
SHAPES = [(1 + 16 * (i % 2), *CHANNELS[i % len(CHANNELS)], *size) for i, size in enumerate(SIZES)]
SHAPES += [(3, *channels, 6, 7) for channels in CHANNELS]


def small(height, width):
    return (height + 1) // 2, (width + 1) // 2


def pairs(parameters):
    """Weight and bias of every layer."""
    return list(zip(parameters[::2], parameters[1::2], strict=True))


def layers(widths, transposed=False):
    """Weights and biases, alternating, of a stack with these channels from large to small maps."""
    found = []
    for large, small_channels in pairwise(widths):
        terms = 2 * small_channels if transposed else 9 * large
        weight = torch.randn(small_channels, large, 3, 3) / terms**0.5
        found.append([weight, torch.randn(large if transposed else small_channels)])
    return [tensor for layer in (reversed(found) if transposed else found) for tensor in layer]


def convolution_case(batch, channels, outputs, height, width, relu, more=()):
    inputs = [torch.randn(batch, channels, height, width), *layers((channels, outputs, *more))]
    return inputs, lambda images, *rest: kernels.strided_convolutions(
        images, pairs(rest), relu=relu
    )


def transposed_case(batch, channels, outputs, height, width, relu, more=()):
    widths, size = (channels, outputs, *more), (height, width)
    for _ in widths[1:]:
        height, width = small(height, width)
    inputs = [torch.randn(batch, widths[-1], height, width), *layers(widths, transposed=True)]
    return inputs, lambda maps, *rest: kernels.strided_transposed_convolutions(
        maps, pairs(rest), size, relu=relu
    )


def convolution_stack_case(*arguments):
    return convolution_case(*arguments, more=(7, 18))


def transposed_stack_case(*arguments):
    return transposed_case(*arguments, more=(7, 18))


def linear_case(batch, inputs_count, outputs, height, width, relu):
    features = inputs_count * height * width
    inputs = [
        torch.randn(batch, features),
        torch.randn(outputs, features) / features**0.5,
        torch.randn(outputs),
    ]
    return inputs, lambda *tensors: kernels.linear(*tensors, relu=relu)


def transposed_linear_case(batch, inputs_count, channels, height, width, relu):
    outputs = channels * height * width
    inputs = [
        torch.randn(batch, inputs_count),
        torch.randn(inputs_count, outputs) / inputs_count**0.5,
        torch.randn(channels),
    ]
    return inputs, lambda *tensors: kernels.transposed_linear(*tensors, relu=relu)


def divergence_case(batch, components, channels, height, width, relu):
    """Slabs as narrow as .03, their means 3."""
    latents = channels * height * width
    slabs = [torch.randn(rows, latents) for rows in (batch, components) for _ in range(3)]

    def divergence(*parts):
        q, p = (
            (4 * logits, 3 + loc / 20, 0.03 + scale.exp() / 20)
            for logits, loc, scale in (parts[:3], parts[3:])
        )
        return kernels.pairwise_divergence(q, p)

    return slabs, divergence


CASES = [convolution_case, transposed_case, linear_case, transposed_linear_case]
CASES += [convolution_stack_case, transposed_stack_case, divergence_case]


def value_and_gradients(inputs, function, upstream=None, kernel="native"):
    """Result, and the gradients of sum(result * upstream), through one kind of kernel."""
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    with kernels.use(kernel):
        result = function(*leaves)
        upstream = torch.ones_like(result) if upstream is None else upstream
        result.backward(upstream.to(result.dtype))
    return [result.detach(), *(leaf.grad for leaf in leaves)]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def poisoned():
    """New tensors are full of NaN, so that whatever a kernel fails to write is seen."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.needs_compiler
@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_as_exact_as_those_of_torch(case, shape, relu):
    inputs, function = case(*shape, relu)
    exact = value_and_gradients([t.double() for t in inputs], function)
    upstream = torch.randn_like(exact[0])
    # A sum that is exactly on the edge of the ReLU may fall on either side: its gradient is cut.
    upstream[exact[0].abs() < 1e-5] = 0
    exact = value_and_gradients([t.double() for t in inputs], function, upstream)
    eager = value_and_gradients(inputs, function, upstream, "plain")
    ours = value_and_gradients(inputs, function, upstream)
    for target, plain, native in zip(exact, eager, ours, strict=True):
        assert native.shape == target.shape
        allowed = 2 * (plain - target).abs().max() + 1e-6 * (1 + target.abs().max())
        assert (native - target).abs().max() <= allowed


@pytest.mark.needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_memory_layout_of_the_inputs_does_not_matter(case):
    inputs, function = case(3, 4, 6, 7, 8, True)
    plain = value_and_gradients(inputs, function)
    for change in (
        lambda t: t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t,
        lambda t: torch.stack([t, t], dim=-1)[..., 0],
        lambda t: t.transpose(0, 1).contiguous().transpose(0, 1) if t.dim() > 1 else t,
    ):
        moved = [change(t).detach() for t in inputs]
        for leaf in moved:
            leaf.requires_grad_()
        with kernels.use("native"):
            result = function(*moved)
            result.sum().backward()
        for expected, found in zip(plain, [result, *(t.grad for t in moved)], strict=True):
            assert torch.equal(expected, found)


@pytest.mark.needs_compiler
def test_maps_are_returned_in_channels_last_order():
    for case in (convolution_case, transposed_case, transposed_stack_case):
        inputs, function = case(2, 3, 4, 6, 6, True)
        assert function(*inputs).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_same_bits_every_time_and_for_any_number_of_threads(case):
    inputs, function = case(37, 3, 20, 11, 9, True)
    before = torch.get_num_threads()
    runs = []
    try:
        for threads in (1, 1, 2, 3, 16):
            torch.set_num_threads(threads)
            runs.append(value_and_gradients(inputs, function))
    finally:
        torch.set_num_threads(before)
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(runs[0], run, strict=True))


@pytest.mark.needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_inputs_and_incoming_gradient_are_left_alone(case):
    inputs, function = case(2, 3, 4, 6, 5, True)
    upstream = torch.randn_like(function(*inputs))
    copies = [t.clone() for t in (*inputs, upstream)]
    leaves = [t.requires_grad_() for t in inputs]
    with kernels.use("native"):
        function(*leaves).backward(upstream)
    assert all(torch.equal(a, b) for a, b in zip(copies, (*inputs, upstream), strict=True))


@pytest.mark.needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_only_the_gradients_that_are_asked_for_are_computed(case):
    inputs, function = case(2, 3, 4, 6, 5, True)
    wanted = value_and_gradients(inputs, function)
    parameters = [t.clone().requires_grad_() for t in inputs[1:]]
    with kernels.use("native"):
        function(inputs[0], *parameters).sum().backward()
    assert inputs[0].grad is None
    for parameter, gradient in zip(parameters, wanted[2:], strict=True):
        assert torch.equal(parameter.grad, gradient)


@pytest.mark.needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_results_are_the_same_whether_gradients_will_be_wanted_or_not(case):
    inputs, function = case(3, 2, 5, 9, 6, True)
    with kernels.use("native"):
        wanted = function(*(t.clone().requires_grad_() for t in inputs))
        with torch.no_grad():
            assert torch.equal(function(*(t.requires_grad_() for t in inputs)), wanted)


@pytest.mark.needs_compiler
@pytest.mark.parametrize("off", [0, 1, 150, 200], ids=lambda off: f"{off} of 200")
def test_inputs_that_are_always_zero_may_be_left_out(off):
    features, weight, bias = torch.randn(9, 200), torch.randn(200, 30), torch.randn(5)
    features[:, torch.randperm(200)[:off]] = 0
    with kernels.use("native"), torch.no_grad():
        found = kernels.transposed_linear(features, weight, bias, relu=True)
    exact = (features.double() @ weight.double() + bias.double().repeat(6)).relu()
    torch.testing.assert_close(found.double(), exact, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("relu", [False, True])
def test_linear_layers_of_few_rows_are_the_librarys(relu):
    features, weight, bias = torch.randn(9, 20), torch.randn(30, 20), torch.randn(30)
    wanted = functional.linear(features, weight, bias)
    with kernels.use("auto"):
        found = kernels.linear(features, weight, bias, relu=relu)
    assert torch.equal(found, wanted.relu() if relu else wanted)


@pytest.mark.needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_an_empty_batch_gives_an_empty_result_and_zero_gradients(case):
    inputs, function = case(0, 3, 4, 6, 5, True)
    result, _, *parameters = value_and_gradients(inputs, function)
    assert result.shape[0] == 0
    assert not any(gradient.any() for gradient in parameters)


@pytest.mark.needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_not_a_number_stays_visible(case):
    inputs, function = case(2, 3, 4, 6, 5, True)
    inputs[0].view(-1)[0] = float("nan")
    with kernels.use("native"):
        assert function(*inputs).isnan().any()


@pytest.mark.needs_compiler
@pytest.mark.parametrize("case", CASES)
def test_other_number_types_take_the_plain_path(case):
    inputs, function = case(2, 3, 4, 6, 5, True)
    inputs = [t.double().requires_grad_() for t in inputs]
    with kernels.use("native"):
        result = function(*inputs)
        assert result.dtype == torch.float64
        assert torch.autograd.gradcheck(function, inputs)


def test_other_kernel_sizes_take_the_plain_path():
    images, weight, bias = torch.randn(2, 3, 9, 8), torch.randn(4, 3, 5, 5), torch.randn(4)
    found = kernels.strided_convolutions(images, [(weight, bias)], relu=False)
    assert torch.equal(found, functional.conv2d(images, weight, bias, stride=2, padding=1))


@pytest.mark.needs_compiler
def test_an_export_sees_the_operations_of_torch():
    class Halve(torch.nn.Module):
        def forward(self, images, weight, bias):
            return kernels.strided_convolutions(images, [(weight, bias)], relu=True)

    inputs, function = convolution_case(2, 1, 4, 6, 6, True)
    exported = torch.export.export(Halve(), tuple(inputs))
    assert "conv2d" in str(exported.graph)
    with kernels.use("plain"):
        assert torch.equal(exported.module()(*inputs), function(*inputs))


@pytest.mark.needs_compiler
@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("scale", [0.1, 5.0, 50.0])
@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (2, 3, 5, 7), (4, 2), (1, 17)], ids=str)
def test_bernoulli_score_is_exact(shape, scale):
    logits, values = scale * torch.randn(shape), torch.rand(shape)
    upstream = torch.randn(shape[0])
    score, slope = value_and_gradients(
        [logits], lambda t: kernels.bernoulli_score(t, values), upstream
    )
    exact, exact_slope = value_and_gradients(
        [logits.double()], lambda t: kernels.bernoulli_score(t, values.double()), upstream
    )
    torch.testing.assert_close(score.double(), exact, rtol=1e-6, atol=0)
    torch.testing.assert_close(slope.double(), exact_slope, rtol=0, atol=5e-7)


@pytest.mark.needs_compiler
@pytest.mark.parametrize("logit", [-300.0, -41.5, -20.0, 0.0, 20.0, 41.5, 300.0])
def test_bernoulli_score_of_one_pixel(logit):
    for value in (0.0, 0.25, 1.0):
        with kernels.use("native"):
            score = kernels.bernoulli_score(torch.tensor([[logit]]), torch.tensor([[value]]))
        exact = logit * value - max(logit, 0.0) - math.log1p(math.exp(-abs(logit)))
        assert score.item() == pytest.approx(exact, rel=3e-7, abs=2e-18)


@pytest.mark.needs_compiler
def test_bernoulli_score_hides_no_nan_and_leaves_gradients_of_pixels_to_torch():
    logits, values = torch.randn(2, 5), torch.rand(2, 5, requires_grad=True)
    with kernels.use("native"):
        assert kernels.bernoulli_score(logits * float("nan"), values.detach()).isnan().all()
        kernels.bernoulli_score(logits, values).sum().backward()
    torch.testing.assert_close(values.grad, logits)


@pytest.mark.needs_compiler
@pytest.mark.parametrize("case", CASES[:-1])  # a divergence is added up in single precision
def test_reduced_precision_is_left_to_torch(case):
    inputs, function = case(2, 3, 4, 6, 5, True)
    with kernels.use("native"), torch.autocast("cpu", torch.bfloat16):
        assert function(*inputs).dtype == torch.bfloat16
