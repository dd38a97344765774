"""The trunk equals the same stack of torch's own layers, for every shape of data."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from sparsevae.errors import ConfigurationError
from sparsevae.networks import kernels
from sparsevae.networks.trunks import (
    WIDTHS,
    Decoder,
    Encoder,
    FullConvolution,
    FullTransposedConvolution,
    StridedConvolution,
    StridedTransposedConvolution,
    check_shape,
    count_parameters,
    sizes,
    stage_widths,
)

IMAGES = [(1, 28, 28), (3, 32, 32), (1, 8, 8), (1, 13, 10), (1, 64, 64), (2, 5, 20), (1, 1, 1)]
SHAPES = [*IMAGES, (20,), (1,)]
OUTPUTS, BATCH = 6, 3


def images(shape, batch=BATCH):
    return torch.rand(batch, *shape, generator=torch.Generator().manual_seed(0))


def stages(shape, widths=WIDTHS):
    """Widths of the trunk from the image to its last layer, and the maps between them."""
    maps = sizes(shape)
    return [shape[0], *stage_widths(widths, len(maps) - 1)], maps


def reference_encoder(shape, outputs):
    """The stack in torch's own layers, and those of them that have weights, in order."""
    if len(shape) == 1:
        pairs = pairwise([*shape, *WIDTHS])
        layers = [layer for pair in pairs for layer in (nn.Linear(*pair), nn.ReLU())]
        return nn.Sequential(*layers, nn.Linear(WIDTHS[-1], outputs))
    widths, maps = stages(shape)
    layers = []
    for before, after in pairwise(widths[:-1]):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(widths[-2], widths[-1], maps[-1]), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


def reference_decoder(shape, latents):
    if len(shape) == 1:
        pairs = pairwise([latents, *reversed(WIDTHS)])
        layers = [layer for pair in pairs for layer in (nn.Linear(*pair), nn.ReLU())]
        return nn.Sequential(*layers, nn.Linear(WIDTHS[0], *shape))
    widths, maps = stages(shape)
    widths, maps = widths[::-1], maps[::-1]
    layers = [nn.Linear(latents, widths[0]), nn.ReLU(), nn.Unflatten(1, (widths[0], 1, 1))]
    layers.append(nn.ConvTranspose2d(widths[0], widths[1], maps[0]))
    for stage, (height, width) in enumerate(maps[1:], start=1):
        even = (1 - height % 2, 1 - width % 2)
        pair = widths[stage : stage + 2]
        layers += [
            nn.ReLU(),
            nn.ConvTranspose2d(*pair, 3, stride=2, padding=1, output_padding=even),
        ]
    return nn.Sequential(*layers)


def copy_weights(source, target):
    """In order of use; both hold a weight and a bias a layer."""
    for ours, theirs in zip(source.parameters(), target.parameters(), strict=True):
        theirs.data.copy_(ours.data)


def with_gradients(network, inputs):
    """Output, then the gradients of a fixed random projection for the inputs and weights."""
    inputs = inputs.clone().requires_grad_()
    output = network(inputs)
    generator = torch.Generator().manual_seed(1)
    direction = torch.randn(output.shape, generator=generator).to(output.dtype)
    wanted = [inputs, *network.parameters()]
    return [output, *torch.autograd.grad((output * direction).sum(), wanted)]


def same(ours, theirs, inputs, tolerance):
    copy_weights(ours, theirs)
    expected = with_gradients(theirs.double(), inputs.double())
    for found, wanted in zip(with_gradients(ours, inputs), expected, strict=True):
        scale = wanted.abs().max().item()
        assert found.shape == wanted.shape
        assert (found.double() - wanted).abs().max().item() <= tolerance * scale + 1e-12


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kernel", ["auto", "plain"])
def test_the_encoder_is_the_stack_of_convolutions(shape, kernel):
    torch.manual_seed(0)
    with kernels.use(kernel):
        same(Encoder(shape, OUTPUTS), reference_encoder(shape, OUTPUTS), images(shape), 2e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kernel", ["auto", "plain"])
def test_the_decoder_is_the_stack_of_transposed_convolutions(shape, kernel):
    torch.manual_seed(0)
    codes = torch.randn(BATCH, OUTPUTS)
    with kernels.use(kernel):
        same(Decoder(shape, OUTPUTS), reference_decoder(shape, OUTPUTS), codes, 2e-5)


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 13, 10), (20,)], ids=str)
def test_in_double_precision_they_are_equal_to_the_last_digits(shape):
    torch.manual_seed(0)
    encoder, decoder = Encoder(shape, OUTPUTS).double(), Decoder(shape, OUTPUTS).double()
    codes = torch.randn(BATCH, OUTPUTS).double()
    same(encoder, reference_encoder(shape, OUTPUTS), images(shape).double(), 1e-12)
    same(decoder, reference_decoder(shape, OUTPUTS), codes, 1e-12)


@pytest.mark.parametrize("batch", [0, 1, 5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_survive_the_way_through(shape, batch):
    codes = Encoder(shape, OUTPUTS)(images(shape, batch))
    assert codes.shape == (batch, OUTPUTS)
    assert Decoder(shape, OUTPUTS)(codes).shape == (batch, *shape)


# The counts written out: weights and biases, from the image inwards.
FIRST, SECOND = 1 * 16 * 9 + 16, 16 * 32 * 9 + 32
FULL = {64: 32 * 64 * 49 + 64, 256: 32 * 256 * 49 + 256}
MIRRORED = {64: 32 * 64 * 49 + 32, 256: 32 * 256 * 49 + 32}
OUTWARDS = (32 * 16 * 9 + 16) + (16 * 1 * 9 + 1)


@pytest.mark.parametrize("middle", [64, 256])
def test_parameter_counts_are_those_of_the_convolutions(middle):
    latents, shape, widths = 64, (1, 28, 28), (16, 32, middle)
    encoder = Encoder(shape, 3 * latents, widths)
    decoder = Decoder(shape, latents, widths)
    assert count_parameters(encoder.trunk) == FIRST + SECOND + FULL[middle]
    assert count_parameters(encoder.head) == (middle + 1) * 3 * latents
    assert count_parameters(decoder) == (latents + 1) * middle + MIRRORED[middle] + OUTWARDS


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_parameter_counts_equal_those_of_torchs_layers(shape):
    encoder, decoder = Encoder(shape, OUTPUTS), Decoder(shape, OUTPUTS)
    assert count_parameters(encoder) == count_parameters(reference_encoder(shape, OUTPUTS))
    assert count_parameters(decoder) == count_parameters(reference_decoder(shape, OUTPUTS))


def test_parameters_that_are_not_trained_do_not_count():
    layer = nn.Linear(4, 3)
    layer.bias.requires_grad_(False)
    assert count_parameters(layer) == 12


# ------------------------------------------------------------------ mirror image


@pytest.mark.parametrize("size", [(28, 28), (14, 14), (13, 10), (9, 1)], ids=str)
def test_a_strided_layer_and_its_mirror_image_are_adjoint(size):
    """With open ReLUs the gradient of <conv(x), y> for x is the transposed convolution of y."""
    torch.manual_seed(0)
    layer = StridedConvolution(2, 5)
    mirror = StridedTransposedConvolution(5, 2, size)
    mirror.weight.data.copy_(layer.weight.data)
    mirror.bias.data.zero_()
    layer.bias.data.fill_(100.0)
    x = images((2, *size)).requires_grad_()
    maps = layer.stacked([layer], x)
    y = torch.randn_like(maps)
    (gradient,) = torch.autograd.grad((maps * y).sum(), x)
    torch.testing.assert_close(mirror.stacked([mirror], y), gradient, rtol=1e-4, atol=1e-5)


def test_a_full_map_layer_and_its_mirror_image_are_adjoint():
    torch.manual_seed(0)
    layer = FullConvolution(4, 6, (5, 7))
    mirror = FullTransposedConvolution(6, 4, (5, 7), relu=False)
    mirror.weight.data.copy_(layer.weight.data)
    mirror.bias.data.zero_()
    layer.bias.data.fill_(100.0)
    x = images((4, 5, 7)).requires_grad_()
    features = layer(x)
    y = torch.randn_like(features)
    (gradient,) = torch.autograd.grad((features * y).sum(), x)
    torch.testing.assert_close(mirror(y), gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", IMAGES, ids=str)
def test_the_decoder_holds_the_encoders_weights_in_mirrored_order(shape):
    inwards = [p.shape for p in Encoder(shape, 1).trunk.parameters() if p.dim() == 4]
    outwards = [p.shape for p in Decoder(shape, 1).trunk.parameters() if p.dim() == 4]
    assert inwards == outwards[::-1]


# ------------------------------------------------------------------ stages


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 28, 28), [(28, 28), (14, 14), (7, 7)]),
        ((3, 32, 32), [(32, 32), (16, 16), (8, 8)]),
        ((1, 8, 8), [(8, 8)]),
        ((1, 13, 10), [(13, 10), (7, 5)]),
        ((1, 64, 64), [(64, 64), (32, 32), (16, 16), (8, 8)]),
        ((1, 9, 1), [(9, 1), (5, 1)]),
    ],
)
def test_maps_halve_until_both_sides_are_at_most_eight(shape, expected):
    assert sizes(shape) == expected


@pytest.mark.parametrize(
    ("stage_count", "expected"),
    [(0, [256]), (1, [32, 256]), (2, [16, 32, 256]), (4, [16, 16, 16, 32, 256])],
)
def test_widths_are_cut_or_repeated_at_the_front(stage_count, expected):
    assert stage_widths(WIDTHS, stage_count) == expected


@pytest.mark.parametrize("shape", [(28, 28), (), (1, 0, 5), (0,), (1, 2, 3, 4)], ids=str)
def test_other_shapes_are_refused_in_one_sentence(shape):
    with pytest.raises(ConfigurationError, match=r"^Data are vectors .*\.$"):
        check_shape(shape)


@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 4, 4)])
def test_a_dense_trunk_is_that_of_the_flattened_images(shape):
    """Layer by layer the MLP of vectors, its output in the form of the image."""
    widths, length = (7, 4), math.prod(shape)
    dense, plain = (
        (
            torch.manual_seed(0),
            Encoder(form, OUTPUTS, widths, "mlp"),
            Decoder(form, 2, widths, 2, "mlp"),
        )[1:]
        for form in (shape, (length,))
    )
    x = images(shape)
    torch.testing.assert_close(dense[0](x), plain[0](x.flatten(1)))
    codes = torch.rand(BATCH, 2)
    decoded = dense[1](codes)
    assert decoded.shape == (BATCH, 2 * shape[0], *shape[1:])
    torch.testing.assert_close(decoded.flatten(1), plain[1](codes))
